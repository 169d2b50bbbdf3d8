#include "streaming/time.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstring>
#include <mutex>

namespace penstock {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr Time earliest{sys_days{std::chrono::year{0} / 1 / 1}};
constexpr Time latest{sys_days{std::chrono::year{10000} / 1 / 1} - Duration{1}};
constexpr std::int64_t latest_seconds = floor<seconds>(latest).time_since_epoch().count();

constexpr auto two_digits = [] {
  std::array<std::array<char, 2>, 100> made{};
  for (std::size_t i = 0; i < made.size(); ++i) made[i] = {static_cast<char>('0' + i / 10), static_cast<char>('0' + i % 10)};
  return made;
}();
void put_two(char* out, unsigned value) { std::memcpy(out, two_digits[value].data(), 2); }

/// What the day that was written last looks like: the next one is most often the same.
struct WrittenDay {
  static WrittenDay& of_thread() {
    thread_local WrittenDay day;
    return day;
  }
  WrittenDay() { write({}); }

  sys_days day;
  std::array<char, time_text_bytes> text;  ///< of its midnight

  void write(sys_days wanted) {
    day = wanted;
    year_month_day const date{day};
    auto const year = static_cast<unsigned>(static_cast<int>(date.year()));
    std::memcpy(text.data(), "0000-00-00T00:00:00.000000Z", text.size());
    put_two(text.data(), year / 100);
    put_two(text.data() + 2, year % 100);
    put_two(text.data() + 5, static_cast<unsigned>(date.month()));
    put_two(text.data() + 8, static_cast<unsigned>(date.day()));
  }
};

/// Takes text from the front; after the first thing that is not there, everything fails.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : at_{text.data()}, end_{text.data() + text.size()} {}

  int number(int digits) {
    if (end_ - at_ < digits) return fail();
    int value = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      if (*at_ < '0' || *at_ > '9') return fail();
      value = value * 10 + (*at_ - '0');
    }
    return value;
  }
  /// One of the two characters is next; they are the same letter in both cases.
  bool accept(char one, char other) {
    if (at_ == end_ || (*at_ != one && *at_ != other)) return false;
    ++at_;
    return true;
  }
  bool accept(char one) { return accept(one, one); }
  void expect(char one, char other) {
    if (!accept(one, other)) fail();
  }
  void expect(char one) { expect(one, one); }

  /// Digits after the point as microseconds; finer ones are cut.
  int microseconds() {
    int value = 0;
    int digits = 0;
    for (; at_ != end_ && *at_ >= '0' && *at_ <= '9'; ++at_, ++digits)
      if (digits < 6) value = value * 10 + (*at_ - '0');
    if (digits == 0) return fail();
    for (; digits < 6; ++digits) value *= 10;
    return value;
  }
  bool done() const { return good_ && at_ == end_; }

 private:
  int fail() {
    good_ = false;
    at_ = end_;
    return 0;
  }
  char const* at_;
  char const* end_;
  bool good_ = true;
};

}  // namespace

char* put_text(char* text, Time time) {
  time = std::clamp(time, earliest, latest);
  auto const day = floor<days>(time);
  auto& written = WrittenDay::of_thread();
  if (written.day != day) written.write(day);
  std::memcpy(text, written.text.data(), written.text.size());
  auto const rest = static_cast<std::uint64_t>((time - day).count());
  auto const second_of_day = static_cast<unsigned>(rest / 1'000'000);
  auto const microsecond = static_cast<unsigned>(rest % 1'000'000);
  put_two(text + 11, second_of_day / 3600);
  put_two(text + 14, second_of_day / 60 % 60);
  put_two(text + 17, second_of_day % 60);
  put_two(text + 20, microsecond / 10000);
  put_two(text + 22, microsecond / 100 % 100);
  put_two(text + 24, microsecond % 100);
  return text + time_text_bytes;
}

void append_text(std::string& out, Time time) {
  char text[time_text_bytes];
  out.append(text, put_text(text, time));
}

std::string to_text(Time time) {
  std::string text;
  append_text(text, time);
  return text;
}

namespace {

/// As put_text() writes it, or with milliseconds only, on the day that was written or read last.
std::optional<Time> parse_written(std::string_view text) {
  constexpr std::size_t milliseconds_bytes = time_text_bytes - 3;
  auto const& [day, midnight] = WrittenDay::of_thread();
  if (text.size() != time_text_bytes && text.size() != milliseconds_bytes) return {};
  if (std::memcmp(text.data(), midnight.data(), 11) != 0) return {};
  bool good = text[13] == ':' && text[16] == ':' && text[19] == '.' && text.back() == 'Z';
  auto const one = [&](std::size_t at) {
    auto const digit = static_cast<unsigned>(text[at] - '0');
    good = good && digit < 10;
    return digit;
  };
  auto const two = [&](std::size_t at) { return one(at) * 10 + one(at + 1); };
  auto const hour = two(11), minute = two(14), second = two(17);
  auto microsecond = two(20) * 10'000 + one(22) * 1'000;
  if (text.size() == time_text_bytes) microsecond += one(23) * 100 + two(24);
  if (!good || hour > 23 || minute > 59 || second > 59) return {};
  return day + seconds{(hour * 60 + minute) * 60 + second} + Duration{microsecond};
}

}  // namespace

std::optional<Time> parse_time(std::string_view text) {
  if (auto const time = parse_written(text)) return time;
  Scanner scan{text};
  int const year = scan.number(4);
  scan.expect('-');
  int const month = scan.number(2);
  scan.expect('-');
  int const day = scan.number(2);
  scan.expect('T', 't');
  int const hour = scan.number(2);
  scan.expect(':');
  int const minute = scan.number(2);
  scan.expect(':');
  int const second = scan.number(2);
  int const microsecond = scan.accept('.') ? scan.microseconds() : 0;
  int offset_minutes = 0;
  if (!scan.accept('Z', 'z')) {
    bool const west = scan.accept('-');
    if (!west) scan.expect('+');
    int const offset_hour = scan.number(2);
    scan.expect(':');
    int const offset_minute = scan.number(2);
    if (offset_hour > 23 || offset_minute > 59) return {};
    offset_minutes = (offset_hour * 60 + offset_minute) * (west ? -1 : 1);
  }
  if (!scan.done()) return {};

  year_month_day const date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                            std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return {};
  auto const whole = sys_days{date} + hours{hour} + minutes{minute - offset_minutes} + seconds{second};
  // A leap second is the last of a month in UTC. As in Unix time it has the number of the second after it.
  if (second == 60) {
    auto const next_day = floor<days>(whole);
    if (whole != next_day || year_month_day{next_day}.day() != std::chrono::day{1}) return {};
  }
  Time const time = whole + Duration{microsecond};
  if (time < earliest || time > latest) return {};
  if (auto& written = WrittenDay::of_thread(); written.day != sys_days{date}) written.write(date);
  return time;
}

std::optional<Time> from_seconds(std::int64_t seconds) {
  if (seconds < 0 || seconds > latest_seconds) return {};
  return Time{Duration{seconds * 1'000'000}};
}

std::optional<Time> from_milliseconds(std::int64_t milliseconds) {
  if (milliseconds < 0 || milliseconds / 1'000 > latest_seconds) return {};
  return Time{Duration{milliseconds * 1'000}};
}

std::optional<Time> from_microseconds(std::int64_t microseconds) {
  if (microseconds < 0 || microseconds / 1'000'000 > latest_seconds) return {};
  return Time{Duration{microseconds}};
}

namespace {

class SystemClock final : public Clock {
 public:
  Time now() const override { return floor<Duration>(std::chrono::system_clock::now()); }
  std::chrono::steady_clock::time_point steady() const override { return std::chrono::steady_clock::now(); }
  void sleep(std::chrono::milliseconds wait, std::stop_token const& stop) override {
    std::mutex mutex;
    std::condition_variable_any woken;
    std::unique_lock lock{mutex};
    woken.wait_for(lock, stop, wait, [] { return false; });
  }
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

}  // namespace penstock
