#include "agents/publish.hpp"

#include "agents/publish_queue.hpp"
#include "streaming/fault.hpp"
#include "test/fakes.hpp"

#include "test/folder.hpp"

#include <doctest/doctest.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

namespace penstock::test {
namespace {

using namespace std::chrono_literals;

/// A venue that says in every answer what it means: the status is the kind, and frames are words.
class FakeProvider final : public Provider {
 public:
  std::vector<Poll> polls_wanted;
  std::vector<Stream> streams_wanted{{.url = "ws://venue/stream", .silence_max = 60s}};
  Limits limits_wanted{.weight_per_minute = 60, .connections_per_5_minutes = 300};
  int backfill_requests = 1;

  std::string_view name() const override { return "venue"; }
  std::string_view description() const override { return "for tests"; }
  Limits limits() const override { return limits_wanted; }
  std::span<Channel const> channels() const override { return {}; }
  std::vector<std::string> default_symbols() const override { return {}; }
  std::string_view default_http_url() const override { return "http://venue"; }
  void check(Subscription const&) const override {}
  std::vector<Poll> polls(Subscription const&) const override { return polls_wanted; }
  std::vector<Stream> streams(Subscription const&) const override { return streams_wanted; }
  Reaction react(std::string_view frame) const override {
    if (frame == "ping") return {.action = Reaction::Action::answer, .answer = "pong", .channel = "control"};
    if (frame == "leave") return {.action = Reaction::Action::reconnect, .channel = "control"};
    if (frame == "no") return {.action = Reaction::Action::refused, .answer = "unknown symbol", .channel = "control"};
    return {.channel = "trade", .symbol = "BTCUSDT"};
  }
  Answer classify(Request const&, Response const& response) const override {
    switch (response.status) {
      case 200: return {.kind = Answer::Kind::ok};
      case 204: return {.kind = Answer::Kind::empty};
      case 429: return {.kind = Answer::Kind::throttled, .wait = 30s, .detail = response.body};
      case 400: return {.kind = Answer::Kind::refused, .detail = response.body};
      default: return {.kind = Answer::Kind::broken, .detail = response.body};
    }
  }
  void decode(RawRecord const&, Decoded& into) const override { into.clear(); }
  bool symbols_from_catalogue() const override { return true; }
  Continuity continuity(std::string_view) const override { return {}; }
  std::vector<Request> backfill(Gap const& gap, Subscription const&) const override {
    std::vector<Request> requests;
    for (int part = 0; part < backfill_requests; ++part)
      requests.push_back({.url = "http://venue/fill?" + gap.channel + '&' + std::to_string(part),
                          .channel = gap.channel,
                          .symbol = "BTCUSDT",
                          .origin = Origin::backfill,
                          .weight = 5});
    return requests;
  }
  std::string native_symbol(std::string_view) const override { return "BTCUSDT"; }
};

Poll poll_of(std::string const& path, std::chrono::milliseconds every, bool before_stream = false, int weight = 1) {
  return {.request = {.url = "http://venue/" + path, .channel = path, .weight = weight},
          .every = every,
          .before_stream = before_stream};
}

Gap gap_of(GapState state, std::string const& symbol = "BTC/USDT") {
  Gap gap;
  gap.source = "venue";
  gap.symbol = symbol;
  gap.channel = "trade";
  gap.time = gap.received_at = gap.from_time = gap.to_time = *parse_time("2026-01-02T03:00:00Z");
  gap.cause = GapCause::sequence;
  gap.state = state;
  return gap;
}

/// Everything around one publisher, and the run of it.
struct World {
  Trace trace;
  FakeClock clock;
  FakeClient client{clock, &trace};
  FakeProducer producer{clock, &trace};
  FakeConsumer gaps{clock};
  FakeProvider provider;
  Subscription subscription{.symbols = {"BTC/USDT"}, .channels = {"trade"}};
  Metrics metrics{"publish"};
  Health health{clock};
  std::stop_source stop;
  std::unique_ptr<Spool> spool;
  PublishOptions options{.publisher = "host/1"};

  World() {
    gaps.append(partition_of("md.gaps"), {});  // Not a gap: it is passed over.
    gaps.assign_all();
  }

  void run(Duration time) {
    clock.at(time, [this] { stop.request_stop(); });
    run_publish(
        provider, subscription, options, client, producer, spool.get(), [this] { return &gaps; }, clock, metrics, health,
        stop.get_token());
  }
  void at(Duration time, std::function<void()> action) { clock.at(time, std::move(action)); }
  void tell(Gap const& gap) {
    Record record;
    append_json(record.value, gap);
    gaps.append(partition_of("md.gaps"), record);
  }
  FakeConnection& connection(std::size_t number = 0) { return *client.connections.at(number); }
  std::vector<std::string> raw() const {
    std::vector<std::string> values;
    for (auto const& [topic, record] : producer.of("raw.venue")) values.push_back(record.value);
    return values;
  }
  double stale() { return metrics.stale_streams({{"provider", "venue"}}).Value(); }
  Check check(std::string_view name) const {
    for (auto& each : health.checks())
      if (each.name == name) return each;
    return {};
  }
  bool is_ready(std::string_view name) const { return check(name).ready; }
  std::string reason(std::string_view name) const { return check(name).reason; }
  /// "stale open", "stale filled" …
  std::vector<std::string> gap_story() const {
    std::vector<std::string> story;
    for (auto const& [topic, record] : producer.of("md.gaps")) {
      auto const parsed = parse_record(Gap::kind, record.value);
      auto const& gap = std::get<Gap>(*parsed);
      story.push_back(std::string{to_text(gap.cause)} + ' ' + std::string{to_text(gap.state)});
    }
    return story;
  }
  double retried(std::string const& reason) { return metrics.retried({{"provider", "venue"}, {"reason", reason}}).Value(); }
};

std::vector<Duration> gaps_between(std::vector<Duration> const& times) {
  std::vector<Duration> waits;
  for (std::size_t at = 1; at < times.size(); ++at) waits.push_back(times[at] - times[at - 1]);
  return waits;
}

}  // namespace

TEST_CASE("publish: every frame becomes a raw record with all its headers, in order") {
  World world;
  world.at(1s, [&] { world.connection().frames = {"one", "ping", "two"}; });
  world.run(2s);
  auto const records = world.producer.of("raw.venue");
  REQUIRE(records.size() == 3);
  CHECK(world.raw() == std::vector<std::string>{"one", "ping", "two"});
  auto const& [topic, record] = records[2];
  CHECK(record.key == "BTCUSDT");
  CHECK(record.headers == std::vector<Header>{{"channel", "trade"},
                                              {"symbol", "BTCUSDT"},
                                              {"request", "ws://venue/stream"},
                                              {"received_at", "2026-01-02T03:04:06.000000Z"},
                                              {"origin", "live"},
                                              {"publisher", "host/1"},
                                              {"connection", "host/1/2026-01-02T03:04:05.000000Z/1"},
                                              {"ordinal", "2"}});
  CHECK(records[1].record.key == "control");
  CHECK(world.connection().sent == std::vector<std::string>{"pong"});
  CHECK(world.metrics.received({{"provider", "venue"}}).Value() == 3);
  CHECK(world.metrics.written({{"provider", "venue"}}).Value() == 3);
}

TEST_CASE("publish: the catalogue is acknowledged before anything else is asked for") {
  World world;
  world.provider.polls_wanted = {poll_of("prices", 10s), poll_of("catalogue", 1h, true)};
  world.producer.hold = true;
  world.at(5s, [&] {
    CHECK(world.trace.has("produce raw.venue catalogue"));
    CHECK(world.client.connections.empty());
    CHECK(world.client.requests.size() == 1);
    world.producer.hold = false;
  });
  world.run(6s);
  CHECK(world.trace.ordered("acknowledged 1", "connect ws://venue/stream"));
  CHECK(world.trace.ordered("acknowledged 1", "request http://venue/prices"));
}

TEST_CASE("publish: without its catalogue no stream is opened, and the waits between the attempts grow") {
  World world;
  world.provider.polls_wanted = {poll_of("catalogue", 1h, true)};
  world.client.answer = [](http::Exchange const&) { return http::Reply{.status = 500, .headers = {}, .body = "down"}; };
  world.run(10min);
  CHECK(world.client.connections.empty());
  CHECK(world.retried("broken") == static_cast<double>(world.client.requests.size()));
  auto const waits = gaps_between(world.client.request_times);
  CHECK(waits.size() >= 10);
  CHECK(waits.size() <= 30);
  CHECK(waits[0] < 1100ms);
  CHECK(waits[9] >= 30s);
}

TEST_CASE("publish: polls come at their interval, and an empty answer is not published") {
  World world;
  world.provider.streams_wanted.clear();
  world.provider.polls_wanted = {poll_of("prices", 10s), poll_of("nothing", 10s)};
  world.client.answer = [](http::Exchange const& exchange) {
    return http::Reply{.status = exchange.url.ends_with("nothing") ? 204 : 200, .headers = {}, .body = "[1]"};
  };
  world.run(35s);
  CHECK(world.client.requests.size() == 8);
  auto const records = world.producer.of("raw.venue");
  REQUIRE(records.size() == 4);
  CHECK(records[0].record.key == "prices");
  CHECK(records[0].header("request") == "http://venue/prices");
  CHECK(records[3].header("ordinal") == "3");
}

TEST_CASE("publish: a throttled answer makes all requests of the provider wait") {
  World world;
  world.provider.polls_wanted = {poll_of("a", 1s), poll_of("b", 1s)};
  bool throttle = true;
  world.client.answer = [&](http::Exchange const&) {
    return http::Reply{.status = std::exchange(throttle, false) ? 429 : 200, .headers = {}, .body = "{}"};
  };
  world.run(32s);
  auto const& times = world.client.request_times;
  REQUIRE(times.size() >= 4);
  CHECK(times[1] < 100ms);  // Was on its way when the answer came.
  CHECK(times[2] >= 30s);
  CHECK(world.retried("throttled") == 1);
  CHECK(world.client.connections.size() == 1);  // The stream does not suffer.
}

TEST_CASE("publish: a refused poll is not asked again and again, and the others go on") {
  World world;
  world.provider.polls_wanted = {poll_of("wrong", 1s), poll_of("right", 1s)};
  world.client.answer = [](http::Exchange const& exchange) {
    return http::Reply{.status = exchange.url.ends_with("wrong") ? 400 : 200, .headers = {}, .body = "no such coin"};
  };
  world.provider.limits_wanted.weight_per_minute = 1000;
  world.run(30s);
  CHECK(world.trace.count("request http://venue/wrong") == 1);
  CHECK(world.trace.count("request http://venue/right") >= 29);
  CHECK(world.retried("refused") == 1);
}

TEST_CASE("publish: an answer larger than the log takes is refused, not produced") {
  World world;
  world.provider.polls_wanted = {poll_of("all", 1s)};
  world.client.answer = [](http::Exchange const&) {
    return http::Reply{.status = 200, .headers = {}, .body = std::string(20'000'001, '.')};
  };
  world.run(5s);
  CHECK(world.client.requests.size() == 1);
  CHECK(world.producer.records.empty());
  CHECK(world.retried("refused") == 1);
}

TEST_CASE("publish: no minute sees more weight than the budget") {
  World world;
  world.provider.limits_wanted.weight_per_minute = 60;
  world.provider.polls_wanted = {poll_of("a", 1s, false, 20), poll_of("b", 1s, false, 5)};
  world.run(10min);
  auto const& times = world.client.request_times;
  auto const weight = [&](std::size_t at) { return world.client.requests[at].url.ends_with("a") ? 20 : 5; };
  int most = 0;
  for (std::size_t from = 0; from < times.size(); ++from) {
    int sum = 0;
    for (auto at = from; at < times.size() && times[at] < times[from] + 1min; ++at) sum += weight(at);
    most = std::max(most, sum);
  }
  CHECK(most <= 60);
  CHECK(most >= 50);
  CHECK(world.metrics.budget_remaining({{"provider", "venue"}}).Value() <= 60);
}

TEST_CASE("publish: light requests do not starve a heavy one") {
  World world;
  world.provider.limits_wanted.weight_per_minute = 60;
  world.provider.polls_wanted = {poll_of("heavy", 1min, false, 50)};
  for (int number = 0; number < 10; ++number)
    world.provider.polls_wanted.insert(world.provider.polls_wanted.begin(), poll_of("light", 1s, false, 2));
  world.tell(gap_of(GapState::open));
  world.run(10min);
  CHECK(world.trace.count("request http://venue/heavy") >= 3);
  CHECK(world.trace.count("request http://venue/light") >= 30);
  CHECK(world.trace.count("request http://venue/fill") == 1);
}

TEST_CASE("publish: a full producer stops all reading, and nothing is lost") {
  World world;
  world.provider.polls_wanted = {poll_of("prices", 1s)};
  std::vector<std::string> sent;
  for (int number = 0; number < 100; ++number) sent.push_back("frame " + std::to_string(number));
  std::size_t requests_before = 0;
  world.at(2s, [&] {
    world.producer.full = true;
    world.connection().frames = {sent.begin(), sent.end()};
  });
  world.at(3s, [&] {
    CHECK(world.connection().received <= 1);
    CHECK_FALSE(world.client.reads.back());
    requests_before = world.client.requests.size();
  });
  world.at(120s, [&] {  // Longer than silence_max: not listening is not silence.
    CHECK(world.connection().received <= 1);
    CHECK(world.client.requests.size() == requests_before);
    world.producer.full = false;
  });
  world.run(121s);
  CHECK(world.connection().received == 100);
  CHECK(world.client.connections.size() == 1);
  auto values = world.raw();
  std::erase(values, "{}");
  CHECK(values == sent);
}

TEST_CASE("publish: a transient fault of the broker is ridden out without losing a frame") {
  World world;
  for (int times = 0; times < 8; ++times) world.producer.produce_faults.emplace_back(Fault::Kind::transient, "broker away");
  world.at(1s, [&] { world.connection().frames = {"one", "two"}; });
  world.at(2500ms, [&] { CHECK(world.producer.produce_faults.size() >= 3); });  // Asked again with waits that grow.
  world.run(60s);
  CHECK(world.raw() == std::vector<std::string>{"one", "two"});
  CHECK(world.retried("broker") == 8);
  CHECK(world.producer.produce_faults.empty());
}

TEST_CASE("publish: a fatal fault of the broker ends it") {
  World world;
  world.producer.poll_faults.emplace_back(Fault::Kind::fatal, "topic raw.venue is missing");
  CHECK_THROWS_WITH_AS(world.run(60s), "topic raw.venue is missing", Fault);
  CHECK(world.clock.elapsed() < 1s);
}

TEST_CASE("publish: subscriptions are sent with their pauses, keep-alives at their interval") {
  World world;
  world.provider.streams_wanted = {{.url = "ws://venue/",
                                    .subscribe = {"sub a", "sub b", "sub c"},
                                    .subscribe_pause = 250ms,
                                    .keep_alive = "ping",
                                    .keep_alive_every = 30s}};
  std::vector<Duration> times;
  world.client.on_connect = [&](FakeConnection& connection) {
    connection.state = http::Websocket::State::open;
    connection.on_sent = [&](std::string const& text) {
      times.push_back(world.clock.elapsed());
      if (text == "ping") connection.frames.push_back("here");
    };
  };
  world.run(65s);
  CHECK(world.connection().sent == std::vector<std::string>{"sub a", "sub b", "sub c", "ping", "ping"});
  REQUIRE(times.size() == 5);
  CHECK(times[1] - times[0] >= 250ms);
  CHECK(times[2] - times[1] >= 250ms);
  CHECK(times[3] - times[0] >= 30s);
  CHECK(times[4] - times[3] >= 30s);
}

TEST_CASE("publish: a connection that cannot be made is tried again with waits that grow") {
  World world;
  world.client.on_connect = [](FakeConnection& connection) { connection.drop("refused"); };
  world.run(10min);
  auto const waits = gaps_between(world.client.connect_times);
  REQUIRE(waits.size() >= 10);
  CHECK(waits.size() <= 30);
  CHECK(waits[0] < 600ms);
  CHECK(waits[9] >= 30s);
  CHECK(world.retried("connect") == static_cast<double>(waits.size() + 1));
  CHECK(world.producer.of("md.gaps").empty());  // It was never there, so nothing of it is missing.
}

TEST_CASE("publish: after a connection that lasted the waits begin anew") {
  World world;
  int refusals = 0;
  world.provider.streams_wanted[0].silence_max = 0s;
  world.client.on_connect = [&](FakeConnection& connection) {
    if (++refusals <= 8)
      connection.drop("refused");
    else
      connection.state = http::Websocket::State::open;
  };
  world.at(10min, [&] { world.connection(8).drop("gone"); });
  world.run(11min);
  REQUIRE(world.client.connect_times.size() == 10);
  CHECK(world.client.connect_times[9] - Duration{10min} < 600ms);
}

TEST_CASE("publish: no five minutes see more connection attempts than allowed") {
  World world;
  world.provider.limits_wanted.connections_per_5_minutes = 4;
  world.client.on_connect = [](FakeConnection& connection) { connection.drop("refused"); };
  world.run(20min);
  auto const& times = world.client.connect_times;
  REQUIRE(times.size() > 8);
  for (std::size_t at = 4; at < times.size(); ++at) CHECK(times[at] - times[at - 4] >= 5min);
}

TEST_CASE("publish: a lost connection is a gap, which is filled when the connection is back") {
  World world;
  world.at(1s, [&] { world.connection().frames = {"one"}; });
  world.at(2s, [&] { world.connection().drop("gone"); });
  world.at(4s, [&] { world.connection(1).frames = {"two"}; });
  world.run(5s);
  auto const gaps = world.producer.of("md.gaps");
  REQUIRE(gaps.size() == 2);
  CHECK(gaps[0].record.key == "venue:*");
  CHECK(gaps[0].header("schema") == "gaps/1");
  CHECK(gaps[0].header("origin") == "live");
  auto const open = std::get<Gap>(*parse_record("gaps", gaps[0].record.value));
  auto const filled = std::get<Gap>(*parse_record("gaps", gaps[1].record.value));
  CHECK(open.symbol == "*");
  CHECK(open.channel == "*");
  CHECK(open.cause == GapCause::reconnect);
  CHECK(open.state == GapState::open);
  CHECK(to_text(open.from_time) == "2026-01-02T03:04:06.000000Z");
  CHECK(filled.state == GapState::filled);
  CHECK(filled.from_time == open.from_time);
  CHECK(filled.to_time > open.to_time);
  auto const records = world.producer.of("raw.venue");
  REQUIRE(records.size() == 2);
  CHECK(records[0].header("connection") != records[1].header("connection"));
  CHECK(records[1].header("ordinal") == "0");
  CHECK(world.metrics.gaps({{"provider", "venue"}, {"cause", "reconnect"}}).Value() == 1);
  CHECK(world.retried("lost") == 1);
}

TEST_CASE("publish: a lost connection that an earlier publisher left open is filled when the streams are open") {
  World world;
  world.provider.streams_wanted = {{.url = "ws://venue/one"}, {.url = "ws://venue/two"}};
  auto left_open = gap_of(GapState::open, "*");
  left_open.channel = "*";
  auto closed = left_open;
  closed.from_time += 1min;
  auto elsewhere = left_open;
  elsewhere.source = "elsewhere";
  SUBCASE("all of them") {
    for (auto const& gap : {left_open, closed, elsewhere}) world.tell(gap);
    closed.state = GapState::filled;
    world.tell(closed);
    world.run(5s);
    auto const gaps = world.producer.of("md.gaps");
    REQUIRE(gaps.size() == 1);
    auto const filled = std::get<Gap>(*parse_record("gaps", gaps[0].record.value));
    CHECK(filled.source == "venue");
    CHECK(filled.symbol == "*");
    CHECK(filled.channel == "*");
    CHECK(filled.cause == left_open.cause);
    CHECK(filled.from_time == left_open.from_time);
    CHECK(filled.to_time > *parse_time("2026-01-02T03:04:05Z"));
    CHECK(filled.state == GapState::filled);
  }
  SUBCASE("not while one of them stays closed") {
    world.tell(left_open);
    world.client.on_connect = [](FakeConnection& connection) {
      if (connection.url == "ws://venue/one") connection.state = http::Websocket::State::open;
    };
    world.run(5s);
    CHECK(world.producer.of("md.gaps").empty());
  }
  SUBCASE("not one of this publisher's own time, which its own stream tells") {
    left_open.time = *parse_time("2026-01-02T03:04:06Z");
    world.at(2s, [&] { world.tell(left_open); });
    world.run(5s);
    CHECK(world.producer.of("md.gaps").empty());
  }
}

TEST_CASE("publish: gaps of long ago are no requests after a restart") {
  World world;
  auto old = gap_of(GapState::open);
  old.time -= 2h;
  world.tell(old);
  world.run(5s);
  CHECK(world.client.requests.empty());
}

TEST_CASE("publish: what the provider, silence and age ask for is another connection") {
  struct Case {
    char const* name;
    std::string frame;
    std::chrono::milliseconds silence_max, lifetime_max;
    Duration lost_at;
  };
  for (auto const& [name, frame, silence_max, lifetime_max, lost_at] :
       {Case{"react says so", "leave", 0ms, 0ms, 1s}, Case{"silence", "one", 30s, 0ms, 31s}, Case{"age", "one", 0ms, 40s, 40s}}) {
    CAPTURE(name);
    World world;
    world.provider.streams_wanted = {{.url = "ws://venue/", .silence_max = silence_max, .lifetime_max = lifetime_max}};
    world.at(1s, [&, text = frame] { world.connection().frames = {text}; });
    world.run(lost_at + 2s);
    REQUIRE(world.client.connect_times.size() == 2);
    CHECK(world.client.connect_times[1] > lost_at);
    CHECK(world.client.connect_times[1] < lost_at + 600ms);
    CHECK(world.metrics.stale_streams({{"provider", "venue"}}).Value() == (silence_max > 0ms ? 1 : 0));
  }
}

TEST_CASE("publish: a stream without data is stale and subscribed anew, and all is well when that brings data") {
  World world;
  world.provider.streams_wanted = {{.url = "ws://venue/", .subscribe = {"sub"}, .unsubscribe = {"unsub"}, .silence_max = 30s}};
  world.at(1s, [&] { world.connection().frames = {"one"}; });
  world.at(30s, [&] { CHECK(world.is_ready("streams")); });
  world.at(34s, [&] {
    CHECK(world.connection().sent == std::vector<std::string>{"sub", "unsub", "sub"});
    CHECK_FALSE(world.is_ready("streams"));
    CHECK(world.stale() == 1);
    world.connection().frames = {"two"};
  });
  world.at(36s, [&] {
    CHECK(world.is_ready("streams"));
    CHECK(world.stale() == 0);
  });
  world.run(37s);
  CHECK(world.client.connections.size() == 1);
  CHECK(world.gap_story() == std::vector<std::string>{"stale open", "stale filled"});
  CHECK(world.metrics.gaps({{"provider", "venue"}, {"cause", "stale"}}).Value() == 1);
  CHECK(world.metrics.reconnects({{"provider", "venue"}}).Value() == 0);
}

TEST_CASE("publish: a stream that stays without data is connected anew, and stale until data comes, not until it is open") {
  World world;
  world.provider.streams_wanted = {{.url = "ws://venue/", .subscribe = {"sub"}, .silence_max = 30s}};
  world.at(1s, [&] { world.connection().frames = {"one"}; });
  world.at(45s, [&] {
    REQUIRE(world.client.connections.size() == 2);
    CHECK(world.stale() == 1);
    CHECK(world.gap_story() == std::vector<std::string>{"stale open"});
    world.connection(1).frames = {"two"};
  });
  world.run(47s);
  CHECK(world.client.connections.size() == 2);
  CHECK(world.stale() == 0);
  CHECK(world.is_ready("streams"));
  CHECK(world.gap_story() == std::vector<std::string>{"stale open", "stale filled"});
  CHECK(world.metrics.reconnects({{"provider", "venue"}}).Value() == 1);
}

TEST_CASE("publish: heartbeats are not data, and keep-alives without any answer end the connection") {
  World world;
  world.provider.streams_wanted = {{.url = "ws://venue/", .silence_max = 30s}};
  for (int second = 1; second < 40; ++second) world.at(second * 1s, [&] { world.client.connections.back()->frames = {"ping"}; });
  world.run(40s);
  CHECK(world.stale() == 1);
  CHECK(world.client.connections.size() == 2);

  World deaf;
  deaf.provider.streams_wanted = {{.url = "ws://venue/", .keep_alive = "beat", .keep_alive_every = 10s}};
  deaf.run(22s);
  CHECK(deaf.client.connections.size() == 2);
  CHECK(deaf.stale() == 0);
}

TEST_CASE("publish: the longest silence is the provider's, unless it is set") {
  World world;
  world.provider.streams_wanted = {{.url = "ws://venue/", .silence_max = 300s}};
  world.subscription.silence_max = 5s;
  world.run(8s);
  CHECK(world.stale() == 1);
}

TEST_CASE("publish: a stream that does not open is no ready publisher, and says why") {
  World world;
  world.client.on_connect = [](FakeConnection& connection) { connection.drop("refused by test"); };
  world.run(3s);
  CHECK_FALSE(world.is_ready("streams"));
  CHECK(world.reason("streams").contains("refused by test"));
}

TEST_CASE("publish: a poll without good answers is stale, and what was not asked for meanwhile is a gap") {
  World world;
  world.provider.streams_wanted.clear();
  world.provider.polls_wanted = {poll_of("tickers", 10s)};
  bool broken = false;
  world.client.answer = [&](http::Exchange const&) {
    return http::Reply{.status = broken ? 500 : 200, .headers = {}, .body = "down"};
  };
  world.at(15s, [&] { broken = true; });
  world.at(55s, [&] { CHECK(world.stale() == 0); });  // Twice its interval, and half a minute.
  world.at(65s, [&] {
    CHECK(world.stale() == 1);
    CHECK_FALSE(world.is_ready("streams"));
    CHECK(world.reason("streams").contains("tickers"));
    CHECK(world.gap_story() == std::vector<std::string>{"stale open"});
    broken = false;
  });
  world.run(140s);
  CHECK(world.stale() == 0);
  CHECK(world.is_ready("streams"));
  CHECK(world.gap_story() == std::vector<std::string>{"stale open", "stale unfillable"});
}

TEST_CASE("publish: a poll's gap that an earlier publisher left open is unfillable when that poll is answered") {
  World world;
  world.provider.streams_wanted.clear();
  world.provider.polls_wanted = {poll_of("tickers", 10s), poll_of("prices", 10s)};
  auto left_open = gap_of(GapState::open, "*");
  left_open.cause = GapCause::stale;
  left_open.channel = "tickers";
  world.tell(left_open);
  bool down = true;
  world.client.answer = [&](http::Exchange const& exchange) {
    return http::Reply{.status = down && exchange.url.ends_with("tickers") ? 500 : 200, .headers = {}, .body = "x"};
  };
  world.at(5s, [&] {
    CHECK(world.gap_story().empty());
    down = false;
  });
  world.run(60s);
  CHECK(world.gap_story() == std::vector<std::string>{"stale unfillable"});
}

TEST_CASE("publish: while the broker takes nothing, output is not ready, and the age of each channel grows") {
  World world;
  world.at(1s, [&] {
    world.connection().frames = {"one"};
    world.producer.hold = true;
  });
  world.at(10s, [&] {
    CHECK_FALSE(world.is_ready("output"));
    CHECK(world.metrics.last_event_age({{"provider", "venue"}, {"channel", "trade"}}).Value() ==
          doctest::Approx(8.5).epsilon(0.2));
    world.producer.hold = false;
  });
  world.run(13s);
  CHECK(world.is_ready("output"));
  CHECK(world.health.since_turn());
}

TEST_CASE("publish: a connection that never opens is given up") {
  World world;
  world.client.on_connect = [](FakeConnection&) {};
  world.run(25s);
  CHECK(world.client.connections.size() == 2);
}

TEST_CASE("publish: a refused subscription is counted, published, and names itself when the connection ends") {
  World world;
  world.at(1s, [&] { world.connection().frames = {"no", "no"}; });
  world.at(2s, [&] { world.connection().drop("gone"); });
  world.run(3s);
  CHECK(world.raw() == std::vector<std::string>{"no", "no"});
  CHECK(world.retried("refused") == 2);
  CHECK(world.metrics.gaps({{"provider", "venue"}, {"cause", "refused"}}).Value() == 1);
}

TEST_CASE("publish: an open gap is fetched and its answer published, a filled one is not") {
  World world;
  world.provider.backfill_requests = 2;
  world.client.answer = [](http::Exchange const& exchange) {
    return http::Reply{.status = 200, .headers = {}, .body = exchange.url};
  };
  world.tell(gap_of(GapState::open));
  auto filled = gap_of(GapState::open);
  filled.channel = "depth";
  world.tell(filled);
  filled.state = GapState::filled;
  world.tell(filled);
  world.run(10s);
  auto const records = world.producer.of("raw.venue");
  REQUIRE(records.size() == 2);
  CHECK(records[0].header("request") == "http://venue/fill?trade&0");
  CHECK(records[1].header("request") == "http://venue/fill?trade&1");
  CHECK(records[0].header("origin") == "backfill");
  CHECK(records[0].header("channel") == "trade");
  CHECK(records[0].header("symbol") == "BTCUSDT");
  CHECK(world.client.requests.size() == 2);  // Asked once, though it was never told to be filled.
}

TEST_CASE("publish: gaps of others, of whole connections and of unknown symbols are no requests") {
  World world;
  world.tell(gap_of(GapState::open, "*"));
  world.tell(gap_of(GapState::open, "ETH/USDT"));
  auto other = gap_of(GapState::open);
  other.source = "elsewhere";
  world.tell(other);
  world.tell(gap_of(GapState::unfillable));
  world.run(5s);
  CHECK(world.client.requests.empty());
}

TEST_CASE("publish: a gap that stays open is asked for again with waits that grow, one request at a time") {
  World world;
  world.provider.limits_wanted.weight_per_minute = 10'000;
  for (int second = 0; second < 600; ++second) world.at(second * 1s, [&] { world.tell(gap_of(GapState::open)); });
  world.at(610s, [&] { world.tell(gap_of(GapState::filled)); });
  std::size_t before_filled = 0;
  world.at(611s, [&] { before_filled = world.client.requests.size(); });
  world.run(700s);
  auto const waits = gaps_between(world.client.request_times);
  REQUIRE(waits.size() >= 10);
  CHECK(waits.size() <= 40);
  CHECK(waits[0] < 2100ms);
  CHECK(waits[9] >= 30s);
  CHECK(world.client.requests.size() == before_filled);
}

TEST_CASE("publish: a gap that is filled while its request waits is not asked for") {
  World world;
  world.provider.backfill_requests = 3;
  world.provider.limits_wanted.weight_per_minute = 5;  // One request of a gap in a minute.
  world.tell(gap_of(GapState::open));
  world.at(30s, [&] { world.tell(gap_of(GapState::filled)); });
  world.run(5min);
  CHECK(world.client.requests.size() == 1);
}

TEST_CASE("publish: the requests of a gap run one after the other, however often it is told") {
  World world;
  world.provider.backfill_requests = 2;
  bool answered = false;
  world.client.answer = [&](http::Exchange const&) -> std::optional<http::Reply> {
    if (!answered) return std::nullopt;
    return http::Reply{.status = 200, .headers = {}, .body = "trades"};
  };
  for (int second = 0; second < 10; ++second) world.at(second * 1s, [&] { world.tell(gap_of(GapState::open)); });
  world.at(10s, [&] {
    CHECK(world.client.requests.size() == 1);
    answered = true;
  });
  world.run(11s);
  CHECK(world.raw() == std::vector<std::string>{"trades", "trades"});
}

TEST_CASE("publish: failing to fetch a gap is repeated until it works") {
  World world;
  int failures = 4;
  world.client.answer = [&](http::Exchange const&) {
    return http::Reply{.status = failures-- > 0 ? 0 : 200, .headers = {}, .body = "trades"};
  };
  world.tell(gap_of(GapState::open));
  world.run(60s);
  CHECK(world.client.requests.size() == 5);
  CHECK(world.raw() == std::vector<std::string>{"trades"});
  CHECK(world.retried("broken") == 4);
}

TEST_CASE("publish: more open gaps than it keeps drop the oldest, not the newest") {
  World world;
  world.provider.limits_wanted.weight_per_minute = 1'000'000;
  for (int number = 0; number < 1'500; ++number) {
    auto gap = gap_of(GapState::open);
    gap.channel = "channel " + std::to_string(number);
    world.tell(gap);
  }
  world.run(100s);
  CHECK(world.client.requests.size() >= 1'000);
  CHECK(world.client.requests.size() <= 1'004);  // Those on their way when they were dropped.
  CHECK(world.trace.has("request http://venue/fill?channel 1499&0"));
  CHECK_FALSE(world.trace.has("request http://venue/fill?channel 495&0"));
}

TEST_CASE("publish: stopping closes the sockets, then waits for the acknowledgements") {
  World world;
  world.at(1s, [&] {
    world.producer.hold = true;
    world.connection().frames = {"one"};
  });
  world.at(2100ms, [&] { world.producer.hold = false; });
  world.run(2s);
  CHECK(world.trace.ordered("close ws://venue/stream", "flush"));
  CHECK(world.producer.acknowledged == 1);
  CHECK(world.clock.elapsed() < 5s);
}

TEST_CASE("publish: stopping while the broker is away ends within the limit and says what is lost") {
  for (bool const full : {false, true}) {
    CAPTURE(full);
    World world;
    world.at(1s, [&] {
      (full ? world.producer.full : world.producer.hold) = true;
      world.connection().frames = {"one"};
    });
    CHECK_THROWS_AS(world.run(2s), Fault);
    CHECK(world.clock.elapsed() >= 5s);
    CHECK(world.clock.elapsed() < 6s);
  }
}

namespace {

/// A world with a spool: the broker is away while `hold` is set.
struct SpoolWorld : World {
  Folder folder;

  explicit SpoolWorld(std::uint64_t bytes_max = 1 << 30) { spool = open(bytes_max); }
  ~SpoolWorld() { spool.reset(); }
  std::unique_ptr<Spool> open(std::uint64_t bytes_max = 1 << 30) const {
    return Spool::open({.folder = folder.path, .bytes_max = bytes_max, .segment_bytes_max = 4'000});
  }
  /// What the next process would find.
  std::vector<std::string> left() {
    spool.reset();
    auto const found = open();
    std::vector<std::string> values;
    for (; found->next(); found->pass()) values.push_back(found->next()->record.value);
    return values;
  }
  double depth() { return metrics.spool_records({{"provider", "venue"}}).Value(); }
  void frames(std::vector<std::string> const& values) {
    connection(client.connections.size() - 1).frames = {values.begin(), values.end()};
  }
};

std::vector<std::string> numbered(int from, int to) {
  std::vector<std::string> values;
  for (int number = from; number < to; ++number) values.push_back("frame " + std::to_string(number));
  return values;
}

std::vector<Gap> gaps_in(World const& world) {
  std::vector<Gap> gaps;
  for (auto const& [topic, record] : world.producer.of("md.gaps"))
    gaps.push_back(std::get<Gap>(*parse_record("gaps", record.value)));
  return gaps;
}

/// The gap of that channel while the spool was full, as it was told: open, then `end`.
std::vector<Gap> spool_full_gaps(World const& world, std::string_view channel, GapState end) {
  auto gaps = gaps_in(world);
  std::erase_if(gaps, [&](auto const& gap) { return gap.channel != channel; });
  REQUIRE(gaps.size() == 2);
  for (auto const& gap : gaps) {
    CHECK(gap.symbol == "*");
    CHECK(gap.cause == GapCause::spool_full);
    CHECK(gap.from_time == gaps[0].from_time);
  }
  CHECK(gaps[0].state == GapState::open);
  CHECK(gaps[1].state == end);
  return gaps;
}

}  // namespace

TEST_CASE("publish: while the broker takes, nothing goes to the spool") {
  SpoolWorld world;
  for (int second = 1; second < 60; ++second) world.at(second * 1s, [&, second] { world.frames(numbered(second, second + 1)); });
  world.run(60s);
  CHECK(world.raw() == numbered(1, 60));
  CHECK(world.depth() == 0);
  CHECK(std::ranges::distance(std::filesystem::directory_iterator{world.folder.path}) == 1);  // The lock.
}

TEST_CASE("publish: while the broker is away all goes to the spool, and after it in order, once, to the broker") {
  SpoolWorld world;
  world.at(1s, [&] { world.frames(numbered(0, 3)); });
  world.at(2s, [&] {
    world.producer.hold = true;
    world.frames(numbered(3, 6));  // With the producer when the broker goes away.
  });
  world.at(4s, [&] {
    CHECK(world.depth() == 3);
    world.producer.full = true;
    world.frames(numbered(6, 100));
  });
  world.at(30s, [&] {
    CHECK(world.connection().frames.empty());  // The provider does not wait.
    CHECK(world.client.reads.back());
    CHECK(world.depth() == 97);
    world.producer.hold = world.producer.full = false;
    world.frames(numbered(100, 110));
  });
  world.at(31s, [&] {
    CHECK(world.depth() == 0);
    world.frames(numbered(110, 120));
  });
  world.run(32s);
  CHECK(world.raw() == numbered(0, 120));
  CHECK(world.left().empty());
}

TEST_CASE("publish: a record that came while the spool is sent goes behind it") {
  SpoolWorld world;
  world.at(1s, [&] {
    world.producer.hold = true;
    world.frames(numbered(0, 1));
  });
  world.at(3s, [&] {
    world.producer.full = true;
    world.frames(numbered(1, 50));
  });
  world.at(4s, [&] { world.producer.full = false; });  // Takes, and acknowledges nothing yet.
  world.at(5s, [&] { world.frames(numbered(50, 60)); });
  world.at(6s, [&] { CHECK(world.depth() == 60); });
  world.at(7s, [&] { world.producer.hold = false; });
  world.at(8s, [&] { world.frames(numbered(60, 70)); });
  world.run(9s);
  CHECK(world.raw() == numbered(0, 70));
  CHECK(world.depth() == 0);
}

TEST_CASE("publish: what an earlier publisher left in the spool goes first") {
  SpoolWorld world;
  for (auto const& value : numbered(0, 30))
    REQUIRE(world.spool->append("raw.venue", {.key = "BTCUSDT", .value = value, .headers = {}}));
  world.client.on_connect = [&](FakeConnection& connection) {
    connection.state = http::Websocket::State::open;
    for (auto const& value : numbered(30, 40)) connection.frames.push_back(value);
  };
  world.run(2s);
  CHECK(world.raw() == numbered(0, 40));
  CHECK(world.left().empty());
}

TEST_CASE("publish: started while the broker is away, it opens its streams as soon as its catalogue is in the spool") {
  SpoolWorld world;
  world.provider.polls_wanted = {poll_of("catalogue", 1h, true)};
  world.producer.hold = true;
  world.at(5s, [&] {
    REQUIRE(world.client.connections.size() == 1);
    world.frames(numbered(0, 5));
  });
  world.run(6s);
  CHECK(world.client.connect_times[0] >= PublishQueue::away_after);
  auto expected = numbered(0, 5);
  expected.insert(expected.begin(), "{}");
  CHECK(world.left() == expected);
}

TEST_CASE("publish: stopped while the broker is away, all that it did not take is in the spool, in order and at once") {
  for (bool const seen : {false, true}) {
    CAPTURE(seen);
    SpoolWorld world;
    world.at(1s, [&] { world.frames(numbered(0, 3)); });
    world.at(2s, [&] {
      world.producer.hold = true;
      world.frames(numbered(3, 30));
    });
    if (seen) world.at(4s, [&] { world.frames(numbered(30, 40)); });
    world.run(seen ? Duration{5s} : Duration{2100ms});
    CHECK(world.trace.ordered("close ws://venue/stream", "flush") == !seen);
    CHECK(world.clock.elapsed() < (seen ? 5200ms : 5600ms));
    CHECK(world.left() == numbered(3, seen ? 40 : 30));
  }
}

TEST_CASE(
    "publish: stopped before it is sure that the broker is away, it does not wait longer than it may, and nothing is lost") {
  SpoolWorld world;
  world.options.flush_max = 300ms;
  world.at(1s, [&] {
    world.producer.hold = true;
    world.frames(numbered(0, 30));
  });
  world.run(1100ms);
  CHECK(world.clock.elapsed() < 2s);
  CHECK(world.left() == numbered(0, 30));
}

TEST_CASE("publish: a broker that is away again before the spool is empty changes nothing in the order") {
  SpoolWorld world;
  int sent = 0;
  for (int step = 0; step < 200; ++step)
    world.at(1s + step * 300ms, [&, step] {
      world.producer.hold = step % 50 >= 10 && step % 50 < 40;
      world.producer.full = step % 20 >= 15;
      auto& frames = world.connection().frames;
      for (auto const& value : numbered(sent, sent + 7)) frames.push_back(value);
      sent += 7;
    });
  world.at(62s, [&] { world.producer.hold = world.producer.full = false; });
  world.run(70s);
  CHECK(world.raw() == numbered(0, sent));
  CHECK(world.client.connections.size() == 1);
  CHECK(world.left().empty());
}

TEST_CASE("publish: a spool that is full makes polls wait, and a stream is let go, which is a gap until there is room again") {
  SpoolWorld world{10'000};
  world.provider.polls_wanted = {poll_of("prices", 1s)};
  world.at(1500ms, [&] {
    world.producer.hold = true;
    world.frames(numbered(0, 1));
  });
  world.at(2500ms, [&] {
    world.producer.full = true;
    world.frames(numbered(1, 1'000));
  });
  std::size_t requests = 0;
  world.at(10s, [&] {
    CHECK(world.connection().received > 10);
    CHECK(world.connection().received < 100);
    CHECK(world.client.connections.size() == 1);  // It waits for a while.
    requests = world.client.requests.size();
  });
  world.at(60s, [&] {
    CHECK(world.connection().state == http::Websocket::State::closed);
    CHECK(world.client.connections.size() == 1);
    CHECK(world.client.requests.size() == requests);
    CHECK(gaps_in(world).empty());
    world.producer.hold = world.producer.full = false;
  });
  world.at(62s, [&] {
    REQUIRE(world.client.connections.size() == 2);
    world.frames({"after"});
  });
  world.run(63s);
  auto const received = static_cast<int>(world.connection().received);
  auto expected = numbered(0, received);
  expected.emplace_back("after");
  auto values = world.raw();
  std::erase(values, "{}");
  CHECK(values == expected);
  auto const gaps = spool_full_gaps(world, "*", GapState::filled);
  CHECK(gaps[0].from_time < *parse_time("2026-01-02T03:04:10Z"));
  CHECK(gaps[1].to_time >= *parse_time("2026-01-02T03:05:05Z"));
  spool_full_gaps(world, "prices", GapState::unfillable);
  CHECK(gaps_in(world).size() == 4);
  CHECK(world.metrics.gaps({{"provider", "venue"}, {"cause", "spool-full"}}).Value() == 2);
}

TEST_CASE("publish: what a poll is not asked for while the spool is full is a gap") {
  SpoolWorld world{5'000};
  world.provider.streams_wanted.clear();
  world.provider.polls_wanted = {poll_of("prices", 1s)};
  world.client.answer = [](http::Exchange const&) {
    return http::Reply{.status = 200, .headers = {}, .body = std::string(1'000, 'x')};
  };
  world.at(2500ms, [&] { world.producer.hold = world.producer.full = true; });
  world.at(20s, [&] { CHECK(gaps_in(world).empty()); });
  world.at(100s, [&] { world.producer.hold = world.producer.full = false; });
  world.run(110s);
  auto const gaps = spool_full_gaps(world, "prices", GapState::unfillable);
  CHECK(gaps_in(world).size() == 2);
  CHECK(gaps[1].to_time - gaps[1].from_time > 80s);
  CHECK(world.metrics.gaps({{"provider", "venue"}, {"cause", "spool-full"}}).Value() == 1);
  CHECK(world.stale() == 0);
}

TEST_CASE("publish: what was received outlives a fatal fault of the broker, in the spool") {
  SpoolWorld world;
  world.at(1s, [&] {
    world.producer.hold = true;
    world.frames(numbered(0, 3));
  });
  world.at(1500ms, [&] { world.producer.poll_faults.emplace_back(Fault::Kind::fatal, "topic raw.venue is missing"); });
  CHECK_THROWS_AS(world.run(5s), Fault);
  CHECK(world.left() == numbered(0, 3));
}

TEST_CASE("publish: stopped while broker and spool take nothing, it says what is lost") {
  SpoolWorld world{5'000};
  world.at(1s, [&] {
    world.producer.hold = true;
    world.frames(numbered(0, 1));
  });
  world.at(2s, [&] {
    world.producer.full = true;
    world.frames(numbered(1, 1'000));
  });
  CHECK_THROWS_AS(world.run(5s), Fault);
  auto const left = world.left();
  CHECK(left.size() > 5);
  CHECK(left == numbered(0, static_cast<int>(left.size())));
}

}  // namespace penstock::test
