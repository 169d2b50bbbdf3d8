/// The database's schema as files that are applied once, in order, each in a transaction of its own.
/// Files: 000_penstock.sql, then the kinds by name, then views*.sql, policies.sql, retention.sql, roles.sql.
/// A file whose first line is `-- requires timescaledb.license = timescale` is skipped, and said to be, where the
/// server's license is another; it stays pending, so it is applied when the edition changes. So is one that begins with
/// `-- requires timescaledb >= 2.18` where the server has an older one, or with `-- requires roles = a, b` where these are
/// not there and this user may not make them.
/// All functions throw Fault. One thread.
#pragma once

#include "streaming/postgres/connection.hpp"
#include "streaming/text_file.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::postgres {

struct MigrationState {
  enum class Kind { applied, pending, skipped, changed };
  std::string name;
  Kind kind;
  std::string applied_at;  ///< "" where it is not
  std::string detail;      ///< why it is skipped, what changed
};
std::string_view to_text(MigrationState::Kind kind);

/// The *.sql of `texts` in the order in which they are applied.
std::vector<TextFile> migrations_of(std::vector<TextFile> const& texts);

/// Every file and what is known of it. Changes nothing.
std::vector<MigrationState> migration_status(Connection& connection, std::vector<TextFile> const& texts);

/// Applies what is pending, makes the extension timescaledb where it is missing. A second run changes nothing; two runs
/// at once wait for each other. An applied file whose text is another now is a fatal Fault, before anything is applied.
/// `done` is told of each file that is applied now or skipped. Returns all of them.
std::vector<MigrationState> apply_migrations(Connection& connection, std::vector<TextFile> const& texts,
                                             std::function<void(MigrationState const&)> const& done = {});

struct Dropped {
  std::vector<std::string> chunks;  ///< their names
  std::string skipped;              ///< why nothing can be dropped; "" where it can
};
/// Drops the chunks of a kind's table that hold only what is older than `days` (> 0), and says so in penstock.retention.
/// Several at once: one does it.
Dropped drop_old_chunks(Connection& connection, std::string_view kind, std::int64_t days);

}  // namespace penstock::postgres
