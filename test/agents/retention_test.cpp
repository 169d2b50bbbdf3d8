#include "agents/retention.hpp"

#include "streaming/fault.hpp"
#include "test/postgres/database.hpp"

#include <doctest/doctest.h>

#include <optional>

namespace penstock::test {
namespace {

using namespace postgres;
using namespace std::chrono_literals;

void wait_until(TestDatabase const& database, std::string const& query, std::string const& answer) {
  auto const until = std::chrono::steady_clock::now() + 20s;
  while (database.ask(query) != answer) REQUIRE(std::chrono::steady_clock::now() < until);
}

}  // namespace

TEST_CASE("retention: an unusable URL is told to who starts it, and does not end the process from its thread") {
  CHECK_THROWS_AS((Retention{{.url = "nonsense"}, {{"trades", 1}}}), UsageError);
}

TEST_CASE("retention: what is older than its kind's limit goes, the rest stays") {
  if (no_database()) return;
  TestDatabase const database;
  PostgresSink sink{database.sink_options()};
  write(sink, BatchOf{}.add(trade(1)).add(candle("1", 1)).moves("md.trades", 0, -1, 1).batch);
  Retention const retention{database.settings(), {{"trades", 1}, {"candles", 0}}};
  wait_until(database, "select count(*) from trades", "0");
  CHECK(database.ask("select count(*) from candles") == "1");
}

TEST_CASE("retention: its end does not wait for a lock that somebody else holds") {
  if (no_database()) return;
  TestDatabase const database;
  PostgresSink sink{database.sink_options()};
  write(sink, BatchOf{}.add(trade(1)).moves("md.trades", 0, -1, 1).batch);
  auto reader = database.connect();
  reader.begin();
  reader.query("select * from trades");
  std::optional<Retention> retention{std::in_place, database.settings(), Retention::Days{{"trades", 1}}};
  wait_until(database, "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
             "1");
  auto const began = std::chrono::steady_clock::now();
  retention.reset();
  CHECK(std::chrono::steady_clock::now() - began < 3s);
  reader.rollback();
  CHECK(database.ask("select count(*) from trades") == "1");
}

}  // namespace penstock::test
