// Writing canonical records as JSON, by hand: it is on the way of every record.
#include "schemas/fields.hpp"
#include "schemas/kinds.hpp"
#include "schemas/writer.hpp"

namespace penstock {
namespace {

constexpr std::size_t word_bytes_max = 16;

// The most bytes that put_value writes.
std::size_t size_max(std::string const& text) { return bytes_per_byte_max * text.size() + 2; }
std::size_t size_max(Decimal const& decimal) { return decimal.put_bytes_max() + 2; }
std::size_t size_max(Time) { return time_text_bytes + 2; }
std::size_t size_max(std::int64_t) { return integer_bytes_max; }
std::size_t size_max(bool) { return 5; }
std::size_t size_max(Word auto) { return word_bytes_max + 2; }
std::size_t size_max(Levels const& levels) {
  std::size_t size = 2;
  for (auto const& level : levels) size += size_max(level.price) + size_max(level.amount) + 4;
  return size;
}
template <class Value>
std::size_t size_max(std::optional<Value> const& value) {
  return value ? size_max(*value) : 0;
}

char* escape(char* at, char c) {
  *at++ = '\\';
  switch (c) {
    case '"':
    case '\\': *at++ = c; return at;
    case '\b': *at++ = 'b'; return at;
    case '\f': *at++ = 'f'; return at;
    case '\n': *at++ = 'n'; return at;
    case '\r': *at++ = 'r'; return at;
    case '\t': *at++ = 't'; return at;
    default: break;
  }
  at = put(at, "u00");
  *at++ = c < 0x10 ? '0' : '1';
  *at++ = "0123456789abcdef"[c & 0x0F];
  return at;
}

/// Between quotes what put(at) writes.
template <class Put>
char* put_quoted(char* at, Put&& put) {
  *at++ = '"';
  at = put(at);
  *at++ = '"';
  return at;
}

char* put_value(char* at, std::string const& text) {
  return put_quoted(at, [&](char* from) { return put_text(from, text, escape); });
}
char* put_value(char* at, Decimal const& decimal) {
  return put_quoted(at, [&](char* from) { return decimal.put(from); });
}
char* put_value(char* at, Time time) {
  return put_quoted(at, [&](char* from) { return put_text(from, time); });
}
char* put_value(char* at, std::int64_t value) { return put(at, value); }
char* put_value(char* at, bool value) { return put(at, value ? "true" : "false"); }
char* put_value(char* at, Word auto value) {
  return put_quoted(at, [&](char* from) { return put(from, word(value)); });
}
char* put_value(char* at, Levels const& levels) {
  *at++ = '[';
  for (auto const& level : levels) {
    if (at[-1] == ']') *at++ = ',';
    *at++ = '[';
    at = put_value(at, level.price);
    *at++ = ',';
    at = put_value(at, level.amount);
    *at++ = ']';
  }
  *at++ = ']';
  return at;
}
template <class Value>
char* put_value(char* at, std::optional<Value> const& value) {
  return put_value(at, *value);
}

template <class Kind>
[[gnu::flatten]] void append(std::string& out, Kind const& record) {
  std::size_t size = 2;
  for_each_field<Kind>(
      [&]<std::size_t i>() { size += label<Kind, i>.size() + size_max(record.*std::get<i>(fields<Kind>).member); });
  append_at_most(out, size, [&](char* const begin) {
    char* at = begin;
    for_each_field<Kind>([&]<std::size_t i>() {
      auto const& value = record.*std::get<i>(fields<Kind>).member;
      if (is_absent(value)) return;
      at = put(at, {label<Kind, i>.data(), label<Kind, i>.size()});
      at = put_value(at, value);
    });
    *begin = '{';  // In place of a comma where the first field is absent.
    *at++ = '}';
    return at;
  });
}

}  // namespace

void append_json(std::string& out, MarketRecord const& record) {
  std::visit([&](auto const& of_kind) { append(out, of_kind); }, record);
}

}  // namespace penstock
