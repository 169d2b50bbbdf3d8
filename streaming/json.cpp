#include "streaming/json.hpp"

#include <array>
#include <cstdio>

namespace penstock {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";
constexpr unsigned char delete_character = 0x7F;  // JSON lets it stand; a terminal does not show it.

// Bytes of the UTF-8 character that `text` begins with; 0: there is none (cut off, overlong, a surrogate, a stray byte).
std::size_t character_length(std::string_view text) {
  auto const byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  auto const first = byte(0), second = byte(1);
  if (first < 0x80) return 1;
  auto const length = first >= 0xC2 && first <= 0xDF   ? 2U
                      : (first & 0xF0U) == 0xE0        ? 3U
                      : first >= 0xF0 && first <= 0xF4 ? 4U
                                                       : 0U;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
  auto const overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  auto const beyond = (first == 0xED && second > 0x9F) || (first == 0xF4 && second > 0x8F);
  return overlong || beyond ? 0 : length;
}

void append_escaped(std::string& out, unsigned char c) {
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  std::array<char, 8> escape{};
  std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(c));
  out += escape.data();
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    auto const c = static_cast<unsigned char>(text.front());
    auto const length = character_length(text);
    if (length == 0)
      out += replacement;
    else if (c < 0x20 || c == '"' || c == '\\' || c == delete_character)
      append_escaped(out, c);
    else
      out += text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
}

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

}  // namespace penstock
