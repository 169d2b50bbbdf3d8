/// The publisher against a simulated venue that falls silent and stays connected.
#include "agents/publish.hpp"
#include "test/fakes.hpp"
#include "test/simulate/support.hpp"

#include <doctest/doctest.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <set>

using namespace penstock;
using namespace penstock::simulate;
using namespace std::chrono_literals;

namespace {

Subscription subscription_at(simulate::test::Running const& venue) {
  return {.symbols = {"BTC/USDC:USDC"},
          .channels = {"trades", "l2Book"},
          .silence_max = 1s,
          .http_url = venue.address("http") + "/hyperliquid",
          .websocket_url = venue.address("ws") + "/hyperliquid/ws"};
}

std::vector<std::string> gap_story(penstock::test::FakeProducer const& producer) {
  std::vector<std::string> story;
  for (auto const& [topic, record] : producer.of("md.gaps")) {
    auto const parsed = parse_record(Gap::kind, record.value);
    auto const& gap = std::get<Gap>(*parsed);
    story.push_back(std::string{to_text(gap.cause)} + ' ' + std::string{to_text(gap.state)});
  }
  return story;
}

}  // namespace

TEST_CASE("silence: a venue that says nothing more is told, subscribed anew, connected anew; its data ends it") {
  ServerOptions options;
  options.faults.silence = 300ms;
  auto market = simulate::test::market_of(simulate::test::symbols(hyperliquid_symbol, {"BTC"}), 1'000'000'000);
  market.start.reset();
  market.as_fast_as_read = false;
  Source source{std::move(market)};
  auto const venue = make_hyperliquid(source, {.name = "hyperliquid"});
  simulate::test::Running const running{options, {venue.get()}};

  penstock::test::FakeClock unused;
  penstock::test::FakeProducer producer{unused};
  Metrics metrics{"publish"};
  Health health;
  auto const& provider = *find_provider("hyperliquid");
  auto const subscription = subscription_at(running);
  auto const client = http::make_client("");
  bool was_not_ready = false;
  {
    std::jthread const publisher{[&](std::stop_token const& stop) {
      run_publish(
          provider, subscription, {.publisher = "test"}, *client, producer, nullptr, [] { return nullptr; }, system_clock(),
          metrics, health, stop);
    }};
    // A second loss means that there was data after the first: silence begins with data.
    auto& reconnects = metrics.reconnects({{"provider", "hyperliquid"}});
    for (auto const end = std::chrono::steady_clock::now() + 120s;
         reconnects.Value() < 2 && std::chrono::steady_clock::now() < end;) {
      std::this_thread::sleep_for(20ms);
      for (auto const& check : health.checks())
        was_not_ready = was_not_ready || (check.name == "streams" && check.reason.contains("has had no data for"));
    }
    CHECK(reconnects.Value() >= 2);
  }
  CHECK(was_not_ready);
  auto const story = gap_story(producer);
  REQUIRE(story.size() >= 3);
  CHECK(std::vector(story.begin(), story.begin() + 3) == std::vector<std::string>{"stale open", "stale filled", "stale open"});
  CHECK(metrics.retried({{"provider", "hyperliquid"}, {"reason", "refused"}}).Value() == 0);
}
