/// What can be said of another machine's clock.
#include "agents/operate/clock_skew.hpp"

#include <doctest/doctest.h>

using namespace penstock;
using namespace std::chrono_literals;

TEST_CASE("skew: only what is certain counts, whatever the answer took") {
  Time const now = *parse_time("2026-01-31T12:00:00Z");
  CHECK(certain_skew(now, now + 10s, now + 3s) == 0s);  // Somewhere in these ten seconds.
  CHECK(certain_skew(now, now + 10s, now + 15s) == 5s);
  CHECK(certain_skew(now, now + 10s, now - 4s) == -4s);
  CHECK(certain_skew(now, now + 1s, now - 4s, 1s) == -3s);  // It said whole seconds.
  CHECK(certain_skew(now + 900ms, now + 950ms, now, 1s) == 0s);
}

TEST_CASE("skew: HTTP's dates are read, other texts are none") {
  CHECK(parse_http_date("Sat, 31 Jan 2026 12:00:00 GMT") == *parse_time("2026-01-31T12:00:00Z"));
  for (auto const* text : {"", "now", "2026-01-31T12:00:00Z", "Sat, 31 Foo 2026 12:00:00 GMT"})
    CHECK_FALSE(parse_http_date(text));
}

TEST_CASE("skew: up to a second it is not spoken of") {
  CHECK(skew_text("its", 1s).empty());
  CHECK(skew_text("its", -2500ms) == "; its clock is at least 2.5 s behind this machine's: let both follow a time server (NTP)");
  CHECK(skew_text("its", 90s).contains("90.0 s ahead of this machine's"));
}
