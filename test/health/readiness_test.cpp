#include "agents/health/readiness.hpp"

#include "streaming/log.hpp"
#include "test/fakes.hpp"

#include <doctest/doctest.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>

using namespace penstock;
using namespace std::chrono_literals;

namespace {

struct Agent {
  test::FakeClock clock;
  Metrics metrics{"store"};
  Health health{clock};
  Readiness readiness{
      health, metrics, {.lag_records_max = 100, .dead_per_minute_max = 10, .turn_max = std::chrono::seconds{60}}, clock};

  Check look(std::string const& name) {
    for (auto& check : readiness.look())
      if (check.name == name) return check;
    return {.name = "there is no check " + name};
  }
};

}  // namespace

TEST_CASE("health: a check says how it is, since when, and what to do") {
  Agent agent;
  agent.health.bad("broker", "no Kafka broker answers: start one");
  agent.clock.advance(75s);
  agent.health.bad("broker", "no Kafka broker answers: start one");
  CHECK_FALSE(agent.look("broker").ready);
  CHECK(agent.look("broker").reason == "for 75 s: no Kafka broker answers: start one");
  agent.health.good("broker");
  agent.clock.advance(400ms);
  CHECK(agent.look("broker").ready);
  CHECK(agent.look("broker").reason == "last contact 0.4 s ago");
}

TEST_CASE("health: a loop that does not come round hangs, one that never did is starting") {
  Agent agent;
  CHECK(liveness(agent.health, 60s).ready);
  CHECK_FALSE(agent.look("loop").ready);
  agent.health.turned();
  agent.clock.advance(60s);
  CHECK(liveness(agent.health, 60s).ready);
  CHECK(agent.look("loop").ready);
  agent.clock.advance(1s);
  CHECK_FALSE(liveness(agent.health, 60s).ready);
  CHECK(liveness(agent.health, 60s).reason.contains("health.turn_ms_max = 60000"));
  CHECK_FALSE(agent.look("loop").ready);
  agent.health.turned();
  CHECK(agent.look("loop").ready);
}

TEST_CASE("health: lag over its limit is not ready, and 0 is no limit") {
  Agent agent;
  CHECK(agent.look("lag").name != "lag");  // Whoever reads nothing has none.
  agent.metrics.lag_records({}).Set(100);
  CHECK(agent.look("lag").ready);
  agent.metrics.lag_records({}).Set(101);
  CHECK_FALSE(agent.look("lag").ready);
  CHECK(agent.look("lag").reason.contains("101 records"));
  CHECK(agent.look("lag").reason.contains("health.lag_records_max = 100"));
  Readiness unlimited{agent.health, agent.metrics, {}, agent.clock};
  for (auto const& check : unlimited.look())
    if (check.name == "lag") CHECK(check.ready);
}

TEST_CASE("health: too many dead letters within a minute are not ready, until the minute is over") {
  Agent agent;
  auto& letters = agent.metrics.dead({{"reason", "malformed"}});
  letters.Increment(1000);  // Before the first look: how fast they came is not known.
  CHECK(agent.look("dead-letters").ready);
  for (int second = 0; second < 11; ++second) {
    agent.clock.advance(1s);
    letters.Increment();
    CHECK(agent.look("dead-letters").ready == (second < 10));
  }
  CHECK(agent.look("dead-letters").reason.contains("11 dead letters in the last minute"));
  agent.clock.advance(49s);
  CHECK(agent.look("dead-letters").reason.contains("11 dead letters"));
  agent.clock.advance(2s);
  CHECK(agent.look("dead-letters").ready);
}

TEST_CASE("health: what /readyz shows holds no secret, and is JSON whatever a reason holds") {
  log::redact("s3cret-key");
  auto const json = to_json({{.name = "streams", .ready = false, .reason = "wss://venue?key=s3cret-key said \"no\"\n"}});
  CHECK(json == R"([{"name":"streams","ready":false,"reason":"wss://venue?key=*** said \"no\"\n"}])");
  CHECK(all_ready({}));
  CHECK_FALSE(all_ready({{.name = "a", .ready = true}, {.name = "b", .ready = false}}));
}
