#include <doctest/doctest.h>

#include "agents/transform/reconnect.hpp"
#include "test/transform/support.hpp"

using namespace penstock;
using namespace penstock::test;

namespace {

struct Seen {
  double time;
  bool repeated = false;
};

struct Stream {
  Reconnect reconnect;
  Written out;
  double seconds = 100;
  Duration grace{};  ///< another publisher is there

  void live(std::vector<Seen> const& trades, std::string_view connection) { frame(trades, connection, Origin::live); }
  void answer(std::vector<Seen> const& trades) { frame(trades, "", Origin::backfill); }
  void frame(std::vector<Seen> const& trades, std::string_view connection, Origin origin) {
    seconds += 0.1;
    Frame const frame{.channel = "trades",
                      .connection = connection,
                      .origin = origin,
                      .received_at = at(seconds),
                      .offset = {},
                      .grace = grace};
    for (auto const& [time, repeated] : trades) reconnect.see(trade("~1", time), repeated, frame);
    reconnect.end(frame, at(seconds), out);
  }
  void wait(double more) {
    seconds += more;
    if (reconnect.due() <= at(seconds)) reconnect.tick(at(seconds), out);
  }
};

}  // namespace

TEST_CASE("reconnect: a stream that stays on its connection has no gap") {
  Stream stream;
  stream.live({{1}, {2}}, "a");
  stream.live({{9}}, "a");
  CHECK(stream.out.gaps.empty());
}

TEST_CASE("reconnect: a new connection that repeats a trade has no gap") {
  Stream stream;
  stream.live({{1}, {2}}, "a");
  stream.live({{3}, {2, true}}, "b");
  stream.live({{9}}, "b");
  CHECK(stream.out.gaps.empty());
}

TEST_CASE("reconnect: a new connection that reaches back before the last trade has no gap") {
  Stream stream;
  stream.live({{2}}, "a");
  stream.live({{3}, {1.5}}, "b");
  CHECK(stream.out.gaps.empty());
}

TEST_CASE("reconnect: a new connection that repeats nothing has a gap from the last trade to its first one") {
  Stream stream;
  stream.live({{1}, {2}}, "a");
  stream.live({{7}, {5}}, "b");
  REQUIRE(stream.out.gap_names() == Names{"open reconnect -"});
  CHECK(stream.out.gaps[0].from_time == at(2));
  CHECK(stream.out.gaps[0].to_time == at(5));
  CHECK(stream.out.gaps[0].channel == "trades");
  stream.live({{9}}, "b");
  CHECK(stream.out.gaps.size() == 1);
}

TEST_CASE("reconnect: connections of two publishers take turns without a gap, and a third one is looked at") {
  Stream stream;
  stream.live({{1}, {2}}, "a");
  stream.live({{1, true}, {2, true}}, "b");
  stream.live({{3}}, "a");
  stream.live({{4}}, "b");
  stream.live({{5}}, "a");
  CHECK(stream.out.gaps.empty());
  stream.live({{9}}, "c");
  CHECK(stream.out.gap_names() == Names{"open reconnect -"});
}

TEST_CASE("reconnect: an answer that overlaps what was seen fills the gap") {
  Stream stream;
  stream.live({{2}}, "a");
  stream.live({{5}}, "b");
  SUBCASE("it repeats the last trade before") { stream.answer({{5, true}, {3}, {2, true}}); }
  SUBCASE("it reaches back further") { stream.answer({{5, true}, {3}, {1.9}}); }
  CHECK(stream.out.gap_names() == Names{"open reconnect -", "filled -"});
  CHECK(stream.out.gaps[1].from_time == at(2));
  CHECK(stream.out.gaps[1].to_time == at(5));
  CHECK(stream.reconnect.due() == never);
}

TEST_CASE("reconnect: an answer that does not reach back makes it unfillable, up to the answer's first trade") {
  Stream stream;
  stream.live({{2}}, "a");
  stream.live({{5}}, "b");
  stream.answer({{5, true}, {4}, {3}});
  REQUIRE(stream.out.gap_names() == Names{"open reconnect -", "unfillable -"});
  CHECK(stream.out.gaps[1].from_time == at(2));
  CHECK(stream.out.gaps[1].to_time == at(3));
}

TEST_CASE("reconnect: an answer that begins with another trade of the last one's time does not overlap") {
  Stream stream;
  stream.live({{2}}, "a");
  stream.live({{5}}, "b");
  stream.answer({{2}, {3}});
  CHECK(stream.out.gap_names() == Names{"open reconnect -", "unfillable -"});
}

TEST_CASE("reconnect: a trade of the very time of the last one is no overlap, unless it was seen") {
  Stream stream;
  stream.live({{2}}, "a");
  stream.live({{2}, {3}}, "b");
  CHECK(stream.out.gap_names() == Names{"open reconnect -"});
}

TEST_CASE("reconnect: without an answer it is asked for again, then unfillable") {
  Stream stream;
  stream.live({{2}}, "a");
  stream.live({{5}}, "b");
  for (int second = 0; second < 2000; ++second)
    if (stream.reconnect.due() <= at(200 + second)) stream.reconnect.tick(at(200 + second), stream.out);
  CHECK(stream.out.gaps.size() == 1 + asks_max);
  CHECK(stream.out.gap_names().back() == "unfillable -");
  CHECK(stream.reconnect.due() == never);
}

TEST_CASE("reconnect: after a restart what is open is asked for again") {
  Stream stream;
  stream.live({{2}}, "a");
  stream.live({{5}}, "b");
  stream.out.clear();
  stream.reconnect.restate({}, at(300), stream.out);
  CHECK(stream.out.gap_names() == Names{"open reconnect -"});
}

TEST_CASE("reconnect: a publisher overtakes its twin, which then brings what is missing: no gap") {
  Stream stream{.grace = std::chrono::seconds{2}};
  stream.live({{1}, {2}}, "a");
  stream.live({{5}, {6}}, "b");
  stream.live({{3}}, "a");
  CHECK(stream.reconnect.due() != never);
  SUBCASE("it comes to the trade that the other one began with") { stream.live({{4}, {5, true}}, "a"); }
  SUBCASE("it goes beyond it") { stream.live({{4}, {7}}, "a"); }
  CHECK(stream.reconnect.due() == never);
  stream.wait(10);
  CHECK(stream.out.gaps.empty());
}

TEST_CASE("reconnect: the twin dies: after the grace the gap is opened as it would have been at once") {
  Stream alone, stream{.grace = std::chrono::seconds{2}};
  for (auto* each : {&alone, &stream}) each->live({{1}, {2}}, "a"), each->live({{5}}, "b");
  stream.live({{9}}, "b");  // Goes on itself: that says nothing.
  stream.wait(1.8);
  CHECK(stream.out.gaps.empty());
  stream.wait(0.1);
  REQUIRE(stream.out.gap_names() == Names{"open reconnect -"});
  CHECK(stream.out.gaps[0].from_time == alone.out.gaps[0].from_time);
  CHECK(stream.out.gaps[0].to_time == alone.out.gaps[0].to_time);
  CHECK(stream.out.new_gaps == 1);
}

TEST_CASE("reconnect: what a connection brings that came after the hole, or another trade of its last instant, closes nothing") {
  Stream stream{.grace = std::chrono::seconds{2}};
  stream.live({{2}}, "a");
  stream.live({{5}}, "b");
  SUBCASE("a later connection") { stream.live({{5, true}}, "c"), stream.live({{9}}, "c"); }
  SUBCASE("another trade of the instant") { stream.live({{5}}, "a"); }
  stream.wait(2);
  CHECK(stream.out.gap_names() == Names{"open reconnect -"});
}

TEST_CASE("reconnect: a twin that comes after the grace fills the gap") {
  Stream stream{.grace = std::chrono::seconds{2}};
  stream.live({{2}}, "a");
  stream.live({{5}}, "b");
  stream.wait(3);
  stream.live({{4}, {5, true}}, "a");
  CHECK(stream.out.gap_names() == Names{"open reconnect -", "filled -"});
  CHECK(stream.reconnect.due() == never);
}

TEST_CASE("reconnect: an answer to another gap closes one in its grace only where it overlaps it") {
  Stream stream{.grace = std::chrono::seconds{2}};
  stream.live({{2}}, "a");
  stream.live({{5}}, "b");
  SUBCASE("it does") {
    stream.answer({{2, true}, {3}, {5, true}});
    CHECK(stream.reconnect.due() == never);
  }
  SUBCASE("it does not") {
    stream.answer({{3}, {5, true}});
    CHECK(stream.reconnect.due() != never);
  }
  CHECK(stream.out.gaps.empty());
}

TEST_CASE("reconnect: in its grace at a restart, a gap is asked for only where md.gaps has it") {
  Stream stream{.grace = std::chrono::seconds{2}};
  stream.live({{2}}, "a");
  stream.live({{5}}, "b");
  auto known = made<Gap>(5);
  known.from_time = at(2);
  SUBCASE("nobody was told") {
    stream.reconnect.restate({}, at(stream.seconds), stream.out);
    stream.live({{3}, {5, true}}, "a");
    CHECK(stream.out.gaps.empty());
  }
  SUBCASE("the clock had ended the grace before") {
    stream.reconnect.restate({known}, at(stream.seconds), stream.out);
    stream.live({{3}, {5, true}}, "a");
    CHECK(stream.out.gap_names() == Names{"open reconnect -", "filled -"});
    CHECK(stream.out.new_gaps == 0);
  }
}

TEST_CASE("reconnect: gaps are bounded") {
  Stream stream;
  stream.live({{0}}, "0");
  for (int i = 1; i <= static_cast<int>(Reconnect::gaps_max) + 1; ++i) stream.live({{i * 1.0}}, std::to_string(i));
  auto const names = stream.out.gap_names();
  CHECK(std::ranges::count(names, "unfillable -") == 1);
}
