#include "streaming/repeat_limit.hpp"

#include <doctest/doctest.h>

using namespace penstock;
using namespace std::chrono_literals;

namespace {

RepeatLimit::Line line(std::string why) { return {.message = "away", .fields = {{"why", std::move(why)}}}; }

}  // namespace

TEST_CASE("repeats: the first passes, the others are counted, and the last stands for them") {
  RepeatLimit limit;
  RepeatLimit::Instant const start{};
  CHECK(limit.passes(line("after 1 ms"), start));
  for (int i = 0; i < 312; ++i) CHECK_FALSE(limit.passes(line("after " + std::to_string(i) + " ms"), start + 1s));
  CHECK(limit.passes(line("for another reason"), start + 1s));
  CHECK(limit.due(start + 9s).empty());
  auto const due = limit.due(start + 10s);
  REQUIRE(due.size() == 1);
  CHECK(due[0].times == 312);
  CHECK(due[0].last.fields[0].second == "after 311 ms");
  CHECK(limit.due(start + 10s).empty());
}

TEST_CASE("repeats: the wait doubles as long as it goes on, up to its limit, and ends with it") {
  RepeatLimit limit;
  RepeatLimit::Instant now{};
  CHECK(limit.passes(line("x"), now));
  for (auto const wait : {10s, 20s, 40s, 80s, 160s, 300s, 300s}) {
    CHECK_FALSE(limit.passes(line("x"), now));
    CHECK(limit.due(now + wait - 1s).empty());
    now += wait;
    CHECK(limit.due(now).size() == 1);
  }
  CHECK(limit.due(now + 300s).empty());
  CHECK(limit.passes(line("x"), now + 300s));
}

TEST_CASE("repeats: at the end nothing that was held back is kept quiet, and memory has a limit") {
  RepeatLimit limit;
  RepeatLimit::Instant const now{};
  CHECK(limit.passes(line("x"), now));
  CHECK(limit.all().empty());
  CHECK(limit.passes(line("x"), now));
  CHECK_FALSE(limit.passes(line("x"), now));
  CHECK(limit.all().size() == 1);
  for (std::size_t i = 0; i < RepeatLimit::lines_max; ++i) CHECK(limit.passes(line(std::string(i + 1, 'x')), now));
  CHECK(limit.passes(line("one more"), now));
  CHECK(limit.passes(line("one more"), now));
}
