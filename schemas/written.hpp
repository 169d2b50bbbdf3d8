/// For the .cpp files of this folder: reading a record that is spelled as append_json() writes it. Any thread.
#pragma once

#include "schemas/fields.hpp"
#include "streaming/shape_reader.hpp"

namespace penstock::written {

inline bool read(ShapeReader& in, std::string_view& into) { return in.literal("\"") && in.text(into) && in.literal("\""); }
inline bool read(ShapeReader& in, std::string& into) {
  std::string_view text;
  if (!read(in, text) || text.size() > text_bytes_max) return false;
  into.assign(text);
  return true;
}
inline bool read(ShapeReader& in, Decimal& into) { return in.literal("\"") && in.decimal(into) && in.literal("\""); }
inline bool read(ShapeReader& in, Time& into) {
  return in.literal("\"") && in.time(into) && into >= year_one && in.literal("\"");
}
inline bool read(ShapeReader& in, std::int64_t& into) { return in.digits(into); }
inline bool read(ShapeReader& in, bool& into) { return in.boolean(into); }
template <Word Value>
bool read(ShapeReader& in, Value& into) {
  std::string_view text;
  auto const found = read(in, text) ? find_word<Value>(text) : std::nullopt;
  if (found) into = *found;
  return found.has_value();
}
inline bool read(ShapeReader& in, Levels& into) {
  if (!in.literal("[")) return false;
  if (in.literal("]")) return true;
  do {
    if (into.size() == levels_count_max) return false;
    auto& [price, amount] = into.emplace_back();
    if (!in.literal("[") || !read(in, price) || !in.literal(",") || !read(in, amount) || !in.literal("]")) return false;
  } while (in.literal(","));
  return in.literal("]");
}
template <class Value>
bool read(ShapeReader& in, std::optional<Value>& into) {
  return read(in, into.emplace());
}

/// False: it is spelled otherwise, or bad, and part of it may be in `record`.
template <class Kind>
[[gnu::flatten]] bool read_record(std::string_view json, Kind& record) {
  ShapeReader in{json};
  bool fits = true;
  for_each_field<Kind>([&]<std::size_t i>() {
    if (!fits) return;
    constexpr auto field = std::get<i>(fields<Kind>);
    if (in.literal(label<Kind, i>))
      fits = read(in, record.*field.member);
    else
      fits = field.presence == Presence::optional;
  });
  return fits && in.literal("}") && in.at_end();
}

}  // namespace penstock::written
