#include <doctest/doctest.h>

#include "agents/keep_place.hpp"
#include "streaming/fault.hpp"
#include "test/fakes.hpp"

using namespace penstock;
using namespace penstock::test;
using namespace std::chrono_literals;

TEST_CASE("keep_place: a displaced member joins anew, and its end is the end") {
  FakeClock clock{};
  std::stop_source stop;
  int runs = 0;
  keep_place(
      stop.get_token(),
      [&] {
        if (++runs < 3) throw Fault{Fault::Kind::displaced, "fenced"};
      },
      clock);
  CHECK(runs == 3);
}

TEST_CASE("keep_place: displaced again and again within a minute, another one lives; over a longer time, none does") {
  FakeClock clock{};
  std::stop_source stop;
  int runs = 0;
  auto const displaced = [&](std::chrono::milliseconds each) {
    clock.advance(each);
    if (++runs < 20) throw Fault{Fault::Kind::displaced, "fenced"};
  };
  SUBCASE("often") {
    CHECK_THROWS_AS(keep_place(stop.get_token(), [&] { displaced(1s); }, clock), Fault);
    CHECK(runs == 5);
  }
  SUBCASE("rarely") {
    keep_place(stop.get_token(), [&] { displaced(20s); }, clock);
    CHECK(runs == 20);
  }
}

TEST_CASE("keep_place: other faults end it at once, and so does a stop") {
  FakeClock clock{};
  std::stop_source stop;
  int runs = 0;
  CHECK_THROWS_AS(keep_place(
                      stop.get_token(),
                      [&] {
                        ++runs;
                        throw Fault{Fault::Kind::fatal, "no"};
                      },
                      clock),
                  Fault);
  stop.request_stop();
  keep_place(
      stop.get_token(),
      [&] {
        ++runs;
        throw Fault{Fault::Kind::displaced, "fenced"};
      },
      clock);
  CHECK(runs == 2);
}
