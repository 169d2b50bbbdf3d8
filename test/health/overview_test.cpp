#include "agents/health/overview.hpp"

#include "streaming/metrics.hpp"
#include "test/fakes.hpp"

#include <doctest/doctest.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <ctime>

using namespace penstock;
using namespace std::chrono_literals;

namespace {

struct Supervisor {
  test::FakeClock clock;
  Overview overview{clock};

  AgentView agent(std::string name, std::string checks = R"({"name":"broker","ready":true,"reason":"fine"})") {
    Metrics metrics{"publish"};
    metrics.received({{"provider", "binance"}}).Increment(5);
    return {.name = std::move(name),
            .kind = "publish",
            .state = "running",
            .pid = 7,
            .status = metrics.status_line("\"version\":\"1\",\"checks\":[" + checks + "],"),
            .status_at = clock.steady()};
  }
};

}  // namespace

TEST_CASE("overview: ready when every agent runs and says that it is") {
  Supervisor up;
  CHECK(up.overview.ready().status == 503);  // Nothing is started yet.
  up.overview.update({up.agent("publish binance"), up.agent("store")});
  CHECK(up.overview.ready().status == 200);
  CHECK(up.overview.ready().body.starts_with("{\"ready\":true,"));
  CHECK(up.overview.ready().body.contains(R"({"agent":"store","name":"broker","ready":true,"reason":"fine"})"));
}

TEST_CASE("overview: one check of one agent that fails makes it not ready, by name and reason") {
  Supervisor up;
  up.overview.update(
      {up.agent("publish binance", R"({"name":"streams","ready":false,"reason":"quiet for 75 s"})"), up.agent("store")});
  auto const page = up.overview.ready();
  CHECK(page.status == 503);
  CHECK(page.body.contains(R"({"agent":"publish binance","name":"streams","ready":false,"reason":"quiet for 75 s"})"));
}

TEST_CASE("overview: an agent that does not run is not ready, says how it ended, and its numbers are gone") {
  Supervisor up;
  auto restarting = up.agent("transform");
  restarting.kind = "transform";
  restarting.state = "waiting";
  restarting.why = "was killed by SIGKILL; its last words: help";
  restarting.restarts = 3;
  up.overview.update({up.agent("publish binance"), restarting});
  auto const page = up.overview.ready();
  CHECK(page.status == 503);
  CHECK(page.body.contains(
      R"({"agent":"transform","name":"running","ready":false,"reason":"waiting: it was killed by SIGKILL; its last words: help"})"));
  auto const metrics = up.overview.metrics().body;
  CHECK(metrics.contains("penstock_up{agent=\"publish\",instance=\"publish binance\"} 1\n"));
  CHECK(metrics.contains("penstock_up{agent=\"transform\",instance=\"transform\"} 0\n"));
  CHECK(metrics.contains("penstock_restarts_total{agent=\"transform\",instance=\"transform\"} 3\n"));
  CHECK(metrics.contains("penstock_received_total{agent=\"publish\",instance=\"publish binance\",provider=\"binance\"} 5\n"));
  CHECK_FALSE(metrics.contains("instance=\"transform\",provider"));
  CHECK(metrics.contains("process_resident_memory_bytes{agent=\"up\",instance=\"up\"} "));
}

TEST_CASE("overview: an agent that stopped reporting, and a supervisor that does not turn, are seen") {
  Supervisor up;
  up.overview.update({up.agent("store")});
  up.clock.advance(11s);
  CHECK(up.overview.live().status == 503);
  CHECK(up.overview.ready().body.contains("it has not reported for 11 s"));
  auto silent = up.agent("store");
  silent.kind = "store";
  silent.status_at -= 11s;
  up.overview.update({silent});
  CHECK(up.overview.live().status == 200);
  CHECK(up.overview.ready().status == 503);
  CHECK(up.overview.metrics().body.contains("penstock_up{agent=\"store\",instance=\"store\"} 0\n"));
}

TEST_CASE("overview: an agent that was stopped on purpose is no trouble, a phase that keeps all from running is") {
  Supervisor up;
  auto stopped = up.agent("publish coingecko");
  stopped.state = "stopped";
  up.overview.update({up.agent("store"), stopped});
  CHECK(up.overview.ready().status == 200);
  CHECK_FALSE(up.overview.metrics().body.contains("penstock_up{agent=\"publish\",instance=\"publish coingecko\"}"));
  up.overview.update({}, "waiting for the database");
  CHECK(up.overview.ready().status == 503);
  CHECK(up.overview.ready().body.contains(R"({"agent":"up","name":"phase","ready":false,"reason":"waiting for the database"})"));
}

TEST_CASE("overview: /agents lists them all") {
  Supervisor up;
  auto fresh = up.agent("store");
  fresh.status.clear();
  up.overview.update({up.agent("publish binance"), fresh});
  auto const body = up.overview.agents().body;
  CHECK(
      body.starts_with(R"([{"name":"publish binance","state":"running","why":"","pid":7,"restarts":0,"ready":true,"checks":[)"));
  CHECK(body.contains(R"({"name":"store","state":"running","why":"","pid":7,"restarts":0,"ready":false,)"));
  CHECK(body.contains("it has just been started"));
}

TEST_CASE("overview: Prometheus discovers one target, the server that it asks, under the name that it asks for") {
  Supervisor up;
  up.overview.update({up.agent("publish binance"), up.agent("store")});
  auto const page = up.overview.pages().at("/targets")("penstock.example:9464");
  CHECK(page.status == 200);
  CHECK(page.type == "application/json");
  CHECK(page.body == "[{\"targets\":[\"penstock.example:9464\"],\"labels\":{}}]\n");
  CHECK(up.overview.pages().at("/targets")("").status == 400);
  CHECK(up.overview.pages().at("/targets")("a\"b").body.starts_with(R"([{"targets":["a\"b"])"));
}

TEST_CASE("overview: what an answer costs, with as many series as three busy agents have") {
  constexpr int answers = 200;
  Metrics metrics{"transform"};
  for (auto const* provider : {"binance", "hyperliquid", "coingecko"}) {
    for (int topic = 0; topic < 40; ++topic)
      metrics.written({{"provider", provider}, {"topic", "md." + std::to_string(topic)}}).Increment(topic);
    for (auto const* to : {"received", "published", "transformed", "stored"})
      for (int sample = 0; sample < 100; ++sample)
        metrics.hop_seconds({{"provider", provider}, {"from", "event"}, {"to", to}}).Observe(sample * 0.01);
  }
  Supervisor up;
  std::vector<AgentView> agents;
  for (auto const* name : {"publish binance", "transform", "store"}) {
    agents.push_back(up.agent(name));
    agents.back().status = metrics.status_line();
  }
  up.overview.update(agents);
  auto const cpu_ms = [] {
    timespec used{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return static_cast<double>(used.tv_sec) * 1e3 + static_cast<double>(used.tv_nsec) / 1e6;
  };
  std::size_t bytes = 0;
  auto const began = cpu_ms();
  for (int i = 0; i < answers; ++i) bytes = up.overview.metrics().body.size();
  MESSAGE("CPU of one /metrics of " << bytes << " bytes: " << (cpu_ms() - began) / answers << " ms");
  CHECK(bytes > 50'000);
}
