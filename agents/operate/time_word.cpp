#include "agents/operate/time_word.hpp"

#include "streaming/whole_number.hpp"

namespace penstock {

std::optional<Duration> parse_span(std::string_view text) {
  auto const number = text.empty() ? std::nullopt : whole_number<std::int32_t>(text.substr(0, text.size() - 1));
  if (!number) return std::nullopt;
  switch (text.back()) {
    case 's': return std::chrono::seconds{*number};
    case 'm': return std::chrono::minutes{*number};
    case 'h': return std::chrono::hours{*number};
    case 'd': return std::chrono::days{*number};
    default: return std::nullopt;
  }
}

std::optional<Time> parse_time_or_ago(std::string_view text, Time now) {
  if (auto const time = parse_time(text)) return time;
  auto const span = parse_span(text);
  return span ? std::optional{now - *span} : std::nullopt;
}

}  // namespace penstock
