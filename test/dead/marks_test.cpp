#include "agents/dead/marks.hpp"

#include "agents/dead/rule.hpp"
#include "schemas/reasons.hpp"
#include "streaming/fault.hpp"

#include <doctest/doctest.h>

using namespace penstock;
using namespace std::chrono_literals;

namespace {

Time const noon = *parse_time("2026-01-02T12:00:00Z");

DeadAction action_on(std::vector<int> const& offsets, Time newest = noon) {
  DeadAction action{
      .letters = {"raw.x.dead", Partition{2}}, .rule = R"({"reason":["unknown-symbol"]})", .time = noon, .instance = "i"};
  for (auto const offset : offsets) action.add(Offset{offset}, newest);
  return action;
}

Delivery letter_at(int offset, Time timestamp = noon, int partition = 2) {
  return {.position = {"raw.x.dead", Partition{partition}, Offset{offset}}, .key = {}, .value = {}, .timestamp = timestamp};
}

DeadAction read_back(Record const& mark) {
  Delivery delivery{.position = {"penstock.dead", Partition{0}, Offset{7}}, .key = mark.key, .value = mark.value};
  for (auto const& [name, value] : mark.headers) delivery.headers.emplace_back(name, value);
  return read_mark(delivery);
}

OpenLetter open(int attempt, Time failed_at, bool named = true) {
  return {.failed_at = failed_at, .attempt = attempt, .named = named};
}

}  // namespace

TEST_CASE("dead marks: what is written is what the contract says, and is read back") {
  auto action = action_on({17, 18, 19, 23});
  action.replayed_to[{"raw.x", Partition{2}}] = 3;
  auto const mark = mark_of(action);
  CHECK(mark.key == "raw.x.dead/2");
  CHECK(mark.headers == std::vector<Header>{{"schema", "dead_action/1"}});
  CHECK(mark.value == R"({"action":"replay","topic":"raw.x.dead","partition":2,"offsets":[[17,19],[23,23]],"count":4,)"
                      R"("newest":"2026-01-02T12:00:00.000000Z","replayed_to":[{"topic":"raw.x","partition":2,"count":3}],)"
                      R"("rule":{"reason":["unknown-symbol"]},"time":"2026-01-02T12:00:00.000000Z","instance":"i"})");
  CHECK(mark_of(read_back(mark)).value == mark.value);
  action.kind = DeadAction::Kind::drop;
  CHECK(read_back(mark_of(action)).kind == DeadAction::Kind::drop);
}

TEST_CASE("dead marks: a record that is no mark is a fault that names its place, not a letter that is open again") {
  for (auto const* value : {"", "{}", "[]", R"({"action":"eat"})"})
    CHECK_THROWS_WITH_AS(read_back({.key = {}, .value = value, .headers = {{"schema", "dead_action/1"}}}),
                         doctest::Contains("penstock.dead has a record at 0@7"), Fault);
  auto other = mark_of(action_on({1}));
  other.headers = {{"schema", "dead_action/2"}};
  CHECK_THROWS_AS(read_back(other), Fault);
}

TEST_CASE("dead marks: letters of marked runs are done, all others are open") {
  DeadMarks marks;
  marks.add(action_on({5, 6, 7, 10}));
  auto drop = action_on({8});
  drop.kind = DeadAction::Kind::drop;
  marks.add(drop);
  for (auto const offset : {5, 6, 7, 10}) CHECK(marks.find(letter_at(offset))->kind == DeadAction::Kind::replay);
  CHECK(marks.find(letter_at(8))->kind == DeadAction::Kind::drop);
  for (auto const offset : {4, 9, 11}) CHECK(marks.find(letter_at(offset)) == nullptr);
  CHECK(marks.find(letter_at(5, noon, 1)) == nullptr);
}

TEST_CASE("dead marks: a topic that was deleted and made anew has its letters open, whatever marks the old one had") {
  DeadMarks marks;
  marks.add(action_on({0, 1, 2, 3}, noon));
  CHECK(marks.find(letter_at(2, noon + 1ms)) == nullptr);
  CHECK(marks.find(letter_at(2, noon - 1h)) != nullptr);
  marks.add(action_on({2}, noon + 1h));
  CHECK(marks.find(letter_at(2, noon + 1ms)) != nullptr);
  CHECK(marks.find(letter_at(1, noon + 1ms)) == nullptr);
}

TEST_CASE("dead rule: reasons and times, both ends included") {
  Letter letter{.source = {}, .reason = reason::unknown_symbol, .detail = {}, .stage = {}, .failed_at = noon};
  CHECK(DeadRule{}.names(letter));
  CHECK(DeadRule{.reasons = {"malformed", "unknown-symbol"}}.names(letter));
  CHECK_FALSE(DeadRule{.reasons = {"malformed"}}.names(letter));
  CHECK(DeadRule{.since = noon, .until = noon}.names(letter));
  CHECK_FALSE(DeadRule{.since = noon + 1us}.names(letter));
  CHECK_FALSE(DeadRule{.until = noon - 1us}.names(letter));
}

TEST_CASE("dead rule: the letters about one record go together, up to the most attempts of any") {
  DeadRule const rule{.attempts_max = 3};
  CHECK(choose(rule, std::array{open(1, noon, false), open(2, noon)}, noon) == Choice::chosen);
  CHECK(choose(rule, std::array{open(1, noon, false)}, noon) == Choice::not_named);
  CHECK(choose(rule, std::array{open(1, noon), open(3, noon)}, noon) == Choice::worn_out);
}

TEST_CASE("dead rule: the delay doubles with every failure, up to the most") {
  DeadRule const rule{.delay = 1min, .delay_max = 5min};
  for (auto const& [attempt, delay] : {std::pair{1, 1min}, {2, 2min}, {3, 4min}, {4, 5min}, {100, 5min}}) {
    CAPTURE(attempt);
    CHECK(due(rule, std::array{open(attempt, noon)}) == noon + delay);
    CHECK(choose(rule, std::array{open(attempt, noon)}, noon + delay - 1us) == Choice::later);
    CHECK(choose(rule, std::array{open(attempt, noon)}, noon + delay) == Choice::chosen);
  }
}

TEST_CASE("dead letters: a letter gives back the record that failed, which carries its attempts on") {
  Delivery first{.position = {"raw.x", Partition{3}, Offset{9}}, .key = "K", .value = std::string_view{"\0\xff", 2}};
  first.headers = {{"channel", "trade"}, {"channel", "twice"}};
  auto const as_delivery = [](Record const& record, std::string_view topic) {
    Delivery delivery{.position = {topic, Partition{0}, Offset{1}}, .key = record.key, .value = record.value};
    for (auto const& [name, value] : record.headers) delivery.headers.emplace_back(name, value);
    return delivery;
  };
  auto const letter = dead_letter(first, {reason::malformed, "d"}, "transform", noon, 4);
  auto const read = read_letter(as_delivery(letter, "raw.x.dead"));
  REQUIRE(read);
  CHECK(read->source == Position{"raw.x", Partition{3}, Offset{9}});
  CHECK(read->reason == "malformed");
  CHECK(read->attempt == 1);
  CHECK(read->failed_at == noon);
  CHECK_FALSE(read_letter(as_delivery(letter, "raw.y.dead")));
  CHECK_FALSE(read_letter(first));

  auto const back = original_record(as_delivery(letter, "raw.x.dead"));
  CHECK(back.key == "K");
  CHECK(back.value == first.value);
  CHECK(back.headers == std::vector<Header>{{"channel", "trade"}, {"channel", "twice"}, {"attempt", "1"}});
  auto const again = dead_letter(as_delivery(back, "raw.x"), {reason::malformed, "d"}, "transform", noon);
  CHECK(read_letter(as_delivery(again, "raw.x.dead"))->attempt == 2);
}
