#include <doctest/doctest.h>

#include "agents/transform/pipeline.hpp"
#include "test/transform/fake_provider.hpp"

using namespace penstock;
using namespace penstock::test;
using Verdict = Pipeline::Verdict;

namespace {

struct Run {
  explicit Run(bool by_catalogue = false, Pipeline::Options options = {.window_records = 1000})
      : provider{by_catalogue}, pipeline{provider, catalogue, open_gaps, options} {}

  FakeProvider provider;
  Catalogue catalogue;
  OpenGaps open_gaps;
  Pipeline pipeline;
  Written out;
  std::int64_t offset = 0;

  Verdict take(std::string_view value, std::string_view channel = "trade", Origin origin = Origin::live,
               std::string_view connection = "a", bool may_wait = false) {
    return take_at(offset / 10.0, value, channel, origin, connection, may_wait);
  }
  Verdict take_at(double seconds, std::string_view value, std::string_view channel = "trade", Origin origin = Origin::live,
                  std::string_view connection = "a", bool may_wait = false) {
    RawRecord const raw{
        .value = value, .channel = channel, .connection = connection, .origin = origin, .received_at = at(seconds)};
    return pipeline.take(raw, Offset{offset++}, may_wait, out);
  }
};

}  // namespace

TEST_CASE("pipeline: each record of a frame goes its own way") {
  Run run;
  CHECK(run.take("trade X 1;bad;trade X 2 0;trade X 1;trade X 3") == Verdict::decoded);
  CHECK(run.pipeline.records() == 5);
  CHECK(run.out.written == Names{"1", "3"});
  CHECK(run.out.dropped == Names{"1"});
  CHECK(run.out.rejected == Names{"1 missing-field", "2 price-not-positive"});
}

TEST_CASE("pipeline: bad and ignored frames give no records") {
  Run run;
  CHECK(run.take("what is this") == Verdict::dead);
  CHECK(run.pipeline.why().reason == reason::malformed);
  CHECK(run.pipeline.records() == 0);
  CHECK(run.take("control") == Verdict::ignored);
  CHECK(run.out.written.empty());
}

TEST_CASE("pipeline: native symbols become unified ones, by the catalogue that frames themselves fill") {
  Run run{true};
  CHECK(run.take("trade XBT 1") == Verdict::decoded);
  CHECK(run.out.rejected == Names{"0 unknown-symbol"});
  run.take("instrument XBT BTC/USD", "meta");
  run.take("trade XBT 2;trade ETH 3");
  CHECK(run.out.written == Names{"XBT=BTC/USD", "2"});
  CHECK(run.out.rejected == Names{"0 unknown-symbol", "1 unknown-symbol"});
}

TEST_CASE("pipeline: a frame that waits for its symbols leaves no trace") {
  Run run{true};
  CHECK(run.take("trade XBT 1", "trade", Origin::live, "a", true) == Verdict::waits);
  CHECK(run.out.rejected.empty());
  run.catalogue.add(instrument("XBT", "BTC/USD"));
  CHECK(run.take("trade XBT 1", "trade", Origin::live, "a", true) == Verdict::decoded);
  CHECK(run.out.written == Names{"1"});
  CHECK(run.out.dropped.empty());
}

TEST_CASE("pipeline: where the later one wins, only what repeats the latest is dropped") {
  Run run;
  run.take("candle X 10", "kline");
  run.take("candle X 10", "kline");
  run.take("candle X 11", "kline");
  run.take("candle X 10", "kline");
  CHECK(run.out.written == Names{"candles", "candles", "candles"});
  CHECK(run.out.dropped == Names{"candles"});
  Run meta{true};
  meta.take("instrument XBT BTC/USD", "meta");
  meta.take("instrument XBT BTC/USD", "meta");
  CHECK(meta.out.written.size() == 1);
  CHECK(meta.out.dropped.size() == 1);
}

TEST_CASE("pipeline: symbols and channels have sequences of their own") {
  Run run;
  run.take("trade X 1;trade Y 50");
  run.take("trade X 2;trade Y 51");
  run.take("trade X 90", "other");
  CHECK(run.out.gaps.empty());
  run.take("trade Y 53;trade X 4");
  CHECK(run.out.gap_names() == Names{"open sequence 52-52", "open sequence 3-3"});
  CHECK(run.out.gaps[0].symbol == "Y");
}

TEST_CASE("pipeline: a hole is closed by the answer to it") {
  Run run;
  run.take("trade X 1");
  run.take("trade X 5");
  run.take("trade X 2;trade X 3;trade X 4;trade X 5", "trade", Origin::backfill, "");
  CHECK(run.out.gap_names() == Names{"open sequence 2-4", "filled 2-4"});
  CHECK(run.out.written == Names{"1", "5", "2", "3", "4"});
  CHECK(run.out.origins.back() == Origin::backfill);
  CHECK(run.out.dropped == Names{"5"});
}

TEST_CASE("pipeline: a reconnect that repeats known trades is no gap, one that does not is") {
  Run run;
  run.take("trade X h1", "trades");
  run.take("trade X h2;trade X h1", "trades", Origin::live, "b");
  CHECK(run.out.gaps.empty());
  run.take("trade X h3", "trades", Origin::live, "c");
  CHECK(run.out.gap_names() == Names{"open reconnect -"});
  run.take("trade X h3;trade X h4", "trades", Origin::backfill, "");
  CHECK(run.out.gap_names().back() == "unfillable -");
}

TEST_CASE("pipeline: a held update is neither written nor dropped until its snapshot came") {
  Run run;
  run.take("update X 10 12", "depth");
  CHECK(run.out.written.empty());
  CHECK(run.pipeline.sequence().held() == 1);
  run.take("update X 10 12", "depth");
  CHECK(run.out.dropped == Names{"update 12"});
  run.take("snapshot X 11", "depth", Origin::snapshot, "");
  CHECK(run.out.written == Names{"snapshot 11", "update 12"});
  CHECK(run.pipeline.sequence().held() == 0);
}

TEST_CASE("pipeline: the input's own time ends waits, and the clock only while the input is quiet") {
  Run run;
  run.take_at(0, "update X 10 12", "depth");
  SUBCASE("any frame of the partition tells the time") {
    run.take_at(4.9, "control", "control");
    CHECK(run.out.written.empty());
    run.take_at(5, "control", "control");
  }
  SUBCASE("the clock, when nothing comes") {
    run.pipeline.sequence().tick(std::chrono::milliseconds{4999}, run.out);
    CHECK(run.out.written.empty());
    run.pipeline.sequence().tick(std::chrono::milliseconds{5000}, run.out);
  }
  CHECK(run.out.written == Names{"update 12"});
}

TEST_CASE("pipeline: state after the last W records is the state after all of them") {
  auto const frame_of = [](std::int64_t offset) {
    auto const id = offset * 7 % 311;  // Repeats, holes and late ones.
    return offset % 5 == 0 ? "update X " + std::to_string(offset) + " " + std::to_string(offset + 5)
                           : "trade X " + std::to_string(offset / 311 * 311 + id);
  };
  auto const channel_of = [](std::int64_t offset) { return offset % 5 == 0 ? "depth" : "trade"; };
  Run whole{false, {.window_records = 500}}, late{false, {.window_records = 500}};
  late.offset = 1500;
  Written ignored;
  for (std::int64_t offset = 0; offset < 4000; ++offset) {
    if (offset == 2000) whole.out.clear(), late.out.clear();
    whole.take(frame_of(offset), channel_of(offset));
    if (offset >= 1500) late.take(frame_of(offset), channel_of(offset));
  }
  CHECK(whole.out.written == late.out.written);
  CHECK(whole.out.dropped == late.out.dropped);
}

TEST_CASE("catalogue: the later spelling wins, and its version tells of changes only") {
  Catalogue catalogue;
  CHECK(catalogue.empty("venue"));
  catalogue.add(instrument("XBT", "BTC/USD"));
  auto const version = catalogue.version();
  catalogue.add(instrument("XBT", "BTC/USD"));
  CHECK(catalogue.version() == version);
  CHECK_FALSE(catalogue.empty("venue"));
  CHECK(catalogue.empty("other"));
  CHECK(*catalogue.unified("venue", "XBT") == "BTC/USD");
  CHECK(catalogue.unified("venue", "ETH") == nullptr);
  CHECK(catalogue.unified("other", "XBT") == nullptr);
  catalogue.add(instrument("XBT", "BTC/EUR"));
  CHECK(catalogue.version() > version);
  CHECK(*catalogue.unified("venue", "XBT") == "BTC/EUR");
}

TEST_CASE("pipeline: a frame that was a dead letter fills holes in ids, and says nothing else about what is missing") {
  Run run;
  auto const replay = [&](std::string_view value, std::string_view channel) {
    run.out.clear();
    RawRecord const raw{.value = value, .channel = channel, .connection = "old", .received_at = at(0), .replayed = true};
    CHECK(run.pipeline.take(raw, Offset{run.offset++}, false, run.out) == Verdict::decoded);
  };
  // A hole, and an answer that knows some of it: without the first word it would be taken to deny what lies between.
  run.take("trade X 1;trade X 10");
  replay("trade X 3;trade X 8", "trade");
  CHECK(run.out.written == Names{"3", "8"});
  CHECK(run.out.origins == std::vector{Origin::backfill, Origin::backfill});
  CHECK(run.out.gaps.empty());
  run.take("trade X 2;trade X 4;trade X 5;trade X 6;trade X 7", "trade", Origin::backfill);
  run.take("trade X 9", "trade", Origin::backfill);
  CHECK(run.out.gap_names() == Names{"filled 2-9"});

  // Old trades of an old connection: no gap begins with them, none ends.
  run.take_at(10, "trade Y a1", "trades");
  run.take_at(20, "trade Y a2", "trades", Origin::live, "b");
  REQUIRE(run.out.gap_names().back() == "open reconnect -");
  replay("trade Y a0", "trades");
  CHECK(run.out.written == Names{"a0"});
  CHECK(run.out.gaps.empty());
  run.take_at(21, "trade Y a3", "trades", Origin::live, "b");
  CHECK(run.out.gaps.empty());

  // It is no beginning of a stream.
  replay("trade Z 1", "trade");
  run.take("trade Z 5");
  CHECK(run.out.gaps.empty());
}

TEST_CASE("pipeline: what a replayed frame holds and was seen before is dropped") {
  Run run;
  run.take("trade X 1;bad");
  run.out.clear();
  RawRecord const raw{.value = "trade X 1;trade X 2", .channel = "trade", .replayed = true};
  run.pipeline.take(raw, Offset{run.offset++}, false, run.out);
  CHECK(run.out.dropped == Names{"1"});
  CHECK(run.out.written == Names{"2"});
}

TEST_CASE("pipeline: what closes a gap is never older than what told of it, though the clock was ahead of the input") {
  Run run;
  run.take_at(0, "trade X 10");
  run.take_at(0.1, "trade X 12");
  run.pipeline.sequence().tick(std::chrono::seconds{5}, run.out);  // Nothing comes: the clock asks again.
  SUBCASE("filled") {
    run.take_at(0.4, "trade X 11", "trade", Origin::backfill, "");
    REQUIRE(run.out.gap_names() == Names{"open sequence 11-11", "open sequence 11-11", "filled 11-11"});
  }
  SUBCASE("given up") {
    run.take_at(0.4, "trade X 10;trade X 12", "trade", Origin::backfill, "");
    REQUIRE(run.out.gap_names() == Names{"open sequence 11-11", "open sequence 11-11", "unfillable 11-11"});
  }
  CHECK(run.out.gaps[1].received_at == at(5.1));
  CHECK(run.out.gaps[2].received_at >= run.out.gaps[1].received_at);
}
