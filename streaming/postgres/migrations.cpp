#include "streaming/postgres/migrations.hpp"

#include <algorithm>
#include <map>

namespace penstock::postgres {
namespace {

using Kind = MigrationState::Kind;

// Any number, the same in every penstock: who applies migrations, who drops chunks.
constexpr std::string_view migrations_lock = "select pg_advisory_lock(7093661)",
                           migrations_unlock = "select pg_advisory_unlock(7093661)";
constexpr std::string_view retention_lock = "select pg_try_advisory_xact_lock(7093662)";
constexpr std::string_view requires_license = "-- requires timescaledb.license = ";
constexpr std::string_view requires_roles = "-- requires roles = ";
constexpr std::string_view requires_version = "-- requires timescaledb >= ";

int rank_of(std::string_view name) {
  if (name == "000_penstock.sql") return 0;
  if (name.starts_with("views")) return 2;
  if (name == "policies.sql") return 3;
  return name == "retention.sql" || name == "roles.sql" ? 4 : 1;
}

/// What the first line of a file asks for; "" where it is not about that.
std::string required_by(std::string_view text, std::string_view requirement) {
  if (!text.starts_with(requirement)) return {};
  text.remove_prefix(requirement.size());
  return std::string{text.substr(0, text.find_first_of("\r\n"))};
}

bool exists(Connection& connection, std::string const& relation) {
  return connection.query("select to_regclass($1)", {relation}).front().front().has_value();
}

bool has_timescale(Connection& connection) {
  return !connection.query("select 1 from pg_extension where extname = 'timescaledb'").empty();
}

// Only a session that has loaded the extension knows the setting.
std::string license_of(Connection& connection) {
  if (!has_timescale(connection)) return {};
  connection.query("select time_bucket('1 minute', now())");
  return connection.query("select coalesce(current_setting('timescaledb.license', true), '')").front().front().value_or("");
}

/// Why a file that takes this version of TimescaleDB or a later one cannot be applied; "" where it can.
std::string version_problem(Connection& connection, std::string const& wanted) {
  if (wanted.empty()) return {};
  auto const older = connection.query(
      "select extversion from pg_extension where extname = 'timescaledb' and"
      " string_to_array(split_part(extversion, '-', 1), '.')::int[] < string_to_array($1, '.')::int[]",
      {wanted});
  if (older.empty()) return {};
  return "needs timescaledb >= " + wanted + ", the server has " + *older.front().front() +
         ": install a newer one, `alter extension timescaledb update`, then `penstock db apply` again";
}

std::string license_problem(std::string const& wanted, std::string const& license) {
  if (wanted.empty() || license.empty() || wanted == license) return {};
  return "needs timescaledb.license = " + wanted + ", the server has " + license;
}

/// Why a file that makes these roles ("a, b") cannot be applied; "" where it can.
std::string roles_problem(Connection& connection, std::string const& roles) {
  if (roles.empty()) return {};
  auto const missing =
      connection
          .query(
              "select coalesce(string_agg(format('create role %I nologin', name), '; '), ''),"
              " (select rolsuper or rolcreaterole from pg_roles where rolname = current_user)"
              " from unnest(string_to_array($1, ', ')) name where not exists (select from pg_roles where rolname = name)",
              {roles})
          .front();
  if (missing[0]->empty() || missing[1] == "t") return {};
  return "this user may not make roles: let one who may run `" + *missing[0] + "`, then `penstock db apply` again";
}

/// Why a file cannot be applied here; "" where it can. `license`: the server's, "" where it is not known yet.
std::string problem_of(Connection& connection, std::string_view text, std::string const& license) {
  auto problem = license_problem(required_by(text, requires_license), license);
  if (problem.empty()) problem = version_problem(connection, required_by(text, requires_version));
  if (problem.empty()) problem = roles_problem(connection, required_by(text, requires_roles));
  return problem;
}

void make_extension(Connection& connection) {
  if (has_timescale(connection)) return;
  try {
    connection.execute("create extension if not exists timescaledb");
  } catch (Fault const& fault) {
    if (fault.kind() == Fault::Kind::transient) throw;
    throw Fault{Fault::Kind::fatal, std::string{"the extension timescaledb cannot be made here: "} + fault.what() +
                                        ": install TimescaleDB on the server, put timescaledb into shared_preload_libraries "
                                        "(postgresql.conf), restart it, and let a superuser run `create extension timescaledb`"};
  }
}

struct Applied {
  std::string checksum, at;
};
std::map<std::string, Applied> applied_files(Connection& connection) {
  std::map<std::string, Applied> files;
  if (!exists(connection, "penstock.migrations")) return files;
  for (auto const& row :
       connection.query("select name, checksum, to_char(applied_at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') from penstock.migrations"))
    files[row[0].value()] = {row[1].value(), row[2].value()};
  return files;
}

std::string checksum_of(Connection& connection, std::string_view text) {
  return connection.query("select encode(sha256(convert_to($1, 'UTF8')), 'hex')", {std::string{text}}).front().front().value();
}

void apply_file(Connection& connection, TextFile const& file) {
  try {
    auto const checksum = checksum_of(connection, file.text);
    Transaction transaction{connection};
    connection.execute("set local lock_timeout = 0; set local statement_timeout = 0");
    connection.execute(std::string{file.text});
    connection.execute("insert into penstock.migrations (name, checksum) values ($1, $2)", {std::string{file.name}, checksum});
    transaction.commit();
  } catch (Fault const& fault) {
    auto const kind = fault.kind() == Fault::Kind::transient ? Fault::Kind::transient : Fault::Kind::fatal;
    throw Fault{kind, std::string{file.name} + " was not applied: " + fault.what()};
  }
}

// Two runs at once would both find the same files pending.
class OneAtATime {
 public:
  explicit OneAtATime(Connection& connection) : connection_{connection} {
    connection.execute("set lock_timeout = 0");
    connection.query(std::string{migrations_lock});
  }
  ~OneAtATime() {
    try {
      connection_.query(std::string{migrations_unlock});
    } catch (Fault const&) {  // The connection is gone, and its lock with it.
      return;
    }
  }
  OneAtATime(OneAtATime const&) = delete;
  OneAtATime& operator=(OneAtATime const&) = delete;

 private:
  Connection& connection_;
};

}  // namespace

std::string_view to_text(MigrationState::Kind kind) {
  switch (kind) {
    case Kind::applied: return "applied";
    case Kind::pending: return "pending";
    case Kind::skipped: return "skipped";
    case Kind::changed: return "changed";
  }
  return {};
}

std::vector<TextFile> migrations_of(std::vector<TextFile> const& texts) {
  std::vector<TextFile> files;
  std::ranges::copy_if(texts, std::back_inserter(files), [](auto const& file) { return file.name.ends_with(".sql"); });
  std::ranges::sort(files, {}, [](auto const& file) { return std::pair{rank_of(file.name), file.name}; });
  return files;
}

std::vector<MigrationState> migration_status(Connection& connection, std::vector<TextFile> const& texts) {
  auto const applied = applied_files(connection);
  auto const license = license_of(connection);
  std::vector<MigrationState> states;
  for (auto const& file : migrations_of(texts)) {
    MigrationState state{.name = std::string{file.name}, .kind = Kind::pending, .applied_at = {}, .detail = {}};
    if (auto const found = applied.find(state.name); found != applied.end()) {
      state.applied_at = found->second.at;
      state.kind = found->second.checksum == checksum_of(connection, file.text) ? Kind::applied : Kind::changed;
      if (state.kind == Kind::changed) state.detail = "was applied with another text";
    } else if (auto why = problem_of(connection, file.text, license); !why.empty()) {
      state.kind = Kind::skipped;
      state.detail = std::move(why);
    }
    states.push_back(std::move(state));
  }
  return states;
}

std::vector<MigrationState> apply_migrations(Connection& connection, std::vector<TextFile> const& texts,
                                             std::function<void(MigrationState const&)> const& done) {
  OneAtATime const lock{connection};
  make_extension(connection);
  auto states = migration_status(connection, texts);
  auto const files = migrations_of(texts);
  for (auto const& state : states)
    if (state.kind == Kind::changed)
      throw Fault{Fault::Kind::fatal, state.name + " was applied on " + state.applied_at +
                                          " with another text than this penstock has: use the penstock that made this database, "
                                          "or a new database (`createdb`)"};
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (states[i].kind == Kind::applied) continue;
    if (states[i].kind == Kind::pending) {
      apply_file(connection, files[i]);
      states[i].kind = Kind::applied;
    }
    if (done) done(states[i]);
  }
  return states;
}

Dropped drop_old_chunks(Connection& connection, std::string_view kind, std::int64_t days) {
  Transaction transaction{connection};
  std::string const table{kind};
  if (!exists(connection, table)) throw Fault{Fault::Kind::fatal, "there is no table " + table + ": run `penstock db apply`"};
  if (connection
          .query("select 1 from timescaledb_information.hypertables where hypertable_name = $1"
                 " and format('%I.%I', hypertable_schema, hypertable_name)::regclass = to_regclass($1)",
                 {table})
          .empty())
    return {.chunks = {}, .skipped = table + " keeps one row for each symbol or code and has nothing old to drop"};
  if (connection.query(std::string{retention_lock}).front().front() != "t")
    return {.chunks = {}, .skipped = "another penstock is dropping chunks right now"};
  Dropped dropped;
  for (auto const& row : connection.query("select penstock.drop_chunks($1, $2::int)", {table, std::to_string(days)}))
    dropped.chunks.push_back(row.front().value_or(""));
  if (!dropped.chunks.empty())
    connection.execute(
        "insert into penstock.retention as r (table_name, dropped_chunks, dropped_before)"
        " values ($1, $2, now() - make_interval(days => $3::int)) on conflict (table_name) do update set at = excluded.at,"
        " dropped_chunks = r.dropped_chunks + excluded.dropped_chunks,"
        " dropped_before = greatest(r.dropped_before, excluded.dropped_before)",
        {table, std::to_string(dropped.chunks.size()), std::to_string(days)});
  transaction.commit();
  return dropped;
}

}  // namespace penstock::postgres
