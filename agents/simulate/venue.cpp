#include "agents/simulate/venue.hpp"

namespace penstock::simulate {
namespace {
constexpr int overtaken_most = 8;
}

void Frames::add(http::Opcode opcode, std::string_view payload) {
  http::append_frame(bytes_, opcode, payload);
  ++count_;
}

Frames::Fate Frames::data(std::size_t stream, std::string_view payload) {
  if (late_ && late_->stream == stream) send_late();
  if ((drop_ | malformed_ | duplicate_ | reorder_) == 0) return add(http::Opcode::text, payload), Fate::sent;
  Random random{seed_ ^ std::hash<std::string_view>{}(payload)};
  auto const happens = [&](std::uint64_t limit) { return random.next() >> 32U < limit; };
  if (happens(drop_)) return Fate::dropped;
  if (happens(malformed_)) {
    kept_ = static_cast<std::size_t>(1 + random.below(static_cast<std::int64_t>(payload.size()) - 1));
    add(http::Opcode::text, payload.substr(0, kept_));
    return Fate::cut;
  }
  if (!late_ && happens(reorder_)) {
    late_ = Late{.stream = stream, .payload = std::string{payload}};
    return Fate::sent;
  }
  add(http::Opcode::text, payload);
  if (happens(duplicate_)) add(http::Opcode::text, payload);
  if (late_ && ++late_->overtaken_by == overtaken_most) send_late();
  return Fate::sent;
}

void Frames::send_late() {
  if (auto const late = std::exchange(late_, std::nullopt)) add(http::Opcode::text, late->payload);
}

void Frames::close(std::uint16_t code, std::string_view reason) {
  std::string payload{static_cast<char>(code >> 8U), static_cast<char>(code & 0xFFU)};
  payload += reason;
  add(http::Opcode::close, payload);
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
  for (auto const& part : split(query, '&')) {
    auto const equals = part.find('=');
    if (part.substr(0, equals) != name) continue;
    std::string value;
    auto const text = equals == std::string::npos ? std::string_view{} : std::string_view{part}.substr(equals + 1);
    for (std::size_t at = 0; at < text.size(); ++at) {
      unsigned code = 0;
      if (text[at] == '%' && at + 2 < text.size() &&
          std::from_chars(text.data() + at + 1, text.data() + at + 3, code, 16).ec == std::errc{}) {
        value += static_cast<char>(code);
        at += 2;
      } else {
        value += text[at] == '+' ? ' ' : text[at];
      }
    }
    return value;
  }
  return {};
}

std::optional<std::int64_t> to_integer(std::string_view text) {
  std::int64_t value = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    auto const end = text.find(separator);
    if (end != 0) parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

bool Budget::take(int weight, Now const& now) {
  auto const minute = std::chrono::floor<std::chrono::minutes>(now.wall).time_since_epoch().count();
  if (minute != minute_) {
    minute_ = minute;
    used_ = 0;
  }
  used_ += weight;
  return used_ <= per_minute_;
}

std::chrono::seconds Budget::until_next_minute(Now const& now) const {
  auto const next = std::chrono::floor<std::chrono::minutes>(now.wall) + std::chrono::minutes{1};
  return std::chrono::ceil<std::chrono::seconds>(next - now.wall);
}

}  // namespace penstock::simulate
