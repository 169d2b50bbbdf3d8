/// Records as lines of PostgreSQL's COPY text format: what psql reads and writes, to compare with what the store writes in
/// binary.
#pragma once

#include "schemas/fields.hpp"
#include "schemas/writer.hpp"

#include <format>
#include <string>

namespace penstock::test {

inline std::string copy_text(std::string const& text) {
  std::string out;
  append_at_most(out, bytes_per_byte_max * text.size(), [&](char* at) {
    return put_text(at, text, [](char* to, char c) {
      switch (c) {
        case '\\': return put(to, "\\\\");
        case '\n': return put(to, "\\n");
        case '\r': return put(to, "\\r");
        case '\t': return put(to, "\\t");
        case '\0': return put(to, replacement);
        default: *to++ = c; return to;
      }
    });
  });
  return out;
}
inline std::string copy_text(Decimal const& decimal) { return std::string{decimal.text()}; }
inline std::string copy_text(Time time) { return to_text(time); }
inline std::string copy_text(std::int64_t value) { return std::to_string(value); }
inline std::string copy_text(bool value) { return value ? "t" : "f"; }
inline std::string copy_text(Word auto value) { return std::string{word(value)}; }
inline std::string copy_text(Levels const& levels) {
  std::string out;
  for (auto const& [price, amount] : levels)
    out += std::format("{}{{{},{}}}", out.empty() ? "" : ",", price.text(), amount.text());
  return '{' + out + '}';
}
template <class Value>
std::string copy_text(std::optional<Value> const& value) {
  return copy_text(*value);
}

inline std::string copy_line(MarketRecord const& record) {
  return std::visit(
      []<class Kind>(Kind const& of_kind) {
        std::string line;
        for_each_field<Kind>([&]<std::size_t i>() {
          auto const& value = of_kind.*std::get<i>(fields<Kind>).member;
          line += (is_absent(value) ? "\\N" : copy_text(value)) + (i + 1 < field_count<Kind> ? '\t' : '\n');
        });
        return line;
      },
      record);
}

}  // namespace penstock::test
