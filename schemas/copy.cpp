// Rows of PostgreSQL's binary COPY format: https://www.postgresql.org/docs/17/sql-copy.html. What stands in a field is what the
// type's receive function reads: numeric_recv, timestamptz_recv, array_recv … of its sources.
#include "schemas/fields.hpp"
#include "schemas/kinds.hpp"
#include "schemas/writer.hpp"
#include "streaming/big_endian.hpp"

namespace penstock {
namespace {

constexpr std::size_t length_bytes = 4;
constexpr std::size_t word_bytes_max = 16;
constexpr std::int32_t absent_length = -1;

/// Four bytes for the length of what `fill` writes after them.
template <class Fill>
char* put_with_length(char* at, Fill&& fill) {
  auto* const end = fill(at + length_bytes);
  put_big_endian(at, static_cast<std::int32_t>(end - at - static_cast<std::ptrdiff_t>(length_bytes)));
  return end;
}

// ---- numeric: digits to base 10,000, of which the first stands for 10,000^weight.

constexpr std::size_t group_digits = 4;
constexpr std::size_t numeric_head_bytes = 8;
constexpr std::uint16_t negative_sign = 0x4000;
constexpr std::int32_t numeric_oid = 1700;

/// Up to four digits; a shorter group of a fraction has zeros behind it.
std::int16_t group_of(std::string_view digits) {
  int value = 0;
  for (auto const digit : digits) value = value * 10 + (digit - '0');
  return static_cast<std::int16_t>(value);
}
std::int16_t fraction_group_of(std::string_view digits) {
  auto value = group_of(digits);
  for (auto missing = group_digits - digits.size(); missing > 0; --missing) value = static_cast<std::int16_t>(value * 10);
  return value;
}

char* put_value(char* at, Decimal const& decimal) {
  std::string_view whole = decimal.text();
  bool const negative = whole.starts_with('-');
  if (negative) whole.remove_prefix(1);
  auto const point = whole.find('.');
  auto fraction = point == std::string_view::npos ? std::string_view{} : whole.substr(point + 1);
  whole = whole.substr(0, point);
  auto const scale = static_cast<std::int16_t>(fraction.size());
  whole.remove_prefix(std::min(whole.find_first_not_of('0'), whole.size()));

  auto* const head = at;
  auto* const digits = at + numeric_head_bytes;
  at = digits;
  auto const weight = static_cast<std::int16_t>(static_cast<int>((whole.size() + group_digits - 1) / group_digits) - 1);
  if (!whole.empty()) {
    auto const first = (whole.size() - 1) % group_digits + 1;
    at = put_big_endian(at, group_of(whole.substr(0, first)));
    for (whole.remove_prefix(first); !whole.empty(); whole.remove_prefix(group_digits))
      at = put_big_endian(at, group_of(whole.substr(0, group_digits)));
  }
  for (; fraction.size() >= group_digits; fraction.remove_prefix(group_digits))
    at = put_big_endian(at, group_of(fraction.substr(0, group_digits)));
  if (!fraction.empty()) at = put_big_endian(at, fraction_group_of(fraction));

  auto const groups = static_cast<std::int16_t>((at - digits) / 2);
  auto* next = put_big_endian(head, groups);
  next = put_big_endian(next, weight);
  next = put_big_endian(next, negative ? negative_sign : std::uint16_t{0});
  put_big_endian(next, scale);
  return at;
}
std::size_t size_max(Decimal const& decimal) { return numeric_head_bytes + 4 + decimal.text().size() / 2; }

// ---- The others.

char* put_value(char* at, std::string const& text) {
  return put_text(at, text, [](char* to, char c) {
    if (c == '\0') return put(to, replacement);  // PostgreSQL's text cannot hold it.
    *to++ = c;
    return to;
  });
}
std::size_t size_max(std::string const& text) { return replacement.size() * text.size(); }

char* put_value(char* at, Time time) {
  constexpr Time epoch = std::chrono::sys_days{std::chrono::year{2000} / 1 / 1};
  return put_big_endian(at, static_cast<std::int64_t>((time - epoch).count()));
}
std::size_t size_max(Time) { return sizeof(std::int64_t); }

char* put_value(char* at, std::int64_t value) { return put_big_endian(at, value); }
std::size_t size_max(std::int64_t) { return sizeof(std::int64_t); }

char* put_value(char* at, bool value) { return put_big_endian(at, static_cast<std::int8_t>(value)); }
std::size_t size_max(bool) { return 1; }

char* put_value(char* at, Word auto value) { return put(at, word(value)); }
std::size_t size_max(Word auto) { return word_bytes_max; }

/// numeric[][] of two columns: {{61737.63,0.1},{61737.62,0}}
char* put_value(char* at, Levels const& levels) {
  constexpr std::int32_t no_nulls = 0, lower_bound = 1, columns = 2;
  auto const put_words = [&](std::initializer_list<std::int32_t> words) {
    for (auto const word : words) at = put_big_endian(at, word);
  };
  put_words({levels.empty() ? 0 : 2, no_nulls, numeric_oid});
  if (levels.empty()) return at;
  put_words({static_cast<std::int32_t>(levels.size()), lower_bound, columns, lower_bound});
  for (auto const& level : levels)
    for (auto const* each : {&level.price, &level.amount})
      at = put_with_length(at, [each](char* to) { return put_value(to, *each); });
  return at;
}
std::size_t size_max(Levels const& levels) {
  std::size_t size = 7 * sizeof(std::int32_t);
  for (auto const& level : levels) size += size_max(level.price) + size_max(level.amount) + 2 * length_bytes;
  return size;
}

template <class Value>
char* put_value(char* at, std::optional<Value> const& value) {
  return put_value(at, *value);
}
template <class Value>
std::size_t size_max(std::optional<Value> const& value) {
  return value ? size_max(*value) : 0;
}

// ----

template <class Kind>
[[gnu::flatten]] void append(std::string& out, Kind const& record) {
  auto size = sizeof(std::int16_t);
  for_each_field<Kind>([&]<std::size_t i>() { size += length_bytes + size_max(record.*std::get<i>(fields<Kind>).member); });
  append_at_most(out, size, [&](char* at) {
    at = put_big_endian(at, static_cast<std::int16_t>(field_count<Kind>));
    for_each_field<Kind>([&]<std::size_t i>() {
      auto const& value = record.*std::get<i>(fields<Kind>).member;
      at = is_absent(value) ? put_big_endian(at, absent_length)
                            : put_with_length(at, [&](char* to) { return put_value(to, value); });
    });
    return at;
  });
}

}  // namespace

void append_copy_row(std::string& out, MarketRecord const& record) {
  std::visit([&](auto const& of_kind) { append(out, of_kind); }, record);
}

}  // namespace penstock
