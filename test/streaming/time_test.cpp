#include "streaming/time.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <stop_token>
#include <thread>

using namespace penstock;
using namespace std::chrono_literals;

namespace {

/// The text of what parse_time() reads.
std::string parsed(std::string_view text) {
  auto const time = parse_time(text);
  return time ? to_text(*time) : "nothing";
}

}  // namespace

TEST_CASE("time: text has exactly six decimals") {
  CHECK(to_text(Time{}) == "1970-01-01T00:00:00.000000Z");
  CHECK(to_text(Time{1us}) == "1970-01-01T00:00:00.000001Z");
  CHECK(to_text(Time{-1us}) == "1969-12-31T23:59:59.999999Z");
  CHECK(to_text(Time{1723161253937085us}) == "2024-08-08T23:54:13.937085Z");
  CHECK(to_text(Time{951782400000000us}) == "2000-02-29T00:00:00.000000Z");
  std::string text = "at ";
  append_text(text, Time{});
  CHECK(text == "at 1970-01-01T00:00:00.000000Z");
}

TEST_CASE("time: what RFC 3339 has no year for is written as its first or last time") {
  CHECK(to_text(Time::max()) == "9999-12-31T23:59:59.999999Z");
  CHECK(to_text(Time::min()) == "0000-01-01T00:00:00.000000Z");
}

TEST_CASE("time: RFC 3339 in all its spellings is read") {
  struct Case {
    char const* text;
    char const* utc;
  };
  for (auto const& [text, utc] : {Case{"2024-08-08T23:54:13.937085Z", "2024-08-08T23:54:13.937085Z"},
                                  Case{"2024-08-08T23:54:13Z", "2024-08-08T23:54:13.000000Z"},
                                  Case{"2024-08-08t23:54:13.9z", "2024-08-08T23:54:13.900000Z"},
                                  Case{"2024-08-08T23:54:13.937085999999Z", "2024-08-08T23:54:13.937085Z"},
                                  Case{"2024-08-09T01:54:13.5+02:00", "2024-08-08T23:54:13.500000Z"},
                                  Case{"2024-08-08T19:24:13-04:30", "2024-08-08T23:54:13.000000Z"},
                                  Case{"2024-08-08T23:54:13-00:00", "2024-08-08T23:54:13.000000Z"},
                                  Case{"2024-02-29T23:59:59.999999+00:00", "2024-02-29T23:59:59.999999Z"},
                                  Case{"2024-12-31T23:59:59-23:59", "2025-01-01T23:58:59.000000Z"},
                                  Case{"0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000000Z"},
                                  Case{"9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.999999Z"}}) {
    CAPTURE(text);
    CHECK(parsed(text) == utc);
  }
}

TEST_CASE("time: a leap second has the number of the second after it") {
  CHECK(parsed("2016-12-31T23:59:60Z") == "2017-01-01T00:00:00.000000Z");
  CHECK(parsed("2016-12-31T23:59:60.25Z") == "2017-01-01T00:00:00.250000Z");
  CHECK(parsed("2015-06-30T19:59:60-04:00") == "2015-07-01T00:00:00.000000Z");
  for (auto const text : {"2016-12-30T23:59:60Z", "2016-12-31T23:58:60Z", "2016-12-31T12:59:60Z", "2016-12-31T23:59:60+01:00",
                          "9999-12-31T23:59:60Z"}) {
    CAPTURE(text);
    CHECK(parsed(text) == "nothing");
  }
}

TEST_CASE("time: what is not a time is nothing") {
  for (auto const text : {"",
                          "2024",
                          "2024-08-08",
                          "2024-08-08T23:54Z",
                          "2024-08-08T23:54:13",
                          "2024-08-08 23:54:13Z",
                          "2024-08-08T23:54:13.Z",
                          "2024-08-08T23:54:13,5Z",
                          "2024-08-08T23:54:13+0200",
                          "2024-08-08T23:54:13+02",
                          "2024-08-08T23:54:13+24:00",
                          "2024-08-08T23:54:13+02:60",
                          "2024-08-08T23:54:13ZZ",
                          "2024-08-08T23:54:13Z ",
                          " 2024-08-08T23:54:13Z",
                          "2023-02-29T00:00:00Z",
                          "2100-02-29T00:00:00Z",
                          "2024-02-30T00:00:00Z",
                          "2024-13-01T00:00:00Z",
                          "2024-00-01T00:00:00Z",
                          "2024-01-00T00:00:00Z",
                          "2024-01-32T00:00:00Z",
                          "2024-04-31T00:00:00Z",
                          "2024-01-01T24:00:00Z",
                          "2024-01-01T00:60:00Z",
                          "2024-01-01T00:00:61Z",
                          "24-01-01T00:00:00Z",
                          "12024-01-01T00:00:00Z",
                          "-024-01-01T00:00:00Z",
                          "2024-1-1T0:0:0Z",
                          "0000-01-01T00:00:00+00:01",
                          "9999-12-31T23:59:59-00:01",
                          "1723161253",
                          "NaN"}) {
    CAPTURE(text);
    CHECK(parsed(text) == "nothing");
  }
}

TEST_CASE("time: every truncation of a time is nothing") {
  for (std::string_view const text : {"2024-08-08T23:54:13.937085Z", "2024-08-08T23:54:13.937085+02:00"})
    for (std::size_t size = 0; size < text.size(); ++size) {
      CAPTURE(size);
      CHECK(parsed(text.substr(0, size)) == "nothing");
    }
}

TEST_CASE("time: a day that was read before reads as one that was not") {
  std::string_view const other_day = "1999-12-31T00:00:00Z";
  for (std::string_view const text : {"2024-08-08T23:54:13.937085Z", "2024-08-08T23:54:13.937Z"})
    for (std::size_t at = 0; at < text.size(); ++at)
      for (char const c : {'0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '/', ':', '-', '.', 'z', ' ', '\xB0'}) {
        std::string changed{text};
        changed[at] = c;
        CAPTURE(changed);
        parse_time(other_day);
        auto const read = parsed(changed);
        parse_time(text);
        CHECK(parsed(changed) == read);
      }
}

TEST_CASE("time: where no day was read or written before, bytes that are none are nothing") {
  std::string read;
  std::jthread{[&] { read = parsed(std::string(11, '\0') + "12:34:56.000000Z"); }}.join();
  CHECK(read == "nothing");
}

TEST_CASE("time: text and back gives the same microsecond") {
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random{seed};
  std::uniform_int_distribution<std::int64_t> microseconds{-62'167'219'200'000'000, 253'402'300'799'999'999};
  for (int round = 0; round < 20'000; ++round) {
    Time const time{Duration{microseconds(random)}};
    auto const text = to_text(time);
    CAPTURE(text);
    CHECK(text.size() == time_text_bytes);
    CHECK(parse_time(text) == time);
  }
}

TEST_CASE("time: Unix times count from 1970 to the end of 9999") {
  CHECK(to_text(from_seconds(1'723'161'253).value()) == "2024-08-08T23:54:13.000000Z");
  CHECK(to_text(from_milliseconds(1'723'161'253'937).value()) == "2024-08-08T23:54:13.937000Z");
  CHECK(to_text(from_microseconds(1'723'161'253'937'085).value()) == "2024-08-08T23:54:13.937085Z");
  CHECK(from_seconds(0) == Time{});
  CHECK(from_milliseconds(0) == Time{});
  CHECK(from_microseconds(0) == Time{});

  CHECK(to_text(from_seconds(253'402'300'799).value()) == "9999-12-31T23:59:59.000000Z");
  CHECK(to_text(from_milliseconds(253'402'300'799'999).value()) == "9999-12-31T23:59:59.999000Z");
  CHECK(to_text(from_microseconds(253'402'300'799'999'999).value()) == "9999-12-31T23:59:59.999999Z");
  CHECK_FALSE(from_seconds(253'402'300'800));
  CHECK_FALSE(from_milliseconds(253'402'300'800'000));
  CHECK_FALSE(from_microseconds(253'402'300'800'000'000));

  for (auto const far : {std::int64_t{-1}, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    CHECK_FALSE(from_seconds(far));
    CHECK_FALSE(from_milliseconds(far));
    CHECK_FALSE(from_microseconds(far));
  }
}

TEST_CASE("time: a sleep ends when stop is requested") {
  std::stop_source stop;
  std::jthread const stopper{[&] { stop.request_stop(); }};
  system_clock().sleep(1h, stop.get_token());
  CHECK(stop.stop_requested());
  system_clock().sleep(1h, stop.get_token());
  system_clock().sleep(0ms, {});
}
