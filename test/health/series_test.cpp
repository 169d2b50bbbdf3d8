/// The three loops, driven with few symbols and with many: dashboards and Prometheus' memory rely on what they count by.
#include <doctest/doctest.h>

#include "agents/publish.hpp"
#include "agents/store.hpp"
#include "agents/transform.hpp"
#include "streaming/metric_families.hpp"
#include "test/fakes.hpp"
#include "test/transform/fake_provider.hpp"

#include <prometheus/registry.h>

#include <set>

using namespace penstock;
using namespace penstock::test;
using namespace std::chrono_literals;

namespace {

/// "penstock_received_total{agent=store,topic=md.trades}"
std::set<std::string> series_of(Metrics const& metrics) {
  std::set<std::string> series;
  for (auto const& family : metrics.registry()->Collect())
    for (auto const& metric : family.metric) {
      auto text = family.name + '{';
      for (auto const& label : metric.label) text += (text.ends_with('{') ? "" : ",") + label.name + '=' + label.value;
      series.insert(text + '}');
    }
  return series;
}

Trade trade_of(int number) {
  Trade record;
  record.source = "venue";
  record.symbol = "COIN" + std::to_string(number) + "/USDT";
  record.time = record.received_at = *parse_time("2026-01-02T03:04:05Z");
  record.id = std::to_string(number);
  record.price = *Decimal::parse("0.10");
  record.amount = *Decimal::parse("2");
  return record;
}

std::set<std::string> stored(int symbols) {
  FakeClock clock;
  FakeConsumer consumer{clock};
  FakeProducer letters{clock};
  FakeSink sink{clock};
  Metrics metrics{"store"};
  Health health{clock};
  std::stop_source stop;
  int idle = 0;
  consumer.when_idle = [&] {
    if (++idle > 20) stop.request_stop();
  };
  auto const partition = partition_of("md.trades");
  for (int i = 0; i < symbols; ++i) {
    std::string json;
    append_json(json, trade_of(i));
    consumer.append(partition, {.key = trade_of(i).symbol, .value = json, .headers = {{"origin", "live"}}}, clock.now());
    consumer.append(partition, {.key = trade_of(i).symbol, .value = "rubbish", .headers = {}}, clock.now());
  }
  consumer.then_assign({.gained = {partition}, .lost = {}});
  run_store(consumer, sink, letters, clock, {.topics = {"md.trades"}}, metrics, health, stop.get_token());
  CHECK(metrics.sum("penstock_written_total") == symbols);
  CHECK(metrics.sum("penstock_dead_total") == symbols);
  return series_of(metrics);
}

std::set<std::string> transformed(int symbols) {
  FakeClock clock;
  FakeConsumer consumer{clock}, known{clock};
  FakeExchange exchange;
  Metrics metrics{"transform"};
  Health health{clock};
  FakeProvider const provider;
  std::stop_source stop;
  consumer.when_idle = [&] { stop.request_stop(); };
  auto const partition = partition_of("raw.venue");
  auto const put = [&](std::string value) {
    consumer.append(
        partition,
        {.key = "key",
         .value = std::move(value),
         .headers = {{"channel", "trade"}, {"received_at", to_text(clock.now())}, {"origin", "live"}, {"connection", "a"}}},
        clock.now());
  };
  for (int i = 0; i < symbols; ++i) {
    auto const symbol = "COIN" + std::to_string(i) + "/USDT";
    for (auto const* id : {"1", "1", "5"}) put("trade " + symbol + ' ' + id);  // One, a duplicate, a hole.
    put("trade " + symbol + " 6 -1");
    put("nonsense");
    put("control");
  }
  consumer.then_assign({.gained = {partition}, .lost = {}});
  run_transform(consumer, exchange, known, clock,
                {.providers = {&provider}, .group = "g", .instance = "i", .window_records = 100'000}, metrics, health,
                stop.get_token());
  CHECK(metrics.sum("penstock_received_total") == 6 * symbols);
  CHECK(metrics.sum("penstock_written_total") == 2 * symbols);
  CHECK(metrics.sum("penstock_duplicate_total") == symbols);
  CHECK(metrics.sum("penstock_dead_total") == 2 * symbols);
  CHECK(metrics.sum("penstock_ignored_total") == symbols);
  CHECK(metrics.sum("penstock_gaps_total") == symbols);
  return series_of(metrics);
}

std::set<std::string> published(int symbols) {
  FakeClock clock;
  FakeClient client{clock};
  FakeProducer producer{clock};
  Metrics metrics{"publish"};
  Health health{clock};
  std::stop_source stop;
  Subscription subscription{.channels = {"trade", "depth"}};
  for (int i = 0; i < symbols; ++i) subscription.symbols.push_back("COIN" + std::to_string(i) + "/USDT");
  client.on_connect = [&](FakeConnection& connection) {
    connection.state = http::Websocket::State::open;
    for (int i = 0; i < symbols; ++i)
      for (auto const* channel : {"trade", "depth@100ms", "made-up-by-the-venue-"})
        connection.frames.push_back(R"({"stream":"coin)" + std::to_string(i) + "usdt@" + channel +
                                    std::string{channel[0] == 'm' ? std::to_string(i) : ""} + R"(","data":{}})");
  };
  clock.at(5s, [&] { stop.request_stop(); });
  run_publish(
      *find_provider("binance"), subscription, {.publisher = "test"}, client, producer, nullptr, [] { return nullptr; }, clock,
      metrics, health, stop.get_token());
  CHECK(metrics.sum("penstock_received_total") >= 3 * symbols);
  CHECK(metrics.sum("penstock_written_total") >= 3 * symbols);
  return series_of(metrics);
}

}  // namespace

TEST_CASE("series: names are these, and no other; a dashboard that is there relies on them") {
  std::set<std::string_view> names;
  for (auto const& family : metric_families()) names.insert(family.name);
  CHECK(names == std::set<std::string_view>{"penstock_received_total",
                                            "penstock_written_total",
                                            "penstock_duplicate_total",
                                            "penstock_ignored_total",
                                            "penstock_dead_total",
                                            "penstock_retried_total",
                                            "penstock_gaps_total",
                                            "penstock_reconnects_total",
                                            "penstock_lag_records",
                                            "penstock_stale_streams",
                                            "penstock_last_event_age_seconds",
                                            "penstock_budget_remaining",
                                            "penstock_spool_records",
                                            "penstock_spool_bytes",
                                            "penstock_audit_ok",
                                            "penstock_audit_timestamp_seconds",
                                            "penstock_batch_seconds",
                                            "penstock_hop_seconds",
                                            "penstock_ready",
                                            "penstock_build_info",
                                            "penstock_up",
                                            "penstock_restarts_total",
                                            "process_resident_memory_bytes",
                                            "process_cpu_seconds_total"});
  std::set<std::string_view> const labels{metric_labels().begin(), metric_labels().end()};
  CHECK(labels == std::set<std::string_view>{"agent", "instance", "provider", "topic", "channel", "reason", "cause", "from", "to",
                                             "version", "check"});
}

TEST_CASE("series: the transformer has as many with 200 symbols as with 2") {
  auto const few = transformed(2);
  CHECK(few == transformed(200));
  for (auto const* hop : {"from=event,provider=venue,to=received", "from=received,provider=venue,to=published",
                          "from=published,provider=venue,to=transformed", "from=received,provider=venue,to=transformed"}) {
    CAPTURE(hop);
    CHECK(few.contains("penstock_hop_seconds{agent=transform," + std::string{hop} + "}"));
  }
  CHECK(few.contains("penstock_gaps_total{agent=transform,cause=late-join,provider=venue}"));  // There before it happens.
  CHECK(few.contains("penstock_batch_seconds{agent=transform}"));
}

TEST_CASE("series: the publisher has as many with 200 symbols as with 2, whatever channels the venue makes up") {
  auto const few = published(2);
  CHECK(few == published(200));
  for (auto const* name :
       {"penstock_stale_streams{agent=publish,provider=binance}", "penstock_budget_remaining{agent=publish,provider=binance}",
        "penstock_reconnects_total{agent=publish,provider=binance}",
        "penstock_gaps_total{agent=publish,cause=stale,provider=binance}",
        "penstock_last_event_age_seconds{agent=publish,channel=depth,provider=binance}"}) {
    CAPTURE(name);
    CHECK(few.contains(name));
  }
}

TEST_CASE("series: the store has as many with 200 symbols as with 2") {
  auto const few = stored(2);
  CHECK(few == stored(200));
  CHECK(few.contains("penstock_hop_seconds{agent=store,from=received,to=stored}"));
  CHECK(few.contains("penstock_hop_seconds{agent=store,from=transformed,to=stored}"));
  CHECK(few.contains("penstock_batch_seconds{agent=store}"));
  CHECK(few.contains("penstock_lag_records{agent=store}"));
}
