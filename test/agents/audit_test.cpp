#include "agents/audit.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>

using namespace penstock;

namespace {

constexpr std::size_t trades = 0, gaps = kind_names.size() - 1;
static_assert(kind_names[trades] == "trades" && kind_names[gaps] == "gaps");

/// 100 frames of two raw partitions became 115 trades, of which the stores took 110, and 2 gaps.
AuditFacts facts() {
  Ledger first;
  first.topic = "raw.venue", first.partition = Partition{0};
  first.to = Offset{64}, first.frames = 60, first.skipped = 4;
  first.decoded = 50, first.ignored = 7, first.dead_frames = 3;
  first.records = 80, first.dead = 2, first.held = 3, first.gaps = 2;
  first.written[trades] = 65, first.duplicate[trades] = 10;
  Ledger second;
  second.topic = "raw.venue", second.partition = Partition{1};
  second.to = Offset{40}, second.frames = second.decoded = 40;
  second.records = 50, second.written[trades] = 50;

  AuditFacts facts{.transform_group = "t", .store_group = "s"};
  facts.raw = {{.partition = {"raw.venue", Partition{0}},
                .kept = {Offset{0}, Offset{70}},
                .committed = Offset{64},
                .ledger = first,
                .letters = {.count = 5}},
               {.partition = {"raw.venue", Partition{1}},
                .kept = {Offset{0}, Offset{40}},
                .committed = Offset{40},
                .ledger = second,
                .letters = {}}};
  StoreLedger const stored{.place = StoreLedger::Place{Offset{0}, Offset{120}},
                           .sums = StoreLedger::Sums{.from = Offset{0},
                                                     .to = Offset{120},
                                                     .read = 110,
                                                     .skipped = 10,
                                                     .rewound = 0,
                                                     .written = 100,
                                                     .duplicate = 6,
                                                     .dead = 4}};
  StoreLedger const gaps_stored{
      .place = StoreLedger::Place{Offset{0}, Offset{3}},
      .sums = StoreLedger::Sums{.from = Offset{0}, .to = Offset{3}, .read = 2, .skipped = 1, .written = 2}};
  facts.stored = {{.partition = {"md.trades", Partition{2}},
                   .kept = {Offset{0}, Offset{126}},
                   .ledger = stored,
                   .letters = {.count = 4},
                   .records_in_flight = 5},
                  {.partition = {"md.gaps", Partition{0}},
                   .kept = {Offset{0}, Offset{3}},
                   .ledger = gaps_stored,
                   .letters = {},
                   .records_in_flight = 0}};
  for (auto const& ledger : {first, second}) {
    add_written(facts.written_before, ledger);
    add_written(facts.written_after, ledger);
  }
  facts.tables = {{.kind = "trades", .rows = 100, .written = 100, .identities = {}, .dropped_before = {}},
                  {.kind = "candles", .rows = 7, .written = 9, .identities = 7, .dropped_before = {}}};
  return facts;
}

Ledger& ledger(AuditFacts& facts) { return *facts.raw[0].ledger; }
StoreLedger::Sums& sums(AuditFacts& facts) { return *facts.stored[0].ledger.sums; }

std::vector<Remark> with(bool differs, std::vector<Remark> remarks) {
  std::erase_if(remarks, [&](auto const& remark) { return remark.differs != differs; });
  return remarks;
}

}  // namespace

TEST_CASE("audit: what adds up has nothing to be said about it") { CHECK(reconcile(facts()).empty()); }

TEST_CASE("audit: each equation that is broken is named with its partition, and no other") {
  struct Case {
    char const* name;
    std::function<void(AuditFacts&)> breaks;
    char const* where;
    char const* what;
  };
  for (auto const& [name, breaks, where, what] : {
           Case{"a frame was not counted", [](auto& f) { ++ledger(f).skipped; }, "raw.venue/0",
                "offsets 0 to 64 are 64, but 60 frames + 5 skipped + 0 trimmed"},
           Case{"retention was quicker", [](auto& f) { ledger(f).skipped -= 3, ledger(f).trimmed = 3; }, "raw.venue/0",
                "3 offsets were taken by the topic's retention before they were read: what they held is missing but where gaps "
                "was filled with it"},
           Case{"a frame has no verdict", [](auto& f) { --ledger(f).ignored; }, "raw.venue/0",
                "60 frames, but 50 decoded + 6 ignored + 3 dead"},
           Case{"a record is neither written nor dropped", [](auto& f) { ++ledger(f).records; }, "raw.venue/0", "81 records"},
           Case{"held records were not found again", [](auto& f) { ++ledger(f).lost, ++ledger(f).records; }, "raw.venue/0",
                "1 records were held before a restart"},
           Case{"somebody moved the group's offset", [](auto& f) { f.raw[0].committed = Offset{50}; }, "raw.venue/0",
                "group t has committed 50"},
           Case{"somebody removed the group's offset", [](auto& f) { f.raw[0].committed.reset(); }, "raw.venue/0",
                "group t has committed none"},
           Case{"retention was faster than the transformer", [](auto& f) { f.raw[0].kept = {Offset{66}, Offset{70}}; },
                "raw.venue/0", "offsets 64 to 65 were taken by the topic's retention"},
           Case{"a letter of the transformer is missing", [](auto& f) { --f.raw[0].letters.count; }, "raw.venue/0",
                "5 dead, but raw.venue.dead holds 4 letters"},
           Case{"there is a letter too many", [](auto& f) { ++f.raw[1].letters.count; }, "raw.venue/1",
                "0 dead, but raw.venue.dead holds 1 letters"},
           Case{"more letters than dead ones, though retention took some",
                [](auto& f) { f.raw[0].letters = {Letters::Known::at_least, 6}; }, "raw.venue/0", "holds 6 letters"},

           Case{"an hour of the store's ledger is gone",
                [](auto& f) {
                  sums(f).read -= 20, sums(f).written -= 20, f.written_before[trades] -= 20, f.written_after[trades] -= 20,
                      f.tables[0].written -= 20, f.tables[0].rows -= 20;
                },
                "md.trades/2", "offsets 0 to 120 are 120, but 90 read + 10 skipped - 0 rewound"},
           Case{"its first hour is gone", [](auto& f) { sums(f).from = Offset{7}; }, "md.trades/2",
                "the ledger begins at offset 7, the stores began at 0"},
           Case{"its last hour is gone", [](auto& f) { sums(f).to = Offset{119}; }, "md.trades/2",
                "the ledger ends at offset 119, the stores are at 120"},
           Case{"a count of the store was changed", [](auto& f) { ++sums(f).duplicate; }, "md.trades/2",
                "110 read, but 100 written + 7 duplicate + 4 dead"},
           Case{"the store's offset has no ledger", [](auto& f) { f.stored[1].ledger.sums.reset(), f.written_before[gaps] = 0; },
                "md.gaps/0", "the ledger has no row of it"},
           Case{"the store's ledger has no offset", [](auto& f) { f.stored[1].ledger.place.reset(); }, "md.gaps/0",
                "penstock.offsets has no row of it"},
           Case{"retention was faster than the store", [](auto& f) { f.stored[0].kept = {Offset{121}, Offset{126}}; },
                "md.trades/2", "offsets 120 to 120 were taken"},
           Case{"a letter of the store is missing", [](auto& f) { --f.stored[0].letters.count; }, "md.trades/2",
                "4 dead, but md.trades.dead holds 3 letters"},

           Case{"a record was lost between transformer and store", [](auto& f) { --*f.stored[0].records_in_flight; }, "md.trades",
                "115 written by transformers, but 110 read + 4 in flight: 1 are missing"},
           Case{"somebody else wrote a record", [](auto& f) { ++*f.stored[0].records_in_flight; }, "md.trades",
                "110 read + 6 in flight, but 115 written by transformers: 1 too many"},
           Case{"a gap of the transformer was lost", [](auto& f) { ++f.written_before[gaps], ++f.written_after[gaps]; },
                "md.gaps", "1 are missing"},
           Case{"a replayed letter did not arrive", [](auto& f) { ++f.replayed[trades]; }, "md.trades", "1 are missing"},

           Case{"a row is missing", [](auto& f) { --f.tables[0].rows; }, "table trades", "99 rows, but the stores wrote 100"},
           Case{"a row is too many", [](auto& f) { ++f.tables[0].rows; }, "table trades", "101 rows, but the stores wrote 100"},
           Case{"more rows than writes", [](auto& f) { f.tables[1].rows = f.tables[1].identities.emplace(10); }, "table candles",
                "10 rows, but the stores wrote 9"},
           Case{"an identity twice", [](auto& f) { f.tables[1].identities = 6; }, "table candles", "7 rows, but 6 identities"},
           Case{"more rows than writes, though retention dropped some",
                [](auto& f) { ++f.tables[0].rows, f.tables[0].dropped_before = "2026-01-01"; }, "table trades", "101 rows"},
       }) {
    CAPTURE(name);
    auto changed = facts();
    breaks(changed);
    auto const found = with(true, reconcile(changed));
    REQUIRE(found.size() == 1);
    CHECK(found[0].where == where);
    CAPTURE(found[0].what);
    CHECK(found[0].what.contains(what));
  }
}

TEST_CASE("audit: what cannot be known is said, and is no difference") {
  struct Case {
    char const* name;
    std::function<void(AuditFacts&)> change;
    char const* where;
    char const* what;
  };
  for (auto const& [name, change, where, what] : {
           Case{"offsets of older data",
                [](auto& f) {
                  f.raw[1].ledger.reset();
                  f.written_before[trades] = f.written_after[trades] = 65;
                },
                "raw.venue/1", "there is no ledger of it"},
           Case{"what it wrote is not known",
                [](auto& f) {
                  f.raw[1].ledger.reset();
                  f.written_before[trades] = f.written_after[trades] = 65;
                },
                "md.trades", "50 more than the ledgers of transformers know of"},
           Case{"the ledger began later", [](auto& f) { ledger(f).from = Offset{4}, ledger(f).skipped = 0; }, "raw.venue/0",
                "begins at offset 4"},
           Case{"the store began later",
                [](auto& f) {
                  auto& stored = f.stored[0].ledger;
                  stored.place->first = stored.sums->from = Offset{8};
                  stored.sums->read = 102, stored.sums->written = 92, f.tables.clear();
                },
                "md.trades", "8 of 115 written records may be before"},
           Case{"letters were trimmed", [](auto& f) { f.raw[0].letters = {Letters::Known::at_least, 1}; }, "raw.venue/0",
                "5 dead; raw.venue.dead holds 1 letters of them, retention took some"},
           Case{"letters are too many", [](auto& f) { f.stored[0].letters = {Letters::Known::none, 0}; }, "md.trades/2",
                "--deep"},
           Case{"replays were trimmed", [](auto& f) { ++*f.stored[0].records_in_flight, f.knows_all_replays = false; },
                "md.trades", "1 more than"},
           Case{"the topic was made anew", [](auto& f) { f.stored[0].kept = {Offset{0}, Offset{7}}; }, "md.trades/2",
                "it was made anew"},
           Case{"and is not compared",
                [](auto& f) { f.stored[0].kept = {Offset{0}, Offset{7}}, f.stored[0].records_in_flight = 0; }, "md.trades",
                "it cannot be compared"},
           Case{"the store went back to its beginning",
                [](auto& f) { sums(f).rewound = 10, sums(f).read = 120, sums(f).written = 110, f.tables.clear(); }, "md.trades",
                "it cannot be compared"},
           Case{"retention dropped rows", [](auto& f) { f.tables[0].rows = 20, f.tables[0].dropped_before = "2026-01-01"; },
                "table trades", "20 rows of 100 written; retention dropped what is older than 2026-01-01"},
           Case{"the store's group is another one", [](auto& f) { f.store_group = "store", f.other_store_groups = {"prod"}; },
                "md", "group store has stored nothing; group prod has: --store-group prod audits that one"},
       }) {
    CAPTURE(name);
    auto changed = facts();
    change(changed);
    auto const remarks = reconcile(changed);
    CHECK(with(true, remarks).empty());
    CHECK(std::ranges::any_of(remarks, [&](auto const& r) { return r.where == where && r.what.contains(what); }));
  }
}

TEST_CASE("audit: what a topic that keeps the last of each key has dropped before a store read it is no difference") {
  auto const about = [](std::string_view kind, std::int64_t written, bool is_read) {
    auto changed = facts();
    auto const index = static_cast<std::size_t>(std::ranges::find(kind_names, kind) - kind_names.begin());
    changed.written_before[index] = changed.written_after[index] = written;
    // A store that began anew found 4 records in 12 offsets.
    StoreLedger const ledger{
        .place = StoreLedger::Place{Offset{0}, Offset{12}},
        .sums = StoreLedger::Sums{.from = Offset{0}, .to = Offset{12}, .read = 4, .skipped = 8, .written = 4}};
    changed.stored.push_back({.partition = {"md." + std::string{kind}, Partition{0}},
                              .kept = {Offset{0}, Offset{12}},
                              .ledger = is_read ? ledger : StoreLedger{},
                              .letters = {},
                              .records_in_flight = is_read ? 0 : 4});
    return reconcile(changed);
  };
  for (bool const is_read : {false, true}) {
    CAPTURE(is_read);
    for (auto const kind : {Instrument::kind, Venue::kind}) {
      CHECK(about(kind, 4, is_read).empty());
      auto const dropped = about(kind, 10, is_read);
      REQUIRE(dropped.size() == 1);
      CHECK_FALSE(dropped[0].differs);
      CHECK(dropped[0].what ==
            "6 of 10 written records may be before the offset where the stores began, or later ones of the "
            "same key replaced them before they were read");
      CHECK(with(true, about(kind, 13, is_read)).size() == 1);
    }
    CHECK(with(true, about(Option::kind, 10, is_read)).size() == 1);
  }
}

TEST_CASE("audit: without any ledger of a transformer nothing is compared with it") {
  auto changed = facts();
  changed.raw.clear();
  auto const remarks = reconcile(changed);
  CHECK(with(true, remarks).empty());
  CHECK(std::ranges::any_of(remarks, [](auto const& r) { return r.what.contains("no ledger of a transformer"); }));
}

TEST_CASE("audit: while the pipeline runs, what moved between two looks is no difference, and what is beyond it is one") {
  auto moving = facts();
  moving.written_before[trades] -= 7;
  moving.written_after[trades] += 9;
  CHECK(reconcile(moving).empty());
  *moving.stored[0].records_in_flight += 10;
  CHECK(with(true, reconcile(moving)).size() == 1);
}

TEST_CASE("audit: records in flight that were not counted are bounded by their offsets") {
  auto bounded = facts();
  bounded.stored[0].records_in_flight.reset();  // 6 offsets for 5 records and the end of a transaction
  CHECK(bounded.stored[0].in_flight() == 6);
  CHECK(reconcile(bounded).empty());
  bounded.stored[0].kept.end = Offset{124};
  CHECK(with(true, reconcile(bounded)).size() == 1);
}

TEST_CASE("audit: publishers write gaps, too, so md.gaps may hold more than transformers wrote") {
  auto more = facts();
  more.stored[1].records_in_flight = 5;
  CHECK(reconcile(more).empty());
}
