#include "agents/operate/clock_skew.hpp"

#include <format>
#include <locale>
#include <sstream>

namespace penstock {

Duration certain_skew(Time before, Time after, Time said, Duration unit) {
  if (said > after) return said - after;
  return said + unit < before ? said + unit - before : Duration{};
}

std::optional<Time> parse_http_date(std::string_view text) {
  std::istringstream in{std::string{text}};
  in.imbue(std::locale::classic());
  std::chrono::sys_seconds found;
  in >> std::chrono::parse("%a, %d %b %Y %H:%M:%S GMT", found);
  return in ? std::optional<Time>{found} : std::nullopt;
}

std::string skew_text(std::string_view whose, Duration skew) {
  auto const seconds = std::chrono::duration<double>(std::chrono::abs(skew)).count();
  if (std::chrono::abs(skew) <= skew_max) return {};
  return std::format("; {} clock is at least {:.1f} s {} this machine's: let both follow a time server (NTP)", whose, seconds,
                     skew > Duration{} ? "ahead of" : "behind");
}

}  // namespace penstock
