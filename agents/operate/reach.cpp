#include "agents/operate/reach.hpp"

#include "agents/connections.hpp"
#include "schemas/texts.hpp"
#include "streaming/fault.hpp"
#include "streaming/kafka/topics.hpp"
#include "streaming/postgres/migrations.hpp"

namespace penstock {

namespace {

using Steady = std::chrono::steady_clock;
constexpr std::chrono::seconds piece{2};  // A stop is noticed between two pieces.

}  // namespace

bool wait_for_broker(kafka::Connection const& connection, std::stop_token const& stop, std::chrono::seconds limit) {
  auto const until = Steady::now() + limit;
  while (!stop.stop_requested()) try {
      kafka::check_reachable(connection, piece);
      return true;
    } catch (Fault const&) {
      if (!stop.stop_requested() && Steady::now() >= until) throw;
    }
  return false;
}

std::unique_ptr<postgres::Connection> open_database(Config const& config, std::stop_token const& stop) try {
  return std::make_unique<postgres::Connection>(database_of(config), stop);
} catch (Fault const& fault) {
  std::string const what = fault.what();
  if (stop.stop_requested() || what.contains("database.")) throw;
  throw Fault{fault.kind(), what + " Start it, or set database.url (--database-url, PENSTOCK_DATABASE_URL)"};
}

void require_schema(postgres::Connection& connection) {
  using Kind = postgres::MigrationState::Kind;
  std::string missing;
  auto is_empty = true;
  for (auto const& state : postgres::migration_status(connection, schema_texts())) {
    if (state.kind == Kind::changed)
      throw Fault{Fault::Kind::fatal, "the database was set up by another version of penstock (" + state.name + ' ' +
                                          state.detail + "): use that version, or name another database in database.url"};
    if (state.kind == Kind::pending) missing += (missing.empty() ? "" : ", ") + state.name;
    if (state.kind == Kind::applied) is_empty = false;
  }
  if (missing.empty()) return;
  throw Fault{Fault::Kind::fatal,
              "the database lacks " + (is_empty ? "penstock's tables" : missing) + ": run `penstock db apply`"};
}

}  // namespace penstock
