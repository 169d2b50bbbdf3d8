/// Times: UTC, whole microseconds. Pure functions, callable from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace penstock {

using Time = std::chrono::sys_time<std::chrono::microseconds>;
using Duration = std::chrono::microseconds;

/// RFC 3339 in UTC with exactly six decimals: 2024-08-08T23:54:13.937085Z. RFC 3339 has years 0000 to 9999; a time
/// outside them is written as the first or last it has.
std::string to_text(Time time);
void append_text(std::string& out, Time time);
/// The same at a pointer, exactly time_text_bytes of it; returns the end.
inline constexpr std::size_t time_text_bytes = 27;
char* put_text(char* out, Time time);

/// Reads RFC 3339 with `Z` or an offset and any number of decimals (finer than microseconds are cut).
/// A leap second (:60, only at the end of a month in UTC) has the number of the second after it. Nothing where the text
/// is not a time.
std::optional<Time> parse_time(std::string_view text);

/// Unix times as providers send them. Nothing where the result would leave years 1970 to 9999.
std::optional<Time> from_seconds(std::int64_t seconds);
std::optional<Time> from_milliseconds(std::int64_t milliseconds);
std::optional<Time> from_microseconds(std::int64_t microseconds);

/// Where the loops get the time from, so that tests need not wait.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() const = 0;                                      ///< wall clock
  virtual std::chrono::steady_clock::time_point steady() const = 0;  ///< for intervals
  /// Returns early when stop is requested.
  virtual void sleep(std::chrono::milliseconds wait, std::stop_token const& stop) = 0;
};

/// The machine's own clock. Any thread.
Clock& system_clock();

}  // namespace penstock
