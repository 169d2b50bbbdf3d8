/// What `penstock top` makes of two snapshots.
#include "agents/operate/top_text.hpp"
#include "agents/progress.hpp"
#include "streaming/metrics.hpp"

#include <doctest/doctest.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <simdjson.h>

#include <limits>

using namespace penstock;
using namespace std::chrono_literals;

namespace {

Time const start = *parse_time("2026-01-31T12:00:00Z");

/// The agents of a pipeline, with the metrics that they really have, as `penstock up` reports them.
struct Agents {
  Metrics publish{"publish"}, transform{"transform"}, store{"store"};
  std::string transform_state = "running";

  prometheus::Counter& received = publish.received({{"provider", "binance"}});
  prometheus::Counter& transformed = transform.written({{"provider", "binance"}, {"topic", "md.trades"}});
  prometheus::Counter& stored = store.written({{"topic", "md.trades"}});
  prometheus::Histogram& hop = transform.hop_seconds({{"provider", "binance"}, {"from", "received"}, {"to", "transformed"}});

  Snapshot snapshot(Duration after) const {
    Progress const progress{Progress::Instant{}};
    auto const report = [](char const* name, std::string const& state, int pid, int restarts, Metrics const& metrics) {
      return AgentReport{.name = name,
                         .key = name,
                         .state = state,
                         .reason = {},
                         .pid = pid,
                         .restarts = restarts,
                         .status = metrics.status_line()};
    };
    auto const json =
        progress.json({report("publish binance", "running", 7, 0, publish), report("transform", transform_state, 8, 2, transform),
                       report("store", "running", 9, 1, store)},
                      Progress::Instant{});
    auto parsed = parse_snapshot(json, start + after);
    REQUIRE(parsed);
    return *parsed;
  }
};

TopRow row(std::vector<TopRow> const& rows, std::string const& name) {
  for (auto const& one : rows)
    if (one.name == name) return one;
  FAIL("no row " << name);
  return {};
}

}  // namespace

TEST_CASE("top: rates are what was counted between two looks, by agent, by provider and over all") {
  Agents agents;
  agents.received.Increment(1'000);
  agents.transformed.Increment(500);
  auto const before = agents.snapshot(0s);
  agents.received.Increment(200);
  agents.transformed.Increment(50);
  agents.stored.Increment(40);
  auto const view = top_view(&before, agents.snapshot(2s));
  CHECK(row(view.agents, "publish binance").received == 100);
  CHECK(row(view.agents, "transform").written == 25);
  CHECK(row(view.agents, "store").written == 20);
  CHECK(row(view.agents, "transform").restarts == 2);
  CHECK(row(view.agents, "store").rss_bytes > 0);
  CHECK(row(view.providers, "binance").received == 100);
  CHECK(row(view.providers, "binance").written == 25);
  CHECK(view.total.received == 100);
  CHECK(view.total.written == 20);
  CHECK(view.total.restarts == 3);
}

TEST_CASE("top: with one look there are no rates, but everything else") {
  Agents agents;
  agents.store.lag_records({}).Set(12);
  agents.publish.stale_streams({{"provider", "binance"}}).Set(3);
  agents.publish.spool_records({{"provider", "binance"}}).Set(5);
  agents.transform.gaps({{"provider", "binance"}, {"cause", "sequence"}}).Increment(4);
  agents.store.dead({{"topic", "md.trades"}, {"reason", "out-of-range"}}).Increment(6);
  auto const view = top_view(nullptr, agents.snapshot(0s));
  CHECK_FALSE(row(view.agents, "store").received);
  CHECK(row(view.agents, "store").lag_records == 12);
  CHECK(row(view.agents, "publish binance").stale_streams == 3);
  CHECK(row(view.agents, "publish binance").spool_records == 5);
  CHECK(row(view.agents, "transform").gaps == 4);
  CHECK(row(view.agents, "store").dead == 6);
  CHECK(row(view.providers, "binance").gaps == 4);
  CHECK(view.total.dead == 6);
  CHECK(top_table(view, {}).contains(" - "));
}

TEST_CASE("top: an agent that was started anew counts from 0, and latencies are of the interval alone") {
  Agents agents;
  agents.transformed.Increment(1'000);
  for (int i = 0; i < 100; ++i) agents.hop.Observe(7.0);
  auto const before = agents.snapshot(0s);
  for (int i = 0; i < 98; ++i) agents.hop.Observe(0.004);
  for (int i = 0; i < 2; ++i) agents.hop.Observe(2.0);
  auto view = top_view(&before, agents.snapshot(1s));
  REQUIRE(row(view.agents, "transform").latency);
  CHECK(row(view.agents, "transform").latency->p50 == doctest::Approx(0.005));
  CHECK(row(view.agents, "transform").latency->p99 == doctest::Approx(2.5));
  CHECK(row(view.providers, "binance").latency->p99 == doctest::Approx(2.5));
  REQUIRE(view.hops.size() == 1);
  CHECK(view.hops.front().to == "transformed");

  Agents fresh;
  fresh.transformed.Increment(10);
  fresh.hop.Observe(0.04);
  view = top_view(&before, fresh.snapshot(2s));
  CHECK(row(view.agents, "transform").written == 5);
  CHECK(row(view.agents, "transform").latency->p50 == doctest::Approx(0.05));
}

TEST_CASE("top: what a process held is gone with it, what it counted is not") {
  Agents agents;
  agents.transform.lag_records({}).Set(9);
  agents.transform.dead({{"provider", "binance"}, {"topic", "raw.binance"}, {"reason", "malformed"}}).Increment();
  agents.transform_state = "waiting";
  auto const view = top_view(nullptr, agents.snapshot(0s));
  auto const transform = row(view.agents, "transform");
  CHECK(transform.state == "waiting");
  CHECK(transform.lag_records == 0);
  CHECK(transform.rss_bytes == 0);
  CHECK(transform.dead == 1);
  CHECK(view.total.lag_records == 0);
}

TEST_CASE("top: rows are sorted with the largest first, equal ones by name, and filtered by name") {
  std::vector<TopRow> const rows{
      {.name = "b", .lag_records = 1}, {.name = "c", .lag_records = 2}, {.name = "a", .lag_records = 1}};
  auto const names = [](std::vector<TopRow> const& sorted) {
    std::string out;
    for (auto const& one : sorted) out += one.name;
    return out;
  };
  CHECK(names(arranged(rows, TopOrder::lag, "")) == "cab");
  CHECK(names(arranged(rows, TopOrder::name, "")) == "abc");
  CHECK(names(arranged(rows, TopOrder::name, "b")) == "b");
  for (auto const& name : order_names()) CHECK(to_text(*parse_order(name)) == name);
}

TEST_CASE("top: a status that is none, or in part, is no crash") {
  CHECK_FALSE(parse_snapshot("", start));
  CHECK_FALSE(parse_snapshot("{}", start));
  CHECK_FALSE(parse_snapshot(R"({"agents":7})", start));
  auto const odd = parse_snapshot(
      R"({"agents":[{"name":"store","state":"running","status":null},7,{"status":{"metrics":[1,{"labels":[]},{"name":"penstock_hop_seconds","buckets":[[],["x",1],[null,2]]}]}}]})",
      start);
  REQUIRE(odd);
  CHECK(odd->agents.size() == 3);
  CHECK(odd->agents[2].series.back().buckets.at(std::numeric_limits<double>::infinity()) == 2);
  auto const view = top_view(nullptr, *odd);
  CHECK(top_hops(view, {}).contains("p50 > 1 d"));
  simdjson::dom::parser parser;
  CHECK(parser.parse(simdjson::padded_string{top_json(view, {})}).error() == simdjson::SUCCESS);
}

TEST_CASE("top: --json and the plain lines name what the table shows") {
  Agents agents;
  agents.received.Increment(1);
  auto const before = agents.snapshot(0s);
  agents.received.Increment(3);
  auto const view = top_view(&before, agents.snapshot(2s));
  simdjson::dom::parser parser;
  simdjson::padded_string const text{top_json(view, {.filter = "publish"})};
  simdjson::dom::element const json = parser.parse(text);
  CHECK(simdjson::dom::array{json["agents"]}.size() == 1);
  CHECK(double{json["agents"].at(0)["received_per_second"]} == 1.5);
  CHECK(json["agents"].at(0)["p99_seconds"].is_null());
  auto const lines = top_lines(view, {.filter = "publish"});
  REQUIRE(lines.size() == 1);
  CHECK(lines.front().starts_with("time=2026-01-31T12:00:02.000000Z agent=\"publish binance\" state=running in=1.5 "));
  CHECK(seconds_text(0.0025) == "2.5 ms");
  CHECK(seconds_text(60) == "60 s");
}
