/// Records of every kind for the tests of schemas/, made from the field lists.
#pragma once

#include "schemas/fields.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <random>
#include <string>
#include <vector>

namespace penstock::samples {

inline Decimal decimal(std::string_view text) { return Decimal::parse(text).value(); }
inline Time time(std::string_view text) { return parse_time(text).value(); }

inline void fill(std::string& value, std::string_view name) { value = std::string{name} + "-1"; }
inline void fill(Decimal& value, std::string_view name) { value = decimal(std::to_string(name.size()) + ".10"); }
inline void fill(Time& value, std::string_view name) {
  value = time("2024-08-08T23:54:13.937085Z") + std::chrono::seconds{static_cast<long>(name.size())};
}
inline void fill(std::int64_t& value, std::string_view name) { value = 10 + static_cast<std::int64_t>(name.size()); }
inline void fill(bool& value, std::string_view) { value = true; }
inline void fill(Levels& value, std::string_view name) {
  value = {{decimal(std::to_string(name.size()) + ".50"), decimal("0.10")}, {decimal("3"), decimal("0")}};
}
template <Word Value>
void fill(Value& value, std::string_view) {
  value = static_cast<Value>(words(std::type_identity<Value>{}).size() - 1);
}
template <class Value>
void fill(std::optional<Value>& value, std::string_view name) {
  fill(value.emplace(), name);
}

/// Every field has a value, each another one.
template <class Kind>
Kind full() {
  Kind record;
  for_each_field<Kind>([&]<std::size_t i>() { fill(record.*std::get<i>(fields<Kind>).member, std::get<i>(fields<Kind>).name); });
  return record;
}

/// Only what is required.
template <class Kind>
Kind bare() {
  Kind record;
  for_each_field<Kind>([&]<std::size_t i>() {
    if constexpr (std::get<i>(fields<Kind>).presence == Presence::required)
      fill(record.*std::get<i>(fields<Kind>).member, std::get<i>(fields<Kind>).name);
  });
  return record;
}

/// Values at the edges of what their types hold, and some optional fields absent.
class Random {
 public:
  explicit Random(unsigned seed) : engine_{seed} {}

  template <class Kind>
  Kind record() {
    Kind record;
    for_each_field<Kind>([&]<std::size_t i>() {
      if (std::get<i>(fields<Kind>).presence == Presence::required || below(2) == 0)
        value(record.*std::get<i>(fields<Kind>).member);
    });
    return record;
  }
  std::size_t below(std::size_t end) { return std::uniform_int_distribution<std::size_t>{0, end - 1}(engine_); }

 private:
  void value(std::string& into) {
    static std::vector<std::string> const pieces{"a",
                                                 "BTC/USDT",
                                                 "\"",
                                                 "\\",
                                                 "\n",
                                                 "\t",
                                                 "\r",
                                                 "\x01",
                                                 "\x1f",
                                                 "\x7f",
                                                 "\xC3\xA4",
                                                 "\xE2\x82\xAC",
                                                 "\\N",
                                                 "\\.",
                                                 "{",
                                                 ",",
                                                 "'",
                                                 "\xF0\x9F\x93\x88",
                                                 "\xED\x9F\xBF",
                                                 "\xEF\xBF\xBF",
                                                 " "};
    for (auto count = 1 + below(12); count > 0; --count) into += pieces[below(pieces.size())];
  }
  void value(Decimal& into) {
    std::string text =
        below(4) == 0 ? "0" : std::to_string(1 + below(9)) + std::string(below(100), static_cast<char>('0' + below(10)));
    if (below(2) == 0) text += '.' + std::string(1 + below(100), static_cast<char>('0' + below(10)));
    into = decimal(text);
    // PostgreSQL has no -0.
    if (!into.is_zero() && below(3) == 0) into = decimal('-' + text);
  }
  void value(Time& into) {
    into = Time{Duration{std::uniform_int_distribution<std::int64_t>{-62'135'596'800'000'000, 253'402'300'799'999'999}(engine_)}};
  }
  void value(std::int64_t& into) {
    into = std::uniform_int_distribution<std::int64_t>{std::numeric_limits<std::int64_t>::min(),
                                                       std::numeric_limits<std::int64_t>::max()}(engine_);
  }
  void value(bool& into) { into = below(2) == 0; }
  void value(Levels& into) {
    into.resize(below(5));
    for (auto& level : into) {
      value(level.price);
      value(level.amount);
    }
  }
  template <Word Value>
  void value(Value& into) {
    into = static_cast<Value>(below(words(std::type_identity<Value>{}).size()));
  }
  template <class Value>
  void value(std::optional<Value>& into) {
    value(into.emplace());
  }
  std::mt19937 engine_;
};

/// Calls `visit.operator()<Kind>()` for every kind; a failed check says which it was.
template <class Visit>
void for_each_kind(Visit&& visit) {
  for (auto const kind : kind_names) {
    CAPTURE(kind);
    with_kind(kind, 0, [&]<class Kind>() {
      visit.template operator()<Kind>();
      return 0;
    });
  }
}

inline std::string json_of(MarketRecord const& record) {
  std::string json;
  append_json(json, record);
  return json;
}
inline std::string copy_row_of(MarketRecord const& record) {
  std::string row;
  append_copy_row(row, record);
  return row;
}

/// "reason: detail", or "record".
inline std::string outcome(std::string_view kind, std::string_view json) {
  auto const record = parse_record(kind, json);
  return record ? "record" : std::string{record.error().reason} + ": " + record.error().detail;
}

inline Trade trade() {
  Trade trade;
  trade.source = "binance";
  trade.symbol = "BTC/USDT";
  trade.time = time("2024-08-08T23:54:13.937Z");
  trade.received_at = time("2024-08-08T23:54:12.668123Z");
  trade.id = "3714568901";
  trade.side = Side::sell;
  trade.price = decimal("61737.63000000");
  trade.amount = decimal("0.10");
  return trade;
}

inline Book book() {
  Book book;
  book.source = "binance";
  book.symbol = "BTC/USDT";
  book.time = time("2024-08-08T23:54:13.9Z");
  book.received_at = time("2024-08-08T23:54:14Z");
  book.type = BookType::update;
  book.sequence = 50;
  book.previous_sequence = 49;
  book.bids = {{decimal("61737.63"), decimal("0.1")}, {decimal("61737.00"), decimal("0")}};
  return book;
}

}  // namespace penstock::samples
