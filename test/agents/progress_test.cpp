#include "agents/progress.hpp"

#include "streaming/metrics.hpp"

#include <doctest/doctest.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <array>

using namespace penstock;
using namespace std::chrono_literals;

namespace {

Progress::Instant const t0{};

std::string status(std::string_view agent, double written, double lag, double dead = 0) {
  Metrics metrics{agent};
  metrics.written({{"topic", "md.trades"}}).Increment(written);
  metrics.lag_records({}).Set(lag);
  metrics.dead({{"reason", "malformed"}}).Increment(dead);
  return metrics.status_line();
}

AgentReport report(std::string name, std::string status_line) {
  auto key = name;
  return {.name = std::move(name),
          .key = std::move(key),
          .state = "running",
          .pid = 7,
          .restarts = 0,
          .status = std::move(status_line)};
}

}  // namespace

TEST_CASE("progress: what the store wrote counts, its rate is per second, lag and dead letters are everybody's") {
  Progress progress{t0};
  progress.update({report("publish binance", status("publish", 9000, 0)), report("transform", status("transform", 5000, 3, 2)),
                   report("store", status("store", 1000, 4))},
                  t0 + 2s);
  CHECK(progress.totals().written == std::map<std::string, double>{{"md.trades", 1000}});
  CHECK(progress.totals().per_second == std::map<std::string, double>{{"md.trades", 500}});
  CHECK(progress.totals().lag_records == 7);
  CHECK(progress.totals().dead == 2);
  CHECK(progress.totals().rss_bytes > 0);
  auto const line = progress.line(t0 + 2s);
  CHECK(line.starts_with("2 s  trades 500/s  lag 7  dead 2  restarts 0  "));
  CHECK(line.ends_with(" MB"));
}

TEST_CASE("progress: while records are in a spool it is not idle, and its line says how many") {
  auto const published = [](double spooled) {
    Metrics metrics{"publish"};
    metrics.written({}).Increment(10);
    metrics.spool_records({{"provider", "binance"}}).Set(spooled);
    return report("publish binance", metrics.status_line());
  };
  Progress progress{t0};
  progress.update({published(4711)}, t0 + 1s);
  progress.update({published(4711)}, t0 + 60s);
  CHECK(progress.line(t0 + 60s).contains("  lag 0  spool 4,711  dead 0  "));
  CHECK_FALSE(progress.idle_for(10s, t0 + 60s));
  progress.update({published(0)}, t0 + 61s);
  CHECK_FALSE(progress.line(t0 + 61s).contains("spool"));
  CHECK(progress.idle_for(10s, t0 + 61s));
}

TEST_CASE("progress: a counter that starts again from 0 after a restart goes on") {
  Progress progress{t0};
  progress.update({report("store", status("store", 1000, 0))}, t0 + 1s);
  progress.update({report("store", "")}, t0 + 2s);
  progress.update({report("store", status("store", 20, 0))}, t0 + 3s);
  progress.update({report("store", status("store", 1500, 0))}, t0 + 4s);
  CHECK(progress.totals().written.at("md.trades") == 2500);
  CHECK(progress.totals().per_second.at("md.trades") == 1480);
}

TEST_CASE("progress: what an agent counted stays when it has ended, its lag and memory do not") {
  Progress progress{t0};
  auto ended = report("store", status("store", 1000, 5, 1));
  ended.state = "ended";
  progress.update({ended}, t0 + 1s);
  CHECK(progress.totals().written.at("md.trades") == 1000);
  CHECK(progress.totals().dead == 1);
  CHECK(progress.totals().lag_records == 0);
  CHECK(progress.totals().rss_bytes == 0);
}

TEST_CASE("progress: idle means something was written, nothing waits, everybody reports and nothing more comes") {
  Progress progress{t0};
  progress.update({report("store", status("store", 0, 0))}, t0 + 100s);
  CHECK_FALSE(progress.idle_for(1s, t0 + 100s));
  progress.update({report("store", status("store", 5, 0))}, t0 + 101s);
  CHECK_FALSE(progress.idle_for(1s, t0 + 101s));
  progress.update({report("store", status("store", 5, 1))}, t0 + 103s);
  CHECK_FALSE(progress.idle_for(1s, t0 + 103s));
  progress.update({report("transform", ""), report("store", status("store", 5, 0))}, t0 + 104s);
  CHECK_FALSE(progress.idle_for(1s, t0 + 104s));
  progress.update({report("store", status("store", 5, 0))}, t0 + 105s);
  CHECK(progress.idle_for(4s, t0 + 105s));
  CHECK_FALSE(progress.idle_for(5s, t0 + 105s));
}

TEST_CASE("progress: without a store the transformer's output counts, without that the publishers'") {
  Progress progress{t0};
  progress.update({report("publish binance", status("publish", 9, 0)), report("publish coingecko", status("publish", 1, 0))},
                  t0 + 1s);
  CHECK(progress.totals().written.at("md.trades") == 10);
  Progress other{t0};
  other.update({report("publish binance", status("publish", 9, 0)), report("transform", status("transform", 5, 0))}, t0 + 1s);
  CHECK(other.totals().written.at("md.trades") == 5);
}

TEST_CASE("progress: the status file holds every agent's own words, and null for those that say nothing sensible") {
  Progress progress{t0};
  auto const good = status("store", 1234567, 0);
  std::vector<AgentReport> const reports{report("store", good), report("transform", "{\"half")};
  progress.update(reports, t0 + 1s);
  auto const json = progress.json(reports, t0 + 1s);
  CHECK(
      json.starts_with("{\"running_seconds\":1,\"agents\":[{\"name\":\"store\",\"state\":\"running\",\"pid\":7,\"restarts\":0,"
                       "\"reason\":\"\",\"status\":" +
                       good + "},"));
  CHECK(json.contains("{\"name\":\"transform\",\"state\":\"running\",\"pid\":7,\"restarts\":0,\"reason\":\"\",\"status\":null}"));
  CHECK(
      json.contains("\"written\":{\"md.trades\":1234567},\"per_second\":{\"md.trades\":1234567},\"lag_records\":0,"
                    "\"spool_records\":0,\"dead\":0,\"restarts\":0,\"rss_bytes\":"));
  CHECK(progress.line(t0 + 1s).contains("trades 1,234,567/s"));
}

TEST_CASE("progress: lag of one status line") {
  CHECK(lag_in(status("store", 0, 5)) == 5);
  CHECK(lag_in(Metrics{"publish"}.status_line()) == -1);
  CHECK(lag_in("") == -1);
}
