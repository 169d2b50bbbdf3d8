#include <doctest/doctest.h>

#include "agents/transform/ids.hpp"
#include "test/transform/support.hpp"

using namespace penstock;
using namespace penstock::test;

namespace {

/// Frames of trades into one series; time moves on by itself.
struct Stream {
  Ids ids;
  Written out;
  double seconds = 0;
  Duration grace{};  ///< another publisher is there

  void live(std::vector<int> const& numbers, std::string_view connection = "a") { frame(numbers, Origin::live, connection); }
  void backfill(std::vector<int> const& numbers) { frame(numbers, Origin::backfill, ""); }
  void frame(std::vector<int> const& numbers, Origin origin, std::string_view connection) {
    seconds += 0.1;
    Frame const frame{
        .channel = "trade", .connection = connection, .origin = origin, .received_at = at(seconds), .offset = {}, .grace = grace};
    // A trade's own time is a tenth of its id, so that the times of a gap are known.
    for (auto const number : numbers) ids.see(trade(std::to_string(number), number / 10.0), frame, at(seconds), out);
    ids.end(frame, at(seconds), out);
  }
  void wait(double more) {
    seconds += more;
    if (ids.due() <= at(seconds)) ids.tick(at(seconds), out);
  }
};

}  // namespace

TEST_CASE("ids: the number in an id") {
  CHECK(Ids::number_of("123") == 123);
  CHECK(Ids::number_of("a123") == 123);
  for (auto const* none : {"", "a", "~0123456789abcdef", "12x", "-5", "aa1", "9223372036854775807", "99999999999999999999"}) {
    CAPTURE(none);
    CHECK_FALSE(Ids::number_of(none).has_value());
  }
}

TEST_CASE("ids: the greatest ids are no undefined behaviour") {
  Ids ids;
  Written out;
  Frame const frame{.channel = "trade", .connection = "a", .origin = Origin::live, .received_at = at(1), .offset = {}};
  for (auto const* id : {"9223372036854775807", "10", "9223372036854775806", "9223372036854775807", "11"})
    ids.see(trade(id, 1.0), frame, at(1), out);
  CHECK(out.gap_names() == Names{"open sequence 11-9223372036854775805"});
}

TEST_CASE("ids: without a hole there is no gap, and the first id makes none") {
  Stream stream;
  stream.live({1000});
  stream.live({1001, 1002});
  CHECK(stream.out.gaps.empty());
  CHECK(stream.ids.due() == never);
}

TEST_CASE("ids: a hole is one open gap with what lies around it") {
  Stream stream;
  stream.live({10});
  stream.live({14});
  REQUIRE(stream.out.gap_names() == Names{"open sequence 11-13"});
  auto const& gap = stream.out.gaps[0];
  CHECK(gap.source == "venue");
  CHECK(gap.symbol == "BTC/USDT");
  CHECK(gap.channel == "trade");
  CHECK(gap.from_time == at(1.0));
  CHECK(gap.to_time == at(1.4));
  CHECK(gap.received_at == at(stream.seconds));
}

TEST_CASE("ids: a hole of one id") {
  Stream stream;
  stream.live({10, 12});
  CHECK(stream.out.gap_names() == Names{"open sequence 11-11"});
}

TEST_CASE("ids: the cause is the reconnect where the connection changed in between") {
  Stream stream;
  stream.live({10}, "a");
  stream.live({14}, "b");
  stream.live({17}, "b");
  CHECK(stream.out.gap_names() == Names{"open reconnect 11-13", "open sequence 15-16"});
}

TEST_CASE("ids: a gap is filled when every id came, in any order, with the same identity") {
  Stream stream;
  stream.live({10, 14});
  stream.backfill({12});
  stream.backfill({13, 11});
  REQUIRE(stream.out.gap_names() == Names{"open sequence 11-13", "filled 11-13"});
  CHECK(stream.out.gaps[0].from_time == stream.out.gaps[1].from_time);
  CHECK(stream.ids.due() == never);
  CHECK(stream.out.new_gaps == 1);
}

TEST_CASE("ids: late live trades fill a hole, too") {
  Stream stream;
  stream.live({10, 13});
  stream.live({12});
  stream.live({11});
  CHECK(stream.out.gap_names() == Names{"open sequence 11-12", "filled 11-12"});
}

TEST_CASE("ids: an answer may go on beyond the gap and overtake the stream") {
  Stream stream;
  stream.live({10, 14});
  stream.backfill({11, 12, 13, 14, 15, 16});
  stream.live({15});
  stream.live({16, 17});
  CHECK(stream.out.gap_names() == Names{"open sequence 11-13", "filled 11-13"});
}

TEST_CASE("ids: back-filled trades alone neither begin a stream nor make holes") {
  Stream stream;
  stream.backfill({1, 2, 9});
  stream.live({50, 51});
  CHECK(stream.out.gaps.empty());
}

TEST_CASE("ids: what an answer spans and does not hold is unfillable") {
  Stream stream;
  stream.live({10, 14});
  SUBCASE("nothing of it") {
    stream.backfill({10, 14, 15});
    CHECK(stream.out.gap_names() == Names{"open sequence 11-13", "unfillable 11-13"});
    CHECK(stream.out.gaps[1].from_time == at(1.0));
  }
  SUBCASE("the beginning came") {
    stream.backfill({11, 14});
    CHECK(stream.out.gap_names() == Names{"open sequence 11-13", "filled 11-11", "unfillable 12-13"});
    CHECK(stream.out.gaps[1].from_time == at(1.0));
    CHECK(stream.out.gaps[2].from_time == at(1.1));
    CHECK(stream.out.gaps[2].to_time == at(1.4));
  }
  SUBCASE("the end came") {
    stream.backfill({10, 13, 14});
    CHECK(stream.out.gap_names() == Names{"open sequence 11-13", "unfillable 11-12", "filled 13-13"});
    CHECK(stream.out.gaps[1].to_time == at(1.3));
  }
  SUBCASE("the middle came") {
    stream.backfill({10, 12, 14});
    // The filled run and the missing one after it begin at the same trade: one record.
    CHECK(stream.out.gap_names() == Names{"open sequence 11-13", "unfillable 11-11", "unfillable 12-13"});
  }
  CHECK(stream.ids.due() == never);
}

TEST_CASE("ids: an answer that spans only a part leaves the rest open, and the rest is asked for") {
  Stream stream;
  stream.live({10, 20});
  stream.backfill({11, 12, 13});
  CHECK(stream.out.gap_names() == Names{"open sequence 11-19"});
  stream.wait(5);
  CHECK(stream.out.gap_names().back() == "open sequence 14-19");
  CHECK(stream.out.gaps.back().from_time == at(1.0));
  stream.backfill({14, 15, 16, 17, 18, 19});
  CHECK(stream.out.gap_names().back() == "filled 11-19");
}

TEST_CASE("ids: an answer that says nothing about the gap changes nothing") {
  Stream stream;
  stream.live({10, 14});
  stream.backfill({1, 2, 3});
  stream.backfill({20, 21});
  CHECK(stream.out.gaps.size() == 1);
}

TEST_CASE("ids: an unanswered gap is asked for again after growing waits, then unfillable") {
  Stream stream;
  stream.live({10, 14});
  std::vector<double> asked;
  for (int second = 0; second < 2000; ++second) {
    auto const before = stream.out.gaps.size();
    stream.wait(1);
    if (stream.out.gaps.size() > before) asked.push_back(second + 1);
  }
  CHECK(asked == std::vector<double>{5, 15, 35, 75, 155, 315, 615, 915});
  CHECK(stream.out.gaps.size() == 1 + 8);
  CHECK(std::ssize(asked) == asks_max);
  CHECK(name_of(stream.out.gaps.back()) == "unfillable 11-13");
  CHECK(name_of(stream.out.gaps[7]) == "open sequence 11-13");
  CHECK(stream.out.new_gaps == 1);
  CHECK(stream.ids.due() == never);
}

TEST_CASE("ids: holes after trades of the same time are one gap, for they have one identity") {
  Ids ids;
  Written out;
  Frame const frame{.channel = "trade", .connection = "a", .origin = Origin::live, .received_at = at(1), .offset = {}};
  for (auto const* id : {"1", "3", "5"}) ids.see(trade(id, 1.0), frame, at(1), out);
  CHECK(out.gap_names() == Names{"open sequence 2-2", "open sequence 2-4"});
  CHECK(out.new_gaps == 1);
  for (auto const* id : {"4", "2"}) ids.see(trade(id, 1.0), frame, at(1), out);
  CHECK(out.gap_names().back() == "filled 2-4");
}

TEST_CASE("ids: after a restart what is open is asked for again") {
  Stream stream;
  stream.live({10, 14});
  stream.out.clear();
  stream.ids.restate({}, at(100), stream.out);
  CHECK(stream.out.gap_names() == Names{"open sequence 11-13"});
  CHECK(stream.ids.due() > at(100));
}

TEST_CASE("ids: what another publisher brings within the grace was never missing") {
  Stream stream{.grace = std::chrono::seconds{2}};
  stream.live({10}, "a");
  stream.live({14, 15}, "b");
  stream.live({11, 12}, "a");
  stream.wait(1.5);
  stream.live({13, 14}, "a");
  CHECK(stream.ids.due() == never);
  stream.wait(10);
  CHECK(stream.out.gaps.empty());
}

TEST_CASE("ids: the other publisher dies: after the grace the gap is opened as it would have been at once") {
  Stream alone, stream{.grace = std::chrono::seconds{2}};
  for (auto* each : {&alone, &stream}) each->live({10}, "a"), each->live({14}, "b");
  stream.wait(1.9);
  CHECK(stream.out.gaps.empty());
  stream.wait(0.1);
  REQUIRE(stream.out.gap_names() == Names{"open reconnect 11-13"});
  CHECK(stream.out.new_gaps == 1);
  CHECK(stream.out.gaps[0].from_time == alone.out.gaps[0].from_time);
  CHECK(stream.out.gaps[0].to_time == alone.out.gaps[0].to_time);
  stream.wait(5);
  CHECK(stream.out.gaps.size() == 2);
  CHECK(stream.out.new_gaps == 1);
  stream.backfill({11, 12, 13});
  CHECK(stream.out.gap_names().back() == "filled 11-13");
}

TEST_CASE("ids: the other publisher dies half way: what it brought is not asked for, and the identity is the hole's") {
  Stream stream{.grace = std::chrono::seconds{2}};
  stream.live({10}, "a");
  stream.live({14}, "b");
  stream.live({11}, "a");
  stream.wait(2);
  REQUIRE(stream.out.gap_names() == Names{"open reconnect 12-13"});
  CHECK(stream.out.gaps[0].from_time == at(1.0));
}

TEST_CASE("ids: an answer to another gap says nothing about one in its grace") {
  Stream stream{.grace = std::chrono::seconds{2}};
  stream.live({10}, "a");
  stream.live({14}, "b");
  stream.backfill({9, 15});
  CHECK(stream.out.gaps.empty());
  stream.wait(2);
  CHECK(stream.out.gap_names() == Names{"open reconnect 11-13"});
}

TEST_CASE("ids: in its grace at a restart, a gap is asked for only where md.gaps has it") {
  Stream stream{.grace = std::chrono::seconds{2}};
  stream.live({10}, "a");
  stream.live({14}, "b");
  auto known = made<Gap>(1.4);
  known.from_time = at(1.0);
  SUBCASE("nobody was told") {
    stream.ids.restate({}, at(stream.seconds), stream.out);
    CHECK(stream.out.gaps.empty());
    stream.live({11, 12, 13}, "a");
    CHECK(stream.out.gaps.empty());
  }
  SUBCASE("the clock had ended the grace before") {
    stream.ids.restate({known}, at(stream.seconds), stream.out);
    CHECK(stream.out.gap_names() == Names{"open reconnect 11-13"});
    CHECK(stream.out.new_gaps == 0);
    stream.live({11, 12, 13}, "a");
    CHECK(stream.out.gap_names().back() == "filled 11-13");
  }
}

TEST_CASE("ids: gaps and their parts are bounded") {
  Stream stream;
  SUBCASE("the oldest gap is given up") {
    std::vector<int> numbers;
    for (int i = 0; i <= static_cast<int>(Ids::gaps_max) + 1; ++i) numbers.push_back(10 + 2 * i);
    stream.live(numbers);
    auto const names = stream.out.gap_names();
    CHECK(std::ranges::count_if(names, [](auto const& name) { return name.starts_with("unfillable"); }) == 1);
    CHECK(std::ranges::find(names, "unfillable 11-11") != names.end());
  }
  SUBCASE("a gap is not split without end") {
    stream.live({10, 100'000});
    for (int id = 12; id < 90'000; id += 2) stream.live({id});
    stream.backfill({10, 100'000});
    CHECK(stream.out.gaps.size() < 3 * Ids::runs_max);
  }
}
