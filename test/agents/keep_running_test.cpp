#include <doctest/doctest.h>

#include "agents/keep_running.hpp"
#include "streaming/fault.hpp"
#include "test/fakes.hpp"

using namespace penstock;
using namespace penstock::test;
using namespace std::chrono_literals;

TEST_CASE("keep_running: a displaced member joins anew, and its end is the end") {
  FakeClock clock{};
  std::stop_source stop;
  int runs = 0;
  keep_running(
      stop.get_token(),
      [&] {
        if (++runs < 3) throw Fault{Fault::Kind::displaced, "fenced"};
      },
      clock);
  CHECK(runs == 3);
}

TEST_CASE("keep_running: displaced again and again within a minute, another one lives; over a longer time, none does") {
  FakeClock clock{};
  std::stop_source stop;
  int runs = 0;
  auto const displaced = [&](std::chrono::milliseconds each) {
    clock.advance(each);
    if (++runs < 20) throw Fault{Fault::Kind::displaced, "fenced"};
  };
  SUBCASE("often") {
    CHECK_THROWS_AS(keep_running(stop.get_token(), [&] { displaced(1s); }, clock), Fault);
    CHECK(runs == 5);
  }
  SUBCASE("rarely") {
    keep_running(stop.get_token(), [&] { displaced(20s); }, clock);
    CHECK(runs == 20);
  }
}

TEST_CASE("keep_running: what is not ready yet is tried again, without end; other faults end it at once, and so does a stop") {
  FakeClock clock{};
  std::stop_source stop;
  int runs = 0;
  keep_running(
      stop.get_token(),
      [&] {
        if (++runs < 100) throw Fault{Fault::Kind::transient, "no leader yet"};
      },
      clock);
  CHECK(runs == 100);
  CHECK_THROWS_AS(keep_running(
                      stop.get_token(),
                      [&] {
                        ++runs;
                        throw Fault{Fault::Kind::fatal, "no"};
                      },
                      clock),
                  Fault);
  CHECK(runs == 101);
  keep_running(
      stop.get_token(),
      [&] {
        ++runs;
        stop.request_stop();
        throw Fault{Fault::Kind::displaced, "fenced"};
      },
      clock);
  CHECK(runs == 102);
}
