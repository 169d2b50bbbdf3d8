#include <doctest/doctest.h>

#include "agents/transform/books.hpp"
#include "agents/transform/ids.hpp"
#include "agents/transform/open_gaps.hpp"
#include "agents/transform/reconnect.hpp"
#include "test/transform/support.hpp"

using namespace penstock;
using namespace penstock::test;

namespace {

Gap gap(double from, double to, GapState state = GapState::open, std::string symbol = "BTC/USDT", std::string channel = "trade") {
  auto record = made<Gap>(to, std::move(symbol));
  record.channel = std::move(channel);
  record.from_time = at(from);
  record.to_time = at(to);
  record.from_sequence = 5;
  record.to_sequence = 7;
  record.cause = GapCause::sequence;
  record.state = state;
  return record;
}

Frame frame(Origin origin, double seconds) {
  return {.channel = "trade", .connection = "b", .origin = origin, .received_at = at(seconds), .offset = {}};
}

}  // namespace

TEST_CASE("open gaps: what is open stays, what is closed goes, each series has its own") {
  OpenGaps gaps;
  gaps.see(gap(3, 4));
  gaps.see(gap(1, 2));
  gaps.see(gap(1, 2, GapState::open, "ETH/USDT"));
  gaps.see(gap(1, 2, GapState::open, "BTC/USDT", "depth"));
  gaps.see(gap(1, 2, GapState::open, "*", "*"));
  gaps.see(gap(5, 6));
  gaps.see(gap(5, 6, GapState::unfillable));
  auto const found = gaps.of("venue", "BTC/USDT", "trade");
  REQUIRE(found.size() == 2);
  CHECK(found[0].from_time == at(1));
  CHECK(found[1].from_time == at(3));
  CHECK(gaps.of("venue", "*", "*").empty());
  CHECK(gaps.of("other", "BTC/USDT", "trade").empty());
  gaps.see(gap(1, 2, GapState::filled));
  CHECK(gaps.of("venue", "BTC/USDT", "trade").size() == 1);
}

TEST_CASE("open gaps: ids go on with a gap that began before the first trade, and leave alone one that is found again") {
  Ids ids;
  Written out;
  auto const first = trade("8", 10);
  ids.resume({gap(1, 2), gap(20, 21)}, first, true);
  ids.see(first, frame(Origin::live, 10), at(10), out);
  ids.restate({}, at(10), out);
  REQUIRE(out.gap_names() == Names{"open sequence 5-7"});
  for (auto const* id : {"5", "6", "7"}) ids.see(trade(id, 2), frame(Origin::backfill, 11), at(11), out);
  REQUIRE(out.gaps.size() == 2);
  CHECK(name_of(out.gaps[1]) == "filled 5-7");
  CHECK(out.gaps[1].from_time == at(1));
  CHECK(ids.due() == never);
}

TEST_CASE("open gaps: a reconnect's gap is closed by an answer that overlaps it") {
  Reconnect reconnect;
  Written out;
  reconnect.resume({gap(1, 2)}, trade("x", 10), true);
  reconnect.see(trade("x", 0.5), false, frame(Origin::backfill, 11));
  reconnect.end(frame(Origin::backfill, 11), at(11), out);
  REQUIRE(out.gaps.size() == 1);
  CHECK(out.gaps[0].state == GapState::filled);
  CHECK(out.gaps[0].from_time == at(1));
}

TEST_CASE("open gaps: a book goes on alone with its gap until a snapshot closes it") {
  Books::Limits const limits{};
  Books::Held held;
  Books books{limits, held};
  Written out;
  auto first = update(20, 21, 10);
  books.resume({gap(1, 2)}, first, true);
  MarketRecord record = std::move(first);
  books.see(record, frame(Origin::live, 10), at(10), out);
  CHECK(out.written == Names{"update 21"});
  CHECK(held.records == 0);
  record = snapshot(19, 11);
  SUBCASE("one that is older than what was sent does not") {
    books.see(record, frame(Origin::snapshot, 11), at(11), out);
    CHECK(out.dropped == Names{"snapshot 19"});
  }
  SUBCASE("one that is not does") {
    record = snapshot(30, 11);
    books.see(record, frame(Origin::snapshot, 11), at(11), out);
    CHECK(out.written.back() == "snapshot 30");
    REQUIRE(out.gaps.size() == 1);
    CHECK(out.gaps[0].state == GapState::filled);
    CHECK(out.gaps[0].from_time == at(1));
  }
}

TEST_CASE("open gaps: a book whose late join is open begins as it began, and one that was handled before is whole") {
  Books::Limits const limits{};
  Books::Held held;
  Books books{limits, held};
  Written out;
  auto first = update(20, 21, 10);
  auto late = gap(10, 10);
  late.cause = GapCause::late_join;
  bool whole = false;
  SUBCASE("late join") { books.resume({late}, first, true); }
  SUBCASE("handled before, no gap") { books.resume({}, first, true), whole = true; }
  SUBCASE("handled before, a hole further on") { books.resume({gap(11, 12)}, first, true), whole = true; }
  SUBCASE("new") { books.resume({}, first, false); }
  MarketRecord record = std::move(first);
  books.see(record, frame(Origin::live, 10), at(10), out);
  CHECK(out.gap_names() == (whole ? Names{} : Names{"open late-join -20"}));
  CHECK(held.records == (whole ? 0 : 1));
}
