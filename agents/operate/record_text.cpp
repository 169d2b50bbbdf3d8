#include "agents/operate/record_text.hpp"

#include "streaming/json.hpp"
#include "streaming/whole_number.hpp"

#include <simdjson.h>

#include <algorithm>
#include <format>
#include <iterator>

namespace penstock {

std::optional<std::pair<Partition, Offset>> parse_place(std::string_view text) {
  auto const at = text.find('@');
  if (at == std::string_view::npos) return std::nullopt;
  auto const partition = whole_number<std::int32_t>(text.substr(0, at));
  auto const offset = whole_number<std::int64_t>(text.substr(at + 1));
  if (!partition || !offset) return std::nullopt;
  return std::pair{Partition{*partition}, Offset{*offset}};
}

std::string place_text(Position const& position) {
  return std::format("{}@{}", to_integer(position.partition), to_integer(position.offset));
}

std::string visible(std::string_view bytes, std::size_t most) {
  std::string out;
  auto const shown = bytes.substr(0, most);
  bool const is_text = simdjson::validate_utf8(bytes.data(), bytes.size());
  for (std::size_t i = 0; i < shown.size(); ++i) {
    auto const byte = static_cast<unsigned char>(shown[i]);
    // U+0080 to U+009F are control characters, too.
    bool const is_c1 = byte == 0xC2 && i + 1 < shown.size() && static_cast<unsigned char>(shown[i + 1]) < 0xA0;
    if (byte == '\n' || byte == '\r' || byte == '\t')
      out += ' ';
    else if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !is_text))
      out += std::format("\\x{:02x}", byte);
    else if (is_c1)
      out += std::format("\\x{:02x}\\x{:02x}", byte, static_cast<unsigned char>(shown[++i]));
    else
      out += shown[i];
  }
  if (bytes.size() > most) out += std::format("… ({} bytes)", bytes.size());
  return out;
}

namespace {

bool is_json(std::string_view bytes) {
  thread_local simdjson::dom::parser parser;
  simdjson::dom::element record;
  return parser.parse(bytes.data(), bytes.size()).get(record) == simdjson::SUCCESS;
}

/// The end of the text in quotes that begins at `from`.
std::size_t text_end(std::string_view json, std::size_t from) {
  auto at = from + 1;
  while (at < json.size() && json[at] != '"') at += json[at] == '\\' ? 2 : 1;
  return std::min(at + 1, json.size());
}

}  // namespace

std::string json_value(std::string_view bytes) {
  if (!is_json(bytes)) return json_string(bytes);
  // Its own spelling, not a parsed one: numbers must not change. A line break between tokens is only a space.
  std::string out;
  std::ranges::replace_copy_if(bytes, std::back_inserter(out), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return out;
}

std::string indented_json(std::string_view bytes) {
  if (!is_json(bytes)) return visible(bytes);
  std::string out;
  std::size_t depth = 0;
  auto const line = [&] { out.append("\n").append(2 * depth, ' '); };
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    char const c = bytes[at];
    if (c == '"') {
      auto const end = text_end(bytes, at);
      out += visible(bytes.substr(at, end - at));
      at = end - 1;
    } else if (c == '{' || c == '[') {
      auto const next = bytes.find_first_not_of(" \t\r\n", at + 1);
      out += c;
      if (bytes[next] == '}' || bytes[next] == ']') {
        out += bytes[next];
        at = next;
        continue;
      }
      ++depth;
      line();
    } else if (c == '}' || c == ']') {
      --depth;
      line();
      out += c;
    } else if (c == ',') {
      out += c;
      line();
    } else if (c == ':') {
      out += ": ";
    } else if (!std::string_view{" \t\r\n"}.contains(c)) {
      out += c;
    }
  }
  return out;
}

std::string json_of(Delivery const& delivery) {
  std::string out = R"({"topic":)";
  append_json_string(out, delivery.position.topic);
  out += std::format(R"(,"partition":{},"offset":{},"timestamp":"{}","key":)", to_integer(delivery.position.partition),
                     to_integer(delivery.position.offset), to_text(delivery.timestamp));
  append_json_string(out, delivery.key);
  out += R"(,"headers":[)";
  for (auto const& [name, value] : delivery.headers) {
    out += out.back() == '[' ? "[" : ",[";
    append_json_string(out, name);
    out += ',';
    append_json_string(out, value);
    out += ']';
  }
  return out + R"(],"value":)" + json_value(delivery.value) + '}';
}

}  // namespace penstock
