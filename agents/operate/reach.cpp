#include "agents/operate/reach.hpp"

#include "agents/connections.hpp"
#include "schemas/texts.hpp"
#include "streaming/fault.hpp"
#include "streaming/kafka/topics.hpp"
#include "streaming/log.hpp"
#include "streaming/postgres/migrations.hpp"
#include "streaming/time.hpp"

namespace penstock {

namespace {

using Steady = std::chrono::steady_clock;
constexpr std::chrono::seconds piece{2};  // A stop is noticed between two pieces.
constexpr std::chrono::milliseconds pause{200};
constexpr std::chrono::seconds tell_again{30};

}  // namespace

bool wait_for_broker(kafka::Connection const& connection, std::stop_token const& stop, std::chrono::milliseconds limit) {
  auto const until = Steady::now() + limit;
  Steady::time_point told{};
  while (!stop.stop_requested()) try {
      kafka::check_reachable(connection, piece);
      if (told != Steady::time_point{}) log::info("the broker is there");
      return true;
    } catch (Fault const& fault) {
      if (stop.stop_requested()) break;
      if (fault.kind() == Fault::Kind::refused) throw;
      auto const now = Steady::now();
      if (limit > std::chrono::milliseconds::zero() && now >= until) throw;
      if (limit == std::chrono::milliseconds::zero() && now >= told + tell_again) {
        log::warning("the broker is away; it is waited for", {{"why", fault.what()}});
        told = now;
      }
      system_clock().sleep(pause, stop);
    }
  return false;
}

std::unique_ptr<postgres::Connection> open_database(Config const& config, std::stop_token const& stop,
                                                    std::chrono::milliseconds limit) try {
  auto settings = database_of(config);
  if (limit.count() > 0) settings.connect_max = settings.silence_max = settings.statement_max = settings.lock_max = limit;
  return std::make_unique<postgres::Connection>(settings, stop);
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
