// What is hashed, so that it is the same on every machine (integers little-endian):
//   kind, 0, then `i` and the identity fields, or `c` and all fields but received_at (content)
//   text, words, decimals: length in 4 bytes, bytes · times, integers: 8 bytes · booleans: 1 byte
//   levels: count in 4 bytes, then prices and amounts · what may be absent: 1 byte 0, or 1 and the value
#include "schemas/fields.hpp"
#include "schemas/kinds.hpp"
#include "schemas/writer.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>

namespace penstock {
namespace {

std::size_t size_of(std::string_view text) { return 4 + text.size(); }
std::size_t size_of(Decimal const& decimal) { return size_of(decimal.text()); }
std::size_t size_of(Time) { return 8; }
std::size_t size_of(std::int64_t) { return 8; }
std::size_t size_of(bool) { return 1; }
std::size_t size_of(Word auto value) { return size_of(word(value)); }
std::size_t size_of(Levels const& levels) {
  std::size_t size = 4;
  for (auto const& level : levels) size += size_of(level.price) + size_of(level.amount);
  return size;
}
template <class Value>
std::size_t size_of(std::optional<Value> const& value) {
  return value ? 1 + size_of(*value) : 1;
}

template <class Integer>
char* put_bytes(char* at, Integer value) {
  if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
  std::memcpy(at, &value, sizeof value);
  return at + sizeof value;
}

char* put_value(char* at, std::string_view text) { return put(put_bytes(at, static_cast<std::uint32_t>(text.size())), text); }
char* put_value(char* at, Decimal const& decimal) { return put_value(at, decimal.text()); }
char* put_value(char* at, Time time) { return put_bytes(at, std::int64_t{time.time_since_epoch().count()}); }
char* put_value(char* at, std::int64_t value) { return put_bytes(at, value); }
char* put_value(char* at, bool value) {
  *at++ = value ? 1 : 0;
  return at;
}
char* put_value(char* at, Word auto value) { return put_value(at, word(value)); }
char* put_value(char* at, Levels const& levels) {
  at = put_bytes(at, static_cast<std::uint32_t>(levels.size()));
  for (auto const& level : levels) at = put_value(put_value(at, level.price), level.amount);
  return at;
}
template <class Value>
char* put_value(char* at, std::optional<Value> const& value) {
  *at++ = value ? 1 : 0;
  return value ? put_value(at, *value) : at;
}

template <class Kind>
constexpr bool may_lack_sequence = requires(Kind record) { record.sequence; };

template <class Kind>
bool by_content(Kind const& record) {
  if constexpr (std::ranges::contains(Kind::identity, std::string_view{"content"}))
    return true;
  else if constexpr (may_lack_sequence<Kind>)
    return !record.sequence;
  else
    return false;
}

/// Hashes the fields that `chosen` says.
template <auto chosen, class Kind>
std::uint64_t hash(Kind const& record, char tag) {
  thread_local std::string bytes;
  std::size_t size = Kind::kind.size() + 2;
  for_each_field<Kind>([&]<std::size_t i>() {
    if constexpr (chosen(std::get<i>(fields<Kind>).name)) size += size_of(record.*std::get<i>(fields<Kind>).member);
  });
  bytes.clear();
  append_at_most(bytes, size, [&](char* at) {
    at = put(at, Kind::kind);
    *at++ = '\0';
    *at++ = tag;
    for_each_field<Kind>([&]<std::size_t i>() {
      if constexpr (chosen(std::get<i>(fields<Kind>).name)) at = put_value(at, record.*std::get<i>(fields<Kind>).member);
    });
    return at;
  });
  return XXH3_64bits(bytes.data(), bytes.size());
}

template <class Kind>
[[gnu::flatten]] std::uint64_t identity(Kind const& record) {
  if (by_content(record)) return hash<[](std::string_view name) { return name != "received_at"; }>(record, 'c');
  return hash<[](std::string_view name) { return std::ranges::contains(Kind::identity, name); }>(record, 'i');
}

}  // namespace

std::uint64_t identity_of(MarketRecord const& record) {
  return std::visit([](auto const& of_kind) { return identity(of_kind); }, record);
}

}  // namespace penstock
