#include "streaming/metrics.hpp"

#include <doctest/doctest.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <unistd.h>

#include <set>
#include <stdexcept>

using namespace penstock;

TEST_CASE("metrics: the names are those that dashboards and alerts rely on") {
  Metrics const metrics{"store"};
  std::set<std::string> names;
  for (auto const& family : metrics.registry()->Collect()) names.insert(family.name);
  // Families without a series are not collected, so each gets one.
  CHECK(names.empty());
  Metrics full{"store"};
  for (auto add : {&Metrics::received, &Metrics::written, &Metrics::duplicate, &Metrics::ignored, &Metrics::dead,
                   &Metrics::retried, &Metrics::gaps})
    (full.*add)({}).Increment();
  for (auto add : {&Metrics::lag_records, &Metrics::stale_streams, &Metrics::budget_remaining, &Metrics::spool_records,
                   &Metrics::spool_bytes})
    (full.*add)({}).Set(1);
  for (auto add : {&Metrics::batch_seconds, &Metrics::hop_seconds}) (full.*add)({}).Observe(1);
  for (auto const& family : full.registry()->Collect()) names.insert(family.name);
  CHECK(names == std::set<std::string>{"penstock_received_total", "penstock_written_total", "penstock_duplicate_total",
                                       "penstock_ignored_total", "penstock_dead_total", "penstock_retried_total",
                                       "penstock_gaps_total", "penstock_lag_records", "penstock_stale_streams",
                                       "penstock_budget_remaining", "penstock_spool_records", "penstock_spool_bytes",
                                       "penstock_batch_seconds", "penstock_hop_seconds"});
}

TEST_CASE("metrics: a symbol as a label is a bug") {
  Metrics metrics{"publish"};
  CHECK_THROWS_AS(metrics.received({{"symbol", "BTC/USDT"}}), std::invalid_argument);
  CHECK_NOTHROW(metrics.dead({{"provider", "binance"}, {"topic", "raw.binance"}, {"reason", "malformed"}}));
  CHECK_NOTHROW(metrics.gaps({{"cause", "sequence"}}));
  CHECK_NOTHROW(metrics.hop_seconds({{"from", "event"}, {"to", "received"}}));
}

TEST_CASE("metrics: the same labels are the same counter") {
  Metrics metrics{"store"};
  metrics.written({{"topic", "md.trades"}}).Increment(2);
  metrics.written({{"topic", "md.trades"}}).Increment(3);
  CHECK(metrics.written({{"topic", "md.trades"}}).Value() == 5);
}

TEST_CASE("metrics: the status line is one JSON object with every value") {
  Metrics metrics{"store"};
  metrics.written({{"topic", "md.trades"}}).Increment(123456789);
  metrics.lag_records({}).Set(7);
  metrics.hop_seconds({{"from", "event"}, {"to", "received"}}).Observe(-0.5);
  metrics.hop_seconds({{"from", "event"}, {"to", "received"}}).Observe(100000);
  metrics.dead({{"reason", "quo\"te"}}).Increment();
  auto const line = metrics.status_line();
  CHECK(line.starts_with("{\"agent\":\"store\",\"pid\":" + std::to_string(::getpid()) + ",\"rss_bytes\":"));
  CHECK(line.contains(R"({"name":"penstock_written_total","labels":{"agent":"store","topic":"md.trades"},"value":123456789})"));
  CHECK(line.contains(R"({"name":"penstock_lag_records","labels":{"agent":"store"},"value":7})"));
  CHECK(line.contains(
      R"("labels":{"agent":"store","from":"event","to":"received"},"value":99999.5,"count":2,"buckets":[[-0.1,1],[null,1]]})"));
  CHECK(line.contains(R"("reason":"quo\"te")"));
  CHECK_FALSE(line.contains('\n'));
  CHECK(line.ends_with("]}"));
  CHECK_FALSE(line.contains("\"rss_bytes\":0,"));
}

TEST_CASE("metrics: hops that are counted together are counted as each alone") {
  using namespace std::chrono_literals;
  Time const now{std::chrono::seconds{1'800'000'000}};
  // On a bound, beside one, before the first and beyond the last, and of a clock that is ahead.
  std::vector<Time> since;
  for (auto const before : {0us, 1us, 1'000us, 5'000us, 5'001us, 70'000us, 3'600'000'000us, -2'000us})
    since.push_back(now - before);
  Metrics together{"store"}, alone{"store"};
  Metrics::Labels const labels{{"from", "received"}, {"to", "stored"}};
  together.observe_hops(labels, now, since);
  for (auto const each : since) alone.hop_seconds(labels).Observe(std::chrono::duration<double>(now - each).count());
  auto const series = [](Metrics const& metrics) {
    auto const line = metrics.status_line();
    return line.substr(line.find("\"metrics\""));
  };
  CHECK(series(together) == series(alone));
  CHECK(series(together).contains("\"count\":8"));
}
