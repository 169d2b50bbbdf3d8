#include <doctest/doctest.h>

#include "agents/transform/books.hpp"
#include "test/transform/support.hpp"

#include <memory>

using namespace penstock;
using namespace penstock::test;

namespace {

struct Stream {
  Books::Limits limits{};
  Books::Held held;
  std::unique_ptr<Books> books = std::make_unique<Books>(limits, held);
  Written out;
  double seconds = 0;
  Duration grace{};  ///< another publisher is there

  void update(std::int64_t previous, std::int64_t sequence, std::string_view connection = "a") {
    see(test::update(previous, sequence, seconds), Origin::live, connection);
  }
  void snapshot(std::int64_t sequence) { see(test::snapshot(sequence, seconds), Origin::snapshot, ""); }
  void see(Book book, Origin origin, std::string_view connection) {
    MarketRecord record = std::move(book);
    Frame const frame{
        .channel = "depth", .connection = connection, .origin = origin, .received_at = at(seconds), .offset = {}, .grace = grace};
    books->see(record, frame, at(seconds), out);
    seconds += 0.1;
  }
  void wait(double more) {
    seconds += more;
    if (books->due() <= at(seconds)) books->tick(at(seconds), out);
  }
  /// A book that is whole at sequence 100.
  void begin() {
    snapshot(100);
    out.clear();
  }
};

}  // namespace

TEST_CASE("books: a late join is an open gap at once, and the updates are held") {
  Stream stream;
  stream.update(10, 12);
  REQUIRE(stream.out.gap_names() == Names{"open late-join -10"});
  CHECK(stream.out.gaps[0].from_time == at(0));
  CHECK(stream.out.gaps[0].to_time == at(0));
  CHECK(stream.out.gaps[0].channel == "depth");
  stream.update(12, 15);
  CHECK(stream.out.written.empty());
  CHECK(stream.held.records == 2);
  CHECK(stream.out.gaps.size() == 1);
}

TEST_CASE("books: the snapshot goes first, then the updates that it does not hold") {
  Stream stream;
  stream.update(10, 12);
  stream.update(12, 15);
  stream.update(15, 20);
  stream.update(20, 21);
  SUBCASE("it lies within an update") {
    stream.snapshot(17);
    CHECK(stream.out.written == Names{"snapshot 17", "update 20", "update 21"});
    CHECK(stream.out.dropped == Names{"update 12", "update 15"});
  }
  SUBCASE("it ends with an update") {
    stream.snapshot(15);
    CHECK(stream.out.written == Names{"snapshot 15", "update 20", "update 21"});
  }
  SUBCASE("it is exactly what the first update follows") {
    stream.snapshot(10);
    CHECK(stream.out.written == Names{"snapshot 10", "update 12", "update 15", "update 20", "update 21"});
    CHECK(stream.out.dropped.empty());
  }
  SUBCASE("it is ahead of all of them") {
    stream.snapshot(25);
    CHECK(stream.out.written == Names{"snapshot 25"});
    CHECK(stream.out.dropped == Names{"update 12", "update 15", "update 20", "update 21"});
    stream.out.clear();
    stream.update(21, 24);
    stream.update(24, 27);
    CHECK(stream.out.dropped == Names{"update 24"});
    CHECK(stream.out.written == Names{"update 27"});
    CHECK(stream.out.gaps.empty());
    return;
  }
  CHECK(stream.out.gap_names() == Names{"open late-join -10", "filled -10"});
  CHECK(stream.held.records == 0);
  CHECK(stream.held.bytes == 0);
  CHECK(stream.books->due() == never);
}

TEST_CASE("books: a snapshot older than the first held update is refused and asked for again") {
  Stream stream;
  stream.update(10, 12);
  stream.snapshot(9);
  CHECK(stream.out.dropped == Names{"snapshot 9"});
  CHECK(stream.out.written.empty());
  CHECK(stream.out.gaps.size() == 1);  // Not sooner than a second after the last time.
  stream.wait(1);
  CHECK(stream.out.gap_names() == Names{"open late-join -10", "open late-join -10"});
  stream.snapshot(11);
  CHECK(stream.out.written == Names{"snapshot 11", "update 12"});
  CHECK(stream.out.gap_names().back() == "filled -10");
}

TEST_CASE("books: a snapshot that comes first starts the book without a gap") {
  Stream stream;
  stream.snapshot(100);
  stream.update(98, 101);
  stream.update(101, 102);
  CHECK(stream.out.written == Names{"snapshot 100", "update 101", "update 102"});
  CHECK(stream.out.gaps.empty());
}

TEST_CASE("books: held no longer than allowed, then alone with the gap still open") {
  Stream stream;
  stream.update(10, 12);  // at 0 s
  stream.wait(4.8);       // 4.9 s
  CHECK(stream.out.written.empty());
  stream.wait(0.1);  // 5 s
  CHECK(stream.out.written == Names{"update 12"});
  CHECK(stream.held.records == 0);
  stream.update(12, 13);
  CHECK(stream.out.written == Names{"update 12", "update 13"});
  CHECK(stream.out.gap_names().front() == "open late-join -10");
  CHECK(std::ranges::count(stream.out.gap_names(), "filled -10") == 0);

  SUBCASE("a snapshot that is not older than what was sent makes the book whole") {
    stream.snapshot(13);
    stream.update(13, 14);
    CHECK(stream.out.written == Names{"update 12", "update 13", "snapshot 13", "update 14"});
    CHECK(stream.out.gap_names().back() == "filled -10");
  }
  SUBCASE("an older one is refused, and updates are held anew for the next one") {
    stream.snapshot(12);
    CHECK(stream.out.dropped == Names{"snapshot 12"});
    stream.update(13, 14);
    stream.update(14, 15);
    CHECK(stream.held.records == 2);
    stream.snapshot(14);
    CHECK(stream.out.written == Names{"update 12", "update 13", "snapshot 14", "update 15"});
    CHECK(stream.out.dropped == Names{"snapshot 12", "update 14"});
    CHECK(stream.out.gap_names().back() == "filled -10");
  }
}

TEST_CASE("books: a gap stays open and is asked for as long as it takes") {
  Stream stream;
  stream.update(10, 12);
  for (int second = 0; second < 4000; ++second) stream.wait(1);
  auto const names = stream.out.gap_names();
  CHECK(names.size() > static_cast<std::size_t>(asks_max));
  CHECK(std::ranges::count(names, "open late-join -10") == std::ssize(names));
  CHECK(stream.out.new_gaps == 1);
  // At most every five minutes.
  CHECK(names.size() < 24);
}

TEST_CASE("books: an update that is not newer is dropped") {
  Stream stream;
  stream.begin();
  stream.update(100, 105);
  stream.update(100, 105);
  stream.update(101, 103);
  CHECK(stream.out.written == Names{"update 105"});
  CHECK(stream.out.dropped == Names{"update 105", "update 103"});
  stream.update(103, 108);  // Begins before, ends after: amounts are absolute.
  CHECK(stream.out.written == Names{"update 105", "update 108"});
  CHECK(stream.out.gaps.empty());
}

TEST_CASE("books: a snapshot older than the book is not sent on, a newer one is") {
  Stream stream;
  stream.begin();
  stream.update(100, 105);
  stream.snapshot(104);
  CHECK(stream.out.dropped == Names{"snapshot 104"});
  stream.snapshot(105);
  stream.snapshot(110);
  CHECK(stream.out.written == Names{"update 105", "snapshot 105", "snapshot 110"});
  stream.update(105, 109);
  stream.update(109, 112);
  CHECK(stream.out.dropped == Names{"snapshot 104", "update 109"});
  CHECK(stream.out.written.back() == "update 112");
  CHECK(stream.out.gaps.empty());
}

TEST_CASE("books: a hole in the chain is a gap, and a snapshot heals it") {
  Stream stream;
  stream.begin();
  stream.update(100, 105);
  SUBCASE("of the sequence") {
    stream.update(107, 110);
    CHECK(stream.out.gap_names() == Names{"open sequence 106-107"});
  }
  SUBCASE("of a reconnect") {
    stream.update(107, 110, "b");
    CHECK(stream.out.gap_names() == Names{"open reconnect 106-107"});
  }
  stream.update(110, 111);
  CHECK(stream.out.written == Names{"update 105"});
  stream.snapshot(106);  // Older than what the first held one follows.
  CHECK(stream.out.written == Names{"update 105"});
  stream.snapshot(108);
  CHECK(stream.out.written == Names{"update 105", "snapshot 108", "update 110", "update 111"});
  CHECK(stream.out.gap_names().back() == "filled 106-107");
  CHECK(stream.out.gaps.back().from_time == stream.out.gaps.front().from_time);
}

TEST_CASE("books: a hole while updates are held widens the gap; those before it go on alone") {
  Stream stream;
  stream.update(10, 12);
  stream.update(12, 13);
  stream.update(20, 22);
  CHECK(stream.out.written == Names{"update 12", "update 13"});
  CHECK(stream.held.records == 1);
  stream.snapshot(15);
  CHECK(stream.out.dropped == Names{"snapshot 15"});
  stream.snapshot(21);
  CHECK(stream.out.written == Names{"update 12", "update 13", "snapshot 21", "update 22"});
  CHECK(stream.out.gap_names().back() == "filled -20");
  CHECK(stream.out.new_gaps == 1);
}

TEST_CASE("books: a hole while updates go alone widens the gap") {
  Stream stream;
  stream.update(10, 12);
  stream.wait(6);
  stream.update(20, 22);
  CHECK(stream.out.written == Names{"update 12", "update 22"});
  stream.wait(10);
  CHECK(stream.out.gap_names().back() == "open late-join -20");
}

TEST_CASE("books: what is held is bounded by bytes; more goes on alone") {
  Stream stream;
  stream.limits.held_bytes_max = 2000;
  std::int64_t sequence = 10;
  while (stream.out.written.empty()) {
    REQUIRE(sequence < 100);
    stream.update(sequence, sequence + 1);
    ++sequence;
  }
  CHECK(sequence > 11);
  CHECK(stream.out.written.size() == static_cast<std::size_t>(sequence - 10));
  CHECK(stream.held.records == 0);
  CHECK(stream.held.bytes == 0);
  stream.update(sequence, sequence + 1);
  CHECK(stream.held.records == 0);
}

TEST_CASE("books: a hold of nothing sends updates on with the next sign of time") {
  Stream stream;
  stream.limits.hold = Duration{0};
  stream.update(10, 12);
  stream.wait(0);
  CHECK(stream.out.written == Names{"update 12"});
}

TEST_CASE("books: records without a sequence pass") {
  Stream stream;
  auto book = test::snapshot(0, 0);
  book.sequence = {};
  stream.see(book, Origin::live, "a");
  auto change = test::update(1, 2, 0);
  change.previous_sequence = {};
  stream.see(change, Origin::live, "a");
  CHECK(stream.out.written == Names{"snapshot ?", "update 2"});
  CHECK(stream.out.gaps.empty());
}

TEST_CASE("books: after a restart the gap is asked for again, and what was held goes on as backfill") {
  Stream stream;
  stream.update(10, 12);
  stream.out.clear();
  stream.books->restate({}, at(stream.seconds), stream.out);
  CHECK(stream.out.gap_names() == Names{"open late-join -10"});
  stream.update(12, 13);
  stream.snapshot(10);
  CHECK(stream.out.written == Names{"snapshot 10", "update 12", "update 13"});
  CHECK(stream.out.origins == std::vector{Origin::snapshot, Origin::backfill, Origin::live});
}

namespace {

/// A book that is whole at 105, and then one publisher's updates before those of the other one.
struct Overtaken : Stream {
  Overtaken() {
    grace = std::chrono::seconds{2};
    begin();
    update(100, 105, "a");
    update(107, 110, "b");
    update(110, 111, "b");
    REQUIRE(out.written == Names{"update 105"});
    REQUIRE(held.records == 2);
  }
};

}  // namespace

TEST_CASE("books: a publisher overtakes its twin, which then brings what is missing: no gap, and all in order") {
  Overtaken stream;
  stream.update(105, 106, "a");
  stream.wait(1);
  CHECK(stream.out.written == Names{"update 105", "update 106"});
  SUBCASE("its update ends where the other one began") {
    stream.update(106, 107, "a");
    CHECK(stream.out.written == Names{"update 105", "update 106", "update 107", "update 110", "update 111"});
  }
  SUBCASE("its update goes on beyond that") {
    stream.update(106, 110, "a");
    CHECK(stream.out.written == Names{"update 105", "update 106", "update 110", "update 111"});
    CHECK(stream.out.dropped == Names{"update 110"});
  }
  SUBCASE("its update goes on beyond all that waits") {
    stream.update(106, 113, "a");
    CHECK(stream.out.written == Names{"update 105", "update 106", "update 113"});
    CHECK(stream.out.dropped == Names{"update 110", "update 111"});
    stream.update(111, 113, "b");
    CHECK(stream.out.dropped.back() == "update 113");
  }
  SUBCASE("a snapshot bridges it first") {
    stream.snapshot(108);
    CHECK(stream.out.written == Names{"update 105", "update 106", "snapshot 108", "update 110", "update 111"});
    stream.update(106, 107, "a");
    CHECK(stream.out.dropped == Names{"update 107"});
  }
  CHECK(stream.held.records == 0);
  CHECK(stream.held.bytes == 0);
  CHECK(stream.books->due() == never);
  stream.update(stream.out.written.back() == "update 113" ? 113 : 111, 120, "b");
  CHECK(stream.out.written.back() == "update 120");
  stream.wait(10);
  CHECK(stream.out.gaps.empty());
}

TEST_CASE("books: in the grace a snapshot that the chain can follow goes on, and an older one does not") {
  Overtaken stream;
  stream.snapshot(104);
  stream.snapshot(106);
  CHECK(stream.out.dropped == Names{"snapshot 104"});
  CHECK(stream.out.written == Names{"update 105", "snapshot 106"});
  CHECK(stream.held.records == 2);
  stream.update(105, 106, "a");
  stream.update(106, 107, "a");
  CHECK(stream.out.dropped == Names{"snapshot 104", "update 106"});
  CHECK(stream.out.written == Names{"update 105", "snapshot 106", "update 107", "update 110", "update 111"});
  CHECK(stream.out.gaps.empty());
}

TEST_CASE("books: the twin dies: after the grace the gap is opened as it would have been at once, and a snapshot heals it") {
  Overtaken stream;
  stream.wait(1.7);  // 1.9 s after the first one that waits.
  CHECK(stream.out.gaps.empty());
  stream.wait(0.1);
  REQUIRE(stream.out.gap_names() == Names{"open reconnect 106-107"});
  CHECK(stream.out.gaps[0].from_time == at(0.1));
  CHECK(stream.out.gaps[0].to_time == at(0.2));
  CHECK(stream.out.new_gaps == 1);
  stream.update(111, 112, "b");
  CHECK(stream.held.records == 3);
  stream.snapshot(109);
  CHECK(stream.out.written == Names{"update 105", "snapshot 109", "update 110", "update 111", "update 112"});
  CHECK(stream.out.gap_names().back() == "filled 106-107");
}

TEST_CASE("books: the twin dies half way: what it brought is not missing") {
  Overtaken stream;
  stream.update(105, 106, "a");
  stream.wait(2);
  REQUIRE(stream.out.gap_names() == Names{"open reconnect 107-107"});
  CHECK(stream.out.gaps[0].from_time == at(0.1));
}

TEST_CASE("books: a second hole ends the grace: what waited goes on alone") {
  Overtaken stream;
  stream.update(115, 116, "b");
  CHECK(stream.out.gap_names() == Names{"open reconnect 106-107"});
  CHECK(stream.out.written == Names{"update 105", "update 110", "update 111"});
  CHECK(stream.held.records == 1);
  stream.snapshot(115);
  CHECK(stream.out.written.back() == "update 116");
  CHECK(stream.out.gap_names().back() == "filled 106-115");
}

TEST_CASE("books: what waits for a twin is bounded as what waits for a snapshot is") {
  Overtaken stream;
  SUBCASE("by bytes") {
    stream.limits.held_bytes_max = stream.held.bytes;
    stream.update(111, 112, "b");
    CHECK(stream.out.written.back() == "update 112");
  }
  SUBCASE("by records read") { stream.books->pass(Offset{stream.limits.hold_records}, at(1), stream.out); }
  SUBCASE("by time, where that is shorter") {
    Stream eager{.limits = {.hold = std::chrono::seconds{1}}, .grace = std::chrono::seconds{2}};
    eager.begin();
    eager.update(107, 110);
    eager.wait(1);
    CHECK(eager.out.written == Names{"update 110"});
    CHECK(eager.out.gap_names() == Names{"open reconnect 101-107"});
    return;
  }
  CHECK(stream.out.gap_names() == Names{"open reconnect 106-107"});
  CHECK(stream.held.records == 0);
}

TEST_CASE("books: in its grace at a restart, a gap is asked for only where md.gaps has it") {
  Overtaken stream;
  stream.out.clear();
  auto known = made<Gap>(0.2);
  known.from_time = at(0.1);
  SUBCASE("nobody was told") {
    stream.books->restate({}, at(stream.seconds), stream.out);
    CHECK(stream.out.gaps.empty());
    stream.update(105, 107, "a");
    CHECK(stream.out.written == Names{"update 107", "update 110", "update 111"});
    CHECK(stream.out.origins == std::vector{Origin::live, Origin::live, Origin::live});
    CHECK(stream.out.gaps.empty());
  }
  SUBCASE("the clock had ended the grace before") {
    stream.books->restate({known}, at(stream.seconds), stream.out);
    CHECK(stream.out.gap_names() == Names{"open reconnect 106-107"});
    stream.snapshot(108);
    CHECK(stream.out.written == Names{"snapshot 108", "update 110", "update 111"});
    CHECK(stream.out.origins == std::vector{Origin::snapshot, Origin::backfill, Origin::backfill});
    CHECK(stream.out.gap_names().back() == "filled 106-107");
  }
  SUBCASE("the clock had ended the grace before, and then came what was missing") {
    stream.update(105, 107, "a");
    stream.books->restate({known}, at(stream.seconds), stream.out);
    REQUIRE(stream.out.gaps.size() == 1);
    CHECK(stream.out.gaps[0].from_time == at(0.1));
    stream.snapshot(112);
    CHECK(stream.out.gaps.back().state == GapState::filled);
  }
}
