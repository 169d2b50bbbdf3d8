// Rows of PostgreSQL's COPY text format: https://www.postgresql.org/docs/17/sql-copy.html
#include "schemas/fields.hpp"
#include "schemas/kinds.hpp"
#include "schemas/writer.hpp"

namespace penstock {
namespace {

constexpr std::size_t word_bytes_max = 16;

// The most bytes that put_value writes.
std::size_t size_max(std::string const& text) { return bytes_per_byte_max * text.size(); }
std::size_t size_max(Decimal const& decimal) { return decimal.text().size(); }
std::size_t size_max(Time) { return time_text_bytes; }
std::size_t size_max(std::int64_t) { return integer_bytes_max; }
std::size_t size_max(bool) { return 1; }
std::size_t size_max(Word auto) { return word_bytes_max; }
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
  switch (c) {
    case '\\': return put(at, "\\\\");
    case '\n': return put(at, "\\n");
    case '\r': return put(at, "\\r");
    case '\t': return put(at, "\\t");
    case '\0': return put(at, replacement);  // PostgreSQL's text cannot hold it.
    default: *at++ = c; return at;
  }
}

char* put_value(char* at, std::string const& text) { return put_text(at, text, escape); }
char* put_value(char* at, Decimal const& decimal) { return put(at, decimal.text()); }
char* put_value(char* at, Time time) { return put_text(at, time); }
char* put_value(char* at, std::int64_t value) { return put(at, value); }
char* put_value(char* at, bool value) {
  *at++ = value ? 't' : 'f';
  return at;
}
char* put_value(char* at, Word auto value) { return put(at, word(value)); }
/// numeric[][]: {{61737.63,0.1},{61737.62,0}}
char* put_value(char* at, Levels const& levels) {
  *at++ = '{';
  for (auto const& level : levels) {
    if (at[-1] == '}') *at++ = ',';
    *at++ = '{';
    at = put_value(at, level.price);
    *at++ = ',';
    at = put_value(at, level.amount);
    *at++ = '}';
  }
  *at++ = '}';
  return at;
}
template <class Value>
char* put_value(char* at, std::optional<Value> const& value) {
  return put_value(at, *value);
}

template <class Kind>
void append(std::string& out, Kind const& record) {
  std::size_t size = 0;
  for_each_field<Kind>([&]<std::size_t i>() { size += size_max(record.*std::get<i>(fields<Kind>).member) + 3; });
  append_at_most(out, size, [&](char* at) {
    for_each_field<Kind>([&]<std::size_t i>() {
      auto const& value = record.*std::get<i>(fields<Kind>).member;
      at = is_absent(value) ? put(at, "\\N") : put_value(at, value);
      *at++ = i + 1 < field_count<Kind> ? '\t' : '\n';
    });
    return at;
  });
}

}  // namespace

void append_copy_row(std::string& out, MarketRecord const& record) {
  std::visit([&](auto const& of_kind) { append(out, of_kind); }, record);
}

}  // namespace penstock
