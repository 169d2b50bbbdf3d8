#include <doctest/doctest.h>

#include "agents/transform.hpp"
#include "test/fakes.hpp"
#include "test/transform/fake_provider.hpp"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>

using namespace penstock;
using namespace penstock::test;
using namespace std::chrono_literals;

namespace {

std::string number_in(std::string const& json, std::string const& field) {
  auto const found = json.find('"' + field + "\":");
  REQUIRE(found != std::string::npos);
  auto const from = found + field.size() + 3;
  return json.substr(from, json.find_first_of(",}", from) - from);
}
std::int64_t value_in(std::string const& json, std::string const& field) { return std::stoll(number_in(json, field)); }

struct Loop {
  explicit Loop(bool by_catalogue = false) : provider{by_catalogue} {
    consumer.when_idle = [this] { stop.request_stop(); };
  }

  FakeClock clock{at(0)};
  Trace trace;
  FakeConsumer consumer{clock, &trace};
  FakeConsumer known{clock};
  FakeExchange exchange{&trace};
  Metrics metrics{"transform"};
  Health health{clock};
  FakeProvider provider;
  std::stop_source stop;
  TransformOptions options{.providers = {&provider}, .instance = "test-0", .window_records = 100};
  TopicPartition const raw = partition_of("raw.venue");

  Offset put(std::string value, std::string channel = "trade", std::string origin = "live", std::int32_t partition = 0,
             double seconds = 0, std::string publisher = "a") {
    return consumer.append(partition_of("raw.venue", partition), {"key",
                                                                  std::move(value),
                                                                  {{"channel", std::move(channel)},
                                                                   {"received_at", to_text(at(seconds))},
                                                                   {"origin", std::move(origin)},
                                                                   {"publisher", publisher},
                                                                   {"connection", publisher + "/0"}}});
  }
  void run(std::vector<TopicPartition> gained = {partition_of("raw.venue")}) {
    consumer.then_assign({.gained = std::move(gained), .lost = {}});
    run_transform(consumer, exchange, known, clock, options, metrics, health, stop.get_token());
  }
  /// Runs until `enough` is true, looked at when there is nothing to do.
  void run_until(std::function<bool()> enough, std::vector<TopicPartition> gained = {partition_of("raw.venue")}) {
    consumer.when_idle = [this, enough = std::move(enough)] {
      REQUIRE(clock.elapsed() < std::chrono::hours{2});
      if (enough()) stop.request_stop();
    };
    run(std::move(gained));
  }
  /// Goes on where `before` ended: its committed offsets, and what it wrote to md.gaps.
  void inherit(Loop const& before) {
    consumer.committed_offsets = before.exchange.commits.back();
    for (auto const& gap : before.exchange.of("md.gaps")) known.append(partition_of("md.gaps"), gap.record);
    known.assign_all();
  }
  std::vector<std::string> values(std::string_view topic) const {
    std::vector<std::string> found;
    for (auto const& produced : exchange.of(topic)) found.push_back(produced.record.value);
    return found;
  }
  /// Of the last record: totals.
  std::int64_t ledger(std::string const& field) const {
    auto const records = values(ledger_topic);
    return records.empty() ? 0 : value_in(records.back(), field);
  }
};

}  // namespace

TEST_CASE("transform: records go to their topics with key, schema and origin") {
  Loop loop;
  loop.put("trade X 1;candle X 5");
  loop.put("trade X 2", "other", "backfill");
  loop.run();
  auto const trades = loop.exchange.of("md.trades");
  REQUIRE(trades.size() == 2);
  CHECK(trades[0].record.key == "venue:X");
  CHECK(trades[0].header("schema") == "trades/1");
  CHECK(trades[0].header("origin") == "live");
  CHECK(trades[1].header("origin") == "backfill");
  auto const read = parse_record("trades", trades[1].record.value);
  REQUIRE(read.has_value());
  CHECK(std::get<Trade>(*read).id == "2");
  CHECK(loop.exchange.of("md.candles").size() == 1);
}

TEST_CASE("transform: output, letters and ledger come before the offsets, in one interval") {
  Loop loop;
  loop.put("trade X 1;bad");
  loop.put("nonsense");
  loop.run();
  CHECK(loop.trace.ordered("produce md.trades", "commit raw.venue/0@2"));
  CHECK(loop.trace.ordered("produce raw.venue.dead", "commit raw.venue/0@2"));
  CHECK(loop.trace.ordered("produce penstock.ledger", "commit raw.venue/0@2"));
  CHECK(loop.trace.ordered("commit raw.venue/0@2", "close consumer"));
  CHECK(loop.exchange.commits.size() == 1);
  CHECK(loop.exchange.open.empty());
  CHECK(loop.consumer.commits.empty());  // Only the exchange commits.
}

TEST_CASE("transform: a letter holds the frame as it was and says what is wrong") {
  Loop loop;
  loop.put("trade X 1;bad;trade X 2 -5");
  loop.put("nonsense");
  loop.run();
  auto const letters = loop.exchange.of("raw.venue.dead");
  REQUIRE(letters.size() == 3);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(letters[i].record.key == "key");
    CHECK(letters[i].record.value == "trade X 1;bad;trade X 2 -5");
    CHECK(letters[i].header("channel") == "trade");
    CHECK(letters[i].header("stage") == "transform");
    CHECK(letters[i].header("topic") == "raw.venue");
    CHECK(letters[i].header("partition") == "0");
    CHECK(letters[i].header("offset") == "0");
    CHECK(letters[i].header("attempt") == "1");
    CHECK_FALSE(letters[i].header("failed_at").empty());
  }
  CHECK(letters[0].header("reason") == "missing-field");
  CHECK(letters[0].header("record") == "1");
  CHECK(letters[1].header("reason") == "price-not-positive");
  CHECK(letters[1].header("record") == "2");
  CHECK(letters[2].header("reason") == "malformed");
  CHECK(letters[2].header("record").empty());
  CHECK(loop.values("md.trades").size() == 1);
}

TEST_CASE("transform: the ledger adds up") {
  Loop loop;
  loop.put("trade X 1;trade X 1;bad;trade X 2 0");
  loop.put("control", "control");
  loop.put("nonsense");
  loop.put("update X 10 12", "depth");
  loop.put("update X 12 13", "depth");
  loop.put("snapshot X 12", "depth", "snapshot");
  loop.run();
  CHECK(loop.ledger("frames") == 6);
  CHECK(loop.ledger("decoded") == 4);
  CHECK(loop.ledger("skipped") == 0);
  CHECK(loop.ledger("ignored") == 1);
  CHECK(loop.ledger("dead_frames") == 1);
  CHECK(loop.ledger("records") == 7);
  CHECK(loop.ledger("written") == 3);
  CHECK(loop.ledger("duplicate") == 2);
  CHECK(loop.ledger("dead") == 2);
  CHECK(loop.ledger("records") == loop.ledger("written") + loop.ledger("duplicate") + loop.ledger("dead"));
  auto const record = loop.exchange.of(ledger_topic).back();
  CHECK(record.record.key == "raw.venue/0");
  CHECK(value_in(record.record.value, "to_offset") == 6);
  CHECK(number_in(record.record.value, "instance") == "\"test-0\"");
  CHECK(loop.metrics.written({{"provider", "venue"}, {"topic", "md.trades"}}).Value() == 1);
  CHECK(loop.metrics.received({{"provider", "venue"}, {"topic", "raw.venue"}}).Value() == 6);
  CHECK(loop.metrics.dead({{"provider", "venue"}, {"topic", "raw.venue"}, {"reason", "malformed"}}).Value() == 1);
  CHECK(loop.metrics.gaps({{"provider", "venue"}, {"cause", "late-join"}}).Value() == 1);
}

TEST_CASE("transform: what comes late by its nature does not count as late") {
  auto const hops = [](std::string frame, std::string origin) {
    Loop loop;
    loop.put(std::move(frame), "other", std::move(origin));
    loop.run();
    REQUIRE(loop.ledger("written") > 0);
    return loop.metrics.hop_seconds({{"from", "event"}, {"to", "received"}, {"provider", "venue"}})
        .Collect()
        .histogram.sample_count;
  };
  CHECK(hops("trade X 1", "live") == 1);
  CHECK(hops("trade X 1;candle X 5", "live") == 1);
  CHECK(hops("candle X 5", "live") == 0);
  CHECK(hops("trade X 1", "backfill") == 0);
}

TEST_CASE("transform: each ledger record adds up by itself, with what is held then") {
  Loop loop;
  loop.options.commit_count_max = 1;
  loop.put("update X 10 12", "depth");
  loop.put("update X 12 13", "depth");
  loop.put("snapshot X 12", "depth", "snapshot");
  loop.put("update X 13 14", "depth");
  loop.run();
  auto const records = loop.values(ledger_topic);
  REQUIRE(records.size() == 4);
  std::int64_t offset = 0;
  for (auto const& record : records) {
    CAPTURE(record);
    CHECK(value_in(record, "from_offset") == 0);
    CHECK(value_in(record, "to_offset") == ++offset);
    CHECK(value_in(record, "frames") == offset);
    CHECK(value_in(record, "records") ==
          value_in(record, "written") + value_in(record, "duplicate") + value_in(record, "dead") + value_in(record, "held"));
  }
  CHECK(value_in(records[1], "held") == 2);
  CHECK(value_in(records[3], "held") == 0);
}

TEST_CASE("transform: whoever goes on with a partition goes on with its totals") {
  Loop before;
  before.put("trade X 1;bad");
  before.put("nonsense");
  before.put("control", "control");
  before.run();
  REQUIRE(before.exchange.commits.size() == 1);

  Loop after;
  after.put("trade X 1;bad");
  after.put("nonsense");
  after.put("control", "control");
  after.consumer.committed_offsets = before.exchange.commits.back();
  after.put("trade X 1;trade X 2");
  after.run();
  CHECK(after.ledger("from_offset") == 0);
  CHECK(after.ledger("to_offset") == 4);
  CHECK(after.ledger("frames") == 4);
  CHECK(after.ledger("decoded") == 2);
  CHECK(after.ledger("ignored") == 1);
  CHECK(after.ledger("dead_frames") == 1);
  CHECK(after.ledger("records") == 4);
  CHECK(after.ledger("written") == 2);
  CHECK(after.ledger("duplicate") == 1);
  CHECK(after.ledger("dead") == 1);
  CHECK(after.ledger("restored") == 0);
  CHECK(after.values(ledger_topic).back().contains(R"("by_kind":{"trades":[2,1]})"));
}

TEST_CASE("transform: offsets that somebody else has set begin a new account, and so does a log whose beginning is gone") {
  Loop loop;
  for (int id = 1; id <= 3; ++id) loop.put("trade X " + std::to_string(id));
  SUBCASE("set by a tool") { loop.consumer.committed_offsets = {{loop.raw, Offset{2}}}; }
  SUBCASE("the metadata is of another offset") {
    Ledger old;
    old.topic = "raw.venue";
    old.to = Offset{1};
    old.frames = 77;
    loop.consumer.committed_offsets = {{loop.raw, {Offset{2}, to_json(old, "g", "i", at(0))}}};
  }
  loop.run();
  CHECK(loop.ledger("from_offset") == 2);
  CHECK(loop.ledger("to_offset") == 3);
  CHECK(loop.ledger("frames") == 1);
  CHECK(loop.ledger("skipped") == 0);
}

TEST_CASE("transform: offsets without a frame are counted as skipped") {
  Loop loop;
  loop.options.commit_count_max = 1;
  loop.consumer.append_nothing(loop.raw, 5);  // Retention took what was before.
  loop.put("trade X 1");
  loop.consumer.append_nothing(loop.raw, 3);  // Markers of transactions.
  loop.put("trade X 2");
  loop.run();
  CHECK(loop.ledger("from_offset") == 5);
  CHECK(loop.ledger("to_offset") == 10);
  CHECK(loop.ledger("frames") == 2);
  CHECK(loop.ledger("skipped") == 3);
}

TEST_CASE("transform: what retention took before it was read is counted as what it is") {
  Loop before;
  before.put("trade X 1");
  before.run();
  Loop after;
  after.inherit(before);
  after.consumer.append_nothing(after.raw, 7);
  after.consumer.first_kept = Offset{6};
  after.put("trade X 2");
  after.consumer.append_nothing(after.raw, 2);
  after.put("trade X 3");
  after.run();
  CHECK(after.ledger("from_offset") == 0);
  CHECK(after.ledger("to_offset") == 11);
  CHECK(after.ledger("frames") == 3);
  CHECK(after.ledger("trimmed") == 5);  // 1 to 5
  CHECK(after.ledger("skipped") == 3);  // 6, and two between frames
}

TEST_CASE("transform: it goes on while an interval is being committed, and closes the next one after it") {
  Loop loop;
  loop.options.commit_count_max = 1;
  loop.exchange.hold = true;
  for (auto const* frame : {"trade X 1", "trade X 2", "trade X 3"}) loop.put(frame);
  loop.run_until([&] {
    if (loop.trace.count("produce md.trades") < 3) return false;
    CHECK(loop.exchange.commits.empty());
    CHECK(loop.trace.count("commit ") == 1);
    return true;
  });
  CHECK(loop.trace.ordered("settled raw.venue/0@1", "commit raw.venue/0@3"));
  CHECK(loop.values("md.trades").size() == 3);
  CHECK(loop.ledger("frames") == 3);
  CHECK(loop.metrics.written({{"provider", "venue"}, {"topic", "md.trades"}}).Value() == 3);
}

TEST_CASE("transform: an interval ends after so many records, or after so long") {
  Loop loop;
  SUBCASE("records") {
    loop.options.commit_count_max = 2;
    for (auto const* frame : {"trade X 1", "trade X 2", "trade X 3", "trade X 4", "trade X 5"}) loop.put(frame);
    loop.run();
    CHECK(loop.exchange.commits.size() == 3);
  }
  SUBCASE("time") {
    loop.options.commit_after = 50ms;
    loop.put("trade X 1");
    loop.run_until([&] { return loop.clock.elapsed() > 1s; });
    REQUIRE(loop.exchange.commits.size() == 1);
    CHECK(loop.trace.count("produce penstock.ledger") == 1);  // Nothing comes, nothing is written.
  }
}

TEST_CASE("transform: where little comes it is committed soon, and the more comes, the more of it together") {
  auto const commits_in_a_second = [](int frames_each_ms) {
    Loop loop;
    int id = 0;
    for (int step = 0; step < 1'000; ++step)
      loop.clock.at(step * 1ms, [&] {
        for (int count = 0; count < frames_each_ms; ++count) loop.put("trade X " + std::to_string(++id));
      });
    loop.run_until([&] { return loop.clock.elapsed() > 1s; });
    CHECK(loop.ledger("frames") == id);
    return loop.exchange.commits.size();
  };
  auto const few = commits_in_a_second(1), more = commits_in_a_second(20), many = commits_in_a_second(60);
  CHECK(few >= 50);
  CHECK(few <= 100);
  CHECK(more <= few * 2 / 3);
  CHECK(more >= 2 * many);
  CHECK(many >= 7);
  CHECK(many <= 12);  // 100 ms at most, not the 500 of who is behind.
}

TEST_CASE("transform: it starts W before what is committed, silently, and goes on as if it had never stopped") {
  Loop loop;
  loop.options.window_records = 3;
  for (int id = 1; id <= 6; ++id) loop.put("trade X " + std::to_string(id) + ";bad");
  loop.put("nonsense");
  loop.consumer.committed_offsets = {{loop.raw, Offset{7}}};
  loop.put("trade X 6");  // Seen at offset 5: a duplicate.
  loop.put("trade X 9");  // A hole after 6.
  loop.run();
  CHECK(loop.consumer.polls > 0);
  CHECK(loop.values("md.trades").size() == 1);
  CHECK(loop.exchange.of("raw.venue.dead").empty());
  CHECK(loop.ledger("frames") == 2);
  CHECK(loop.ledger("duplicate") == 1);
  auto const gaps = loop.exchange.of("md.gaps");
  REQUIRE(gaps.size() == 1);
  auto const gap = std::get<Gap>(*parse_record("gaps", gaps[0].record.value));
  CHECK(name_of(gap) == "open sequence 7-8");
  CHECK(value_in(loop.values(ledger_topic).front(), "from_offset") == 7);
  CHECK(loop.exchange.commits.front().at(loop.raw).offset == Offset{9});
}

TEST_CASE("transform: a restart with nothing new writes nothing") {
  Loop loop;
  for (int id = 1; id <= 6; ++id) loop.put("trade X " + std::to_string(id));
  loop.consumer.committed_offsets = {{loop.raw, Offset{6}}};
  loop.run();
  CHECK(loop.exchange.committed.empty());
  CHECK(loop.exchange.commits.empty());
}

TEST_CASE("transform: after a restart a gap that is open is asked for again") {
  Loop loop;
  loop.put("trade X 1");
  loop.put("trade X 5");
  loop.consumer.committed_offsets = {{loop.raw, Offset{2}}};
  loop.run();
  CHECK(loop.values("md.gaps").size() == 1);
  CHECK(loop.values("md.trades").empty());
  CHECK(loop.exchange.commits.size() == 1);
}

TEST_CASE("transform: held updates are not lost by a restart, though their offsets are committed") {
  Loop before;
  before.put("update X 10 12", "depth");
  before.put("update X 12 13", "depth");
  before.run();
  CHECK(before.values("md.books").empty());
  CHECK(before.exchange.commits.back().at(before.raw).offset == Offset{2});

  Loop after;
  after.put("update X 10 12", "depth");
  after.put("update X 12 13", "depth");
  after.inherit(before);
  after.put("snapshot X 12", "depth", "snapshot");
  after.put("update X 13 14", "depth");
  after.run();
  auto const books = after.exchange.of("md.books");
  REQUIRE(books.size() == 3);
  CHECK(books[0].header("origin") == "snapshot");
  CHECK(books[1].header("origin") == "backfill");  // So that the store looks whether it has it.
  CHECK(books[2].header("origin") == "live");
  CHECK(after.ledger("restored") == 0);
  CHECK(after.ledger("lost") == 0);
  CHECK(after.ledger("records") == 4);
  CHECK(after.ledger("records") == after.ledger("written") + after.ledger("duplicate"));
}

TEST_CASE("transform: a gap that was opened before what a restart reads again is still asked for, and closed") {
  auto const frames = [](Loop& loop) {
    loop.options.window_records = 3;
    loop.put("trade X 1", "trade", "live", 0, 1);
    loop.put("trade X 5", "trade", "live", 0, 2.5);
    for (int id = 6; id <= 10; ++id) loop.put("trade X " + std::to_string(id), "trade", "live", 0, 2 + id * 0.1);
  };
  Loop before;
  frames(before);
  before.run();
  REQUIRE(before.values("md.gaps").size() == 1);

  Loop after;
  frames(after);
  after.inherit(before);
  after.put("trade X 2;trade X 3;trade X 4", "trade", "backfill", 0, 4);
  after.run();
  auto const gaps = after.exchange.of("md.gaps");
  REQUIRE(gaps.size() == 2);
  auto const asked = std::get<Gap>(*parse_record("gaps", gaps[0].record.value));
  auto const closed = std::get<Gap>(*parse_record("gaps", gaps[1].record.value));
  CHECK(name_of(asked) == "open sequence 2-4");
  CHECK(name_of(closed) == "filled 2-4");
  CHECK(closed.from_time == at(1));  // The same identity.
  CHECK(after.values("md.trades").size() == 3);
}

TEST_CASE("transform: a gap that the clock had shown before a restart is closed when the late twin comes after it") {
  auto const frames = [](Loop& loop) {
    loop.put("trade X 1", "trade", "live", 0, 1, "a");
    loop.put("trade X 5", "trade", "live", 0, 1.1, "b");  // Overtakes a, and then all is quiet.
  };
  Loop before;
  frames(before);
  before.run_until([&] { return before.clock.elapsed() > 3s; });
  REQUIRE(before.values("md.gaps").size() == 1);

  Loop after;
  frames(after);
  after.inherit(before);
  after.put("trade X 2;trade X 3;trade X 4", "trade", "live", 0, 1.05, "a");
  after.run();
  auto const gaps = after.exchange.of("md.gaps");
  REQUIRE(gaps.size() == 2);
  CHECK(name_of(std::get<Gap>(*parse_record("gaps", gaps[0].record.value))) == "open reconnect 2-4");
  auto const closed = std::get<Gap>(*parse_record("gaps", gaps[1].record.value));
  CHECK(name_of(closed) == "filled 2-4");
  CHECK(closed.from_time == at(1));
  auto const shown = std::get<Gap>(*parse_record("gaps", before.values("md.gaps").front()));
  CHECK(closed.received_at >= shown.received_at);  // Or the table would keep it open.
}

TEST_CASE("transform: a book that was whole before what a restart reads again is whole after it") {
  auto const frames = [](Loop& loop) {
    loop.options.window_records = 2;
    loop.put("snapshot X 10", "depth", "snapshot", 0, 1);
    for (int i = 0; i < 5; ++i)
      loop.put("update X " + std::to_string(10 + i) + ' ' + std::to_string(11 + i), "depth", "live", 0, 2 + i);
  };
  Loop before;
  frames(before);
  before.run();
  REQUIRE(before.values("md.gaps").empty());

  Loop after;
  frames(after);
  after.inherit(before);
  after.put("update X 15 16", "depth", "live", 0, 8);
  after.put("update X 17 18", "depth", "live", 0, 9);  // 17 is missing.
  after.run();
  CHECK(after.values("md.books").size() == 1);
  auto const gaps = after.exchange.of("md.gaps");
  REQUIRE(gaps.size() == 1);
  CHECK(name_of(std::get<Gap>(*parse_record("gaps", gaps[0].record.value))) == "open sequence 17-17");
  CHECK(after.ledger("held") == 1);
  CHECK(after.ledger("lost") == 0);
}

TEST_CASE("transform: while nothing comes the clock ends the wait for a snapshot") {
  Loop loop;
  loop.put("update X 10 12", "depth");
  loop.run_until([&] { return loop.clock.elapsed() > 6s; });
  CHECK(loop.values("md.books").size() == 1);
  auto const last = loop.values(ledger_topic).back();
  CHECK(value_in(last, "frames") == 1);
  CHECK(value_in(last, "written") == 1);
  CHECK(value_in(last, "held") == 0);
  CHECK(loop.exchange.commits.back().at(loop.raw).offset == Offset{1});
}

TEST_CASE("transform: a backlog keeps its own time, however old it is") {
  Loop loop;
  loop.clock.advance(std::chrono::hours{1});
  loop.options.commit_count_max = 1;  // One frame a poll.
  loop.put("update X 10 12", "depth", "live", 0, 0.0);
  for (int i = 0; i < 20; ++i) loop.put("control", "control", "live", 0, 0.1);
  loop.put("snapshot X 12", "depth", "snapshot", 0, 0.2);
  loop.put("update X 12 13", "depth", "live", 0, 0.3);
  loop.run();
  CHECK(loop.values("md.books").size() == 2);
  CHECK(loop.ledger("duplicate") == 1);
}

TEST_CASE("transform: a failed commit is given up whole and done again from what is committed") {
  Loop loop;
  loop.exchange.commit_faults.push_back(Fault{Fault::Kind::transient, "fenced"});
  loop.put("trade X 1");
  loop.put("trade X 2");
  loop.run_until([&] { return !loop.exchange.commits.empty(); });
  CHECK(loop.trace.ordered("abort", "seek raw.venue/0@0"));
  CHECK(loop.exchange.aborts == 1);
  CHECK(loop.values("md.trades").size() == 2);
  CHECK(loop.ledger("frames") == 2);
  CHECK(loop.metrics.retried({{"reason", "broker"}}).Value() == 1);
  CHECK(loop.metrics.written({{"provider", "venue"}, {"topic", "md.trades"}}).Value() == 2);
}

TEST_CASE("transform: after a failed commit state is made again from W before the committed offset") {
  Loop loop;
  loop.options.window_records = 2;
  for (int id = 1; id <= 4; ++id) loop.put("trade X " + std::to_string(id));
  loop.consumer.committed_offsets = {{loop.raw, Offset{4}}};
  loop.exchange.commit_faults.push_back(Fault{Fault::Kind::transient, "lost"});
  loop.put("trade X 4");
  loop.put("trade X 5");
  loop.run_until([&] { return !loop.exchange.commits.empty(); });
  CHECK(loop.trace.has("seek raw.venue/0@2"));
  CHECK(loop.values("md.trades").size() == 1);
  CHECK(loop.ledger("duplicate") == 1);
  CHECK(loop.values("md.gaps").empty());
}

TEST_CASE("transform: faults while producing are like faults while committing") {
  Loop loop;
  loop.exchange.produce_faults.push_back(Fault{Fault::Kind::transient, "queue"});
  loop.put("trade X 1");
  loop.run_until([&] { return !loop.exchange.commits.empty(); });
  CHECK(loop.exchange.aborts == 1);
  CHECK(loop.values("md.trades").size() == 1);
}

TEST_CASE("transform: a fatal fault ends it, and nothing is committed") {
  Loop loop;
  loop.exchange.commit_faults.push_back(Fault{Fault::Kind::fatal, "not allowed"});
  loop.put("trade X 1");
  CHECK_THROWS_WITH_AS(loop.run(), "not allowed", Fault);
  CHECK(loop.exchange.commits.empty());
  CHECK(loop.exchange.committed.empty());
}

TEST_CASE("transform: what was done for a partition is committed before it is handed over") {
  Loop loop;
  loop.options.commit_after = 10s;
  loop.put("trade X 1");
  loop.put("trade Y 1", "trade", "live", 1);
  auto const other = partition_of("raw.venue", 1);
  loop.consumer.then_assign({.gained = {loop.raw, other}, .lost = {}});
  loop.consumer.then_assign({.gained = {}, .lost = {loop.raw}});
  loop.run({});
  auto const line = loop.trace.find("commit raw.venue/0@1 raw.venue/1@1");
  CHECK(line < loop.trace.lines.size());
  CHECK(line < loop.trace.find("gained", loop.trace.find("lost raw.venue/0")));
  CHECK(loop.values("md.trades").size() == 2);
}

TEST_CASE("transform: where that commit fails, all is given up, and only what is still ours is done again") {
  Loop loop;
  loop.options.commit_after = 10s;
  auto const other = partition_of("raw.venue", 1);
  loop.put("trade X 1");
  loop.put("trade Y 1", "trade", "live", 1);
  loop.exchange.commit_faults.push_back(Fault{Fault::Kind::transient, "not a member any more"});
  loop.consumer.then_assign({.gained = {loop.raw, other}, .lost = {}});
  loop.consumer.then_assign({.gained = {}, .lost = {loop.raw}});
  loop.run_until([&] { return !loop.exchange.commits.empty() || loop.clock.elapsed() > 60s; }, {});
  CHECK(loop.exchange.aborts == 1);
  CHECK(loop.values("md.trades").size() == 1);
  REQUIRE(loop.exchange.commits.size() == 1);
  CHECK_FALSE(loop.exchange.commits[0].contains(loop.raw));
  CHECK(loop.exchange.commits[0].at(other).offset == Offset{1});
}

TEST_CASE("transform: unknown symbols wait for the first instruments, then go on in their order") {
  Loop loop{true};
  loop.put("trade XBT 1", "trade", "live", 0);
  loop.put("trade XBT 2", "trade", "live", 0);
  loop.put("control", "control", "live", 1);
  auto const partitions = std::vector{loop.raw, partition_of("raw.venue", 1)};
  loop.clock.at(3s, [&] { loop.put("instrument XBT BTC/USD", "meta", "live", 1); });
  loop.run_until([&] { return loop.values("md.trades").size() == 2 || loop.clock.elapsed() > 60s; }, partitions);
  REQUIRE(loop.values("md.trades").size() == 2);
  CHECK(loop.exchange.of("md.trades")[0].record.key == "venue:BTC/USD");
  CHECK(loop.exchange.of("raw.venue.dead").empty());
  CHECK(loop.clock.elapsed() < 5s);
  // Nothing was committed for the partition that waited before it went on.
  for (auto const& commit : loop.exchange.commits)
    if (commit.contains(loop.raw)) CHECK(commit.at(loop.raw).offset == Offset{2});
}

TEST_CASE("transform: instruments that stand behind what waits for them end the wait") {
  Loop loop{true};
  loop.put("trade XBT 1");
  loop.put("instrument XBT BTC/USD", "meta");
  loop.run_until([&] { return loop.values("md.trades").size() == 1 || loop.clock.elapsed() > 60s; });
  CHECK(loop.values("md.trades").size() == 1);
  CHECK(loop.values("md.instruments").size() == 1);
  CHECK(loop.clock.elapsed() < 5s);
  CHECK_FALSE(loop.trace.has("pause"));
}

TEST_CASE("transform: a partition that waits is paused when much waits, and goes on afterwards") {
  Loop loop{true};
  for (int id = 1; id <= 10'000; ++id) loop.put("trade XBT " + std::to_string(id));
  loop.clock.at(3s, [&] { loop.put("instrument XBT BTC/USD", "meta", "live", 1); });
  loop.run_until([&] { return loop.values("md.trades").size() == 10'000 || loop.clock.elapsed() > 60s; },
                 {loop.raw, partition_of("raw.venue", 1)});
  CHECK(loop.trace.ordered("pause raw.venue/0", "resume raw.venue/0"));
  CHECK(loop.values("md.trades").size() == 10'000);
  CHECK(loop.exchange.of("raw.venue.dead").empty());
}

TEST_CASE("transform: instruments of another transformer end the wait, too") {
  Loop loop{true};
  loop.put("trade XBT 1");
  auto const topic = partition_of("md.instruments");
  loop.known.append(topic, {"k", "not json", {}});
  loop.known.assign_all();
  loop.clock.at(3s, [&] {
    std::string value;
    append_json(value, instrument("XBT", "BTC/USD"));
    loop.known.append(topic, {"venue:BTC/USD", value, {}});
  });
  loop.run_until([&] { return loop.values("md.trades").size() == 1 || loop.clock.elapsed() > 60s; });
  CHECK(loop.values("md.trades").size() == 1);
  CHECK(loop.clock.elapsed() < 5s);
}

TEST_CASE("transform: the wait for instruments has an end, and there is no second one") {
  Loop loop{true};
  loop.put("trade XBT 1");
  loop.clock.at(40s, [&] { loop.put("trade XBT 2"); });
  std::vector<Duration> letters;
  loop.run_until([&] {
    while (letters.size() < loop.exchange.of("raw.venue.dead").size()) letters.push_back(loop.clock.elapsed());
    return letters.size() == 2 || loop.clock.elapsed() > 100s;
  });
  REQUIRE(letters.size() == 2);
  CHECK(loop.exchange.of("raw.venue.dead")[0].header("reason") == "unknown-symbol");
  CHECK(letters[0] >= 30s);
  CHECK(letters[0] < 32s);
  CHECK(letters[1] < 42s);
}

TEST_CASE("transform: with a catalogue an unknown symbol is a letter at once") {
  Loop loop{true};
  auto const topic = partition_of("md.instruments");
  std::string value;
  append_json(value, instrument("XBT", "BTC/USD"));
  loop.known.append(topic, {"venue:BTC/USD", value, {}});
  loop.known.assign_all();
  loop.put("trade ETH 1;trade XBT 2");
  loop.run();
  CHECK(loop.exchange.of("raw.venue.dead").size() == 1);
  CHECK(loop.values("md.trades").size() == 1);
  CHECK_FALSE(loop.trace.has("pause"));
}

TEST_CASE("transform: told to stop, it commits what it has and leaves the group") {
  Loop loop;
  loop.options.commit_after = 10s;
  loop.put("trade X 1");
  loop.run();
  CHECK(loop.trace.ordered("commit raw.venue/0@1", "close consumer"));
  CHECK(loop.consumer.closed);
}

TEST_CASE("transform: a last commit that fails is given up; nobody hears of it, nothing is lost") {
  Loop loop;
  loop.options.commit_after = 10s;
  loop.put("trade X 1");
  loop.exchange.commit_faults.push_back(Fault{Fault::Kind::transient, "away"});
  loop.exchange.abort_faults.push_back(Fault{Fault::Kind::transient, "away"});
  loop.run();
  CHECK(loop.exchange.committed.empty());
  CHECK(loop.consumer.closed);
}

TEST_CASE("transform: stopped in the middle of a frame, it commits nothing of the interval") {
  Loop loop;
  loop.options.commit_after = 10s;
  loop.put("trade X 1");
  loop.consumer.then_assign({.gained = {loop.raw}, .lost = {}});
  loop.consumer.then([&] {
    loop.put("trade X 2");
    loop.exchange.produce_faults.push_back(Fault{Fault::Kind::transient, "stopped while the queue was full"});
    loop.stop.request_stop();
  });
  loop.run({});
  CHECK(loop.exchange.commits.empty());
  CHECK(loop.exchange.committed.empty());
  CHECK(loop.exchange.open.empty());
  CHECK(loop.consumer.closed);
}

TEST_CASE("transform: no update is held for longer than a restart reads again") {
  Loop loop;
  loop.options.window_records = 10;
  loop.put("update X 10 12", "depth");
  for (int i = 0; i < 4; ++i) loop.put("control", "control");
  SUBCASE("half of the window is not over") {
    loop.run();
    CHECK(loop.values("md.books").empty());
  }
  SUBCASE("it is") {
    loop.put("control", "control");
    loop.run();
    CHECK(loop.values("md.books").size() == 1);
    CHECK(value_in(loop.values(ledger_topic).back(), "held") == 0);
  }
}
