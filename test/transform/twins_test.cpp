#include "agents/transform/twins.hpp"

#include <doctest/doctest.h>

#include "agents/transform/pipeline.hpp"
#include "test/transform/fake_provider.hpp"

using namespace penstock;
using namespace penstock::test;

namespace {

/// Two publishers, a and b, of the same feed; each says where it is, and when it received that.
struct Feed {
  FakeProvider provider;
  Catalogue catalogue;
  OpenGaps open_gaps;
  Pipeline pipeline{provider, catalogue, open_gaps, {.window_records = 1000}};
  Written out;
  std::int64_t offset = 0;

  void take(std::string_view publisher, double seconds, std::string_view value, std::string_view channel = "trade",
            Origin origin = Origin::live) {
    auto const connection = std::string{publisher} + "/0";
    RawRecord const raw{.value = value,
                        .channel = channel,
                        .publisher = publisher,
                        .connection = connection,
                        .origin = origin,
                        .received_at = at(seconds)};
    pipeline.take(raw, Offset{offset++}, false, out);
  }
};

}  // namespace

TEST_CASE("twins: another publisher counts as long as it was heard lately, and nobody is one's own twin") {
  Twins twins;
  CHECK_FALSE(twins.hear("a", at(0)));
  CHECK_FALSE(twins.hear("a", at(1)));
  CHECK(twins.hear("b", at(11)));
  CHECK_FALSE(twins.hear("b", at(11.1)));
  CHECK(twins.hear("a", at(12)));
  CHECK(twins.hear("c", at(21.5)));
  CHECK_FALSE(twins.hear("d", at(40)));
}

TEST_CASE("twins: more publishers than are remembered do no harm") {
  Twins twins;
  for (std::size_t i = 0; i < 3 * Twins::publishers_max; ++i) CHECK(twins.hear(std::to_string(i), at(0)) == (i > 0));
}

TEST_CASE("twins: a publisher that overtakes its twin makes no gap, in whatever the series are told apart by") {
  Feed feed;
  feed.take("a", 1.0, "trade X 10");
  feed.take("a", 1.1, "trade X h1", "trades");
  feed.take("a", 1.2, "snapshot X 100", "depth");
  feed.take("b", 2.0, "trade X 13");
  feed.take("b", 2.1, "trade X h4", "trades");
  feed.take("b", 2.2, "update X 103 104", "depth");
  feed.take("a", 1.7, "trade X 11;trade X 12;trade X 13");
  feed.take("a", 1.8, "trade X h2", "trades");
  feed.take("a", 2.1, "trade X h4", "trades");
  feed.take("a", 1.9, "update X 100 103", "depth");
  feed.take("b", 9.0, "trade X 14");
  CHECK(feed.out.gaps.empty());
  CHECK(feed.out.written == Names{"10", "h1", "snapshot 100", "13", "h4", "11", "12", "h2", "update 103", "update 104", "14"});
  CHECK(feed.pipeline.sequence().held() == 0);
}

TEST_CASE("twins: the grace ends by the time of the input, or by the clock while that is quiet") {
  Feed feed;
  feed.take("a", 1, "trade X 10");
  feed.take("b", 2, "trade X 13");
  SUBCASE("input") {
    feed.take("b", 3.9, "trade X 14");
    CHECK(feed.out.gaps.empty());
    feed.take("b", 4, "control", "control");
  }
  SUBCASE("clock") {
    feed.pipeline.sequence().tick(std::chrono::milliseconds{1'999}, feed.out);
    CHECK(feed.out.gaps.empty());
    feed.pipeline.sequence().tick(std::chrono::seconds{2}, feed.out);
  }
  CHECK(feed.out.gap_names() == Names{"open reconnect 11-12"});
}

TEST_CASE("twins: a gap is opened at once where no other publisher was heard on the channel lately") {
  Feed feed;
  SUBCASE("alone") { feed.take("b", 9, "trade X 10"); }
  SUBCASE("long ago") { feed.take("a", 1, "trade X 10"), feed.take("b", 11.5, "trade Y 1"); }
  SUBCASE("on another channel") { feed.take("b", 9, "trade X 10"), feed.take("a", 10, "candle X 5", "kline"); }
  SUBCASE("it only answered") { feed.take("b", 9, "trade X 10"), feed.take("a", 10, "trade X 5", "trade", Origin::backfill); }
  feed.take("b", 12, "trade X 13");
  REQUIRE(feed.out.gaps.size() == 1);
  CHECK(feed.out.gaps[0].from_sequence == 11);
}

TEST_CASE("twins: a symbol of which the other publisher said nothing lately waits, too") {
  Feed feed;
  feed.take("a", 1, "trade X 10");
  feed.take("a", 60, "trade Y 1");
  feed.take("b", 60.1, "trade X 12");
  feed.take("a", 60, "trade X 11");
  feed.take("b", 70, "trade X 13");
  CHECK(feed.out.gaps.empty());
}

TEST_CASE("twins: a restart in the middle of a grace gives what would have been without it") {
  for (bool const dies : {false, true}) {
    CAPTURE(dies);
    auto const before = [](Feed& feed) {
      feed.take("a", 1.0, "trade X 10");
      feed.take("a", 1.1, "snapshot X 100", "depth");
      feed.take("a", 1.2, "trade X h1", "trades");
      feed.take("b", 2.0, "trade X 13");
      feed.take("b", 2.1, "update X 103 104", "depth");
      feed.take("b", 2.2, "trade X h4", "trades");
    };
    auto const after = [&](Feed& feed) {
      if (!dies) {
        feed.take("a", 1.7, "trade X 11;trade X 12;trade X 13");
        feed.take("a", 1.8, "update X 100 103", "depth");
        feed.take("a", 2.2, "trade X h2;trade X h4", "trades");
      }
      feed.take("b", 9.0, "trade X 14");
    };
    Feed whole, restarted;
    before(whole);
    CHECK(whole.out.gaps.empty());
    whole.out.clear();
    before(restarted);
    restarted.out.clear();
    restarted.pipeline.sequence().restate(restarted.out);
    CHECK(restarted.out.gaps.empty());
    after(whole);
    after(restarted);
    CHECK(restarted.out.written == whole.out.written);
    CHECK(restarted.out.gap_names() == whole.out.gap_names());
    CHECK(restarted.out.gaps.size() == (dies ? 3 : 0));
  }
}
