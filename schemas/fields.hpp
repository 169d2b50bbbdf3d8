/// For the .cpp files of this folder: walking a kind's fields, and what kinds of values they hold. Any thread.
#pragma once

#include "schemas/kinds.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <type_traits>
#include <utility>

namespace penstock {

template <class Kind>
inline constexpr auto fields = all_fields<Kind>();
template <class Kind>
inline constexpr std::size_t field_count = std::tuple_size_v<decltype(all_fields<Kind>())>;

/// Names of a kind's fields, in order: JSON keys and SQL columns.
template <class Kind>
inline constexpr auto field_names = std::apply([](auto const&... field) { return std::array{field.name...}; }, fields<Kind>);

/// {"name": of the first, ,"name": of the others.
template <class Kind, std::size_t i>
inline constexpr auto label = [] {
  constexpr auto name = std::get<i>(fields<Kind>).name;
  std::array<char, name.size() + 4> text{};
  char* at = text.data();
  *at++ = i == 0 ? '{' : ',';
  *at++ = '"';
  for (char const c : name) *at++ = c;
  *at++ = '"';
  *at++ = ':';
  return text;
}();

/// Calls `visit.operator()<i>()` for every field, in order; inside, `std::get<i>(fields<Kind>)` is a constant.
template <class Kind, class Visit>
constexpr void for_each_field(Visit&& visit) {
  [&]<std::size_t... i>(std::index_sequence<i...>) {
    (visit.template operator()<i>(), ...);
  }(std::make_index_sequence<field_count<Kind>>{});
}

/// Calls `visit.operator()<Kind>()` for the kind of that name and returns its answer; `otherwise` for an unknown one.
template <class Answer, class Visit>
Answer with_kind(std::string_view kind, Answer otherwise, Visit&& visit) {
  [&]<class... Kind>(std::type_identity<std::variant<Kind...>>) {
    (void)((Kind::kind == kind && (otherwise = visit.template operator()<Kind>(), true)) || ...);
  }(std::type_identity<MarketRecord>{});
  return otherwise;
}

/// PostgreSQL has no time before it.
inline constexpr Time year_one{std::chrono::sys_days{std::chrono::year{1} / 1 / 1}};

template <class Value>
concept Word = std::is_enum_v<Value>;

// The words of each closed list, in the order of its enum.
constexpr std::span<std::string_view const> words(std::type_identity<Side>) {
  static constexpr std::array<std::string_view, 2> list{"buy", "sell"};
  return list;
}
constexpr std::span<std::string_view const> words(std::type_identity<BookType>) {
  static constexpr std::array<std::string_view, 2> list{"snapshot", "update"};
  return list;
}
constexpr std::span<std::string_view const> words(std::type_identity<GapCause>) {
  static constexpr std::array<std::string_view, 7> list{"sequence", "checksum", "reconnect", "late-join",
                                                        "stale",    "refused",  "spool-full"};
  return list;
}
constexpr std::span<std::string_view const> words(std::type_identity<GapState>) {
  static constexpr std::array<std::string_view, 3> list{"open", "filled", "unfillable"};
  return list;
}
constexpr std::span<std::string_view const> words(std::type_identity<Origin>) {
  static constexpr std::array<std::string_view, 3> list{"live", "snapshot", "backfill"};
  return list;
}

template <Word Value>
constexpr std::string_view word(Value value) {
  return words(std::type_identity<Value>{})[static_cast<std::size_t>(value)];
}

/// Nothing where it is none of the list.
template <Word Value>
std::optional<Value> find_word(std::string_view text) {
  auto const list = words(std::type_identity<Value>{});
  auto const found = std::ranges::find(list, text);
  if (found == list.end()) return {};
  return static_cast<Value>(found - list.begin());
}

inline bool is_absent(std::string const& text) { return text.empty(); }
inline bool is_absent(Decimal const& decimal) { return decimal.empty(); }
template <class Value>
bool is_absent(std::optional<Value> const& value) {
  return !value.has_value();
}
template <class Value>
bool is_absent(Value const&) {
  return false;
}

}  // namespace penstock
