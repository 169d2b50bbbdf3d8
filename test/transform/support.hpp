/// What the tests of the stages share: records made by hand, and a downstream that writes down what comes.
#pragma once

#include "agents/transform/stage.hpp"

#include <cmath>
#include <string>
#include <vector>

namespace penstock::test {

inline Decimal decimal(std::string_view text) { return Decimal::parse(text).value(); }
inline Time at(double seconds) { return *from_seconds(1'700'000'000) + Duration{std::llround(seconds * 1e6)}; }

template <class Kind>
Kind made(double time, std::string symbol = "BTC/USDT") {
  Kind record;
  record.source = "venue";
  record.symbol = std::move(symbol);
  record.time = at(time);
  record.received_at = at(time);
  return record;
}

inline Trade trade(std::string id, double time, std::string symbol = "BTC/USDT") {
  auto record = made<Trade>(time, std::move(symbol));
  record.id = std::move(id);
  record.price = decimal("100.5");
  record.amount = decimal("2");
  return record;
}
inline Candle candle(double time, std::string_view open, std::string_view high, std::string_view low, std::string_view close) {
  auto record = made<Candle>(time);
  record.interval = "1m";
  record.open = decimal(open), record.high = decimal(high), record.low = decimal(low), record.close = decimal(close);
  record.volume = decimal("1");
  return record;
}
inline Book update(std::int64_t previous, std::int64_t sequence, double time, std::string symbol = "BTC/USDT") {
  auto record = made<Book>(time, std::move(symbol));
  record.type = BookType::update;
  record.previous_sequence = previous;
  record.sequence = sequence;
  record.bids = {{decimal("100"), decimal("1")}};
  return record;
}
inline Book snapshot(std::int64_t sequence, double time, std::string symbol = "BTC/USDT") {
  auto record = made<Book>(time, std::move(symbol));
  record.type = BookType::snapshot;
  record.sequence = sequence;
  record.bids = {{decimal("100"), decimal("1")}};
  record.asks = {{decimal("101"), decimal("1")}};
  return record;
}
inline Instrument instrument(std::string native, std::string symbol) {
  auto record = made<Instrument>(0, std::move(symbol));
  record.class_ = "spot";
  record.native_symbol = std::move(native);
  record.active = true;
  return record;
}

/// "7", "snapshot 7", "update 7": short enough to compare lists of them.
inline std::string name_of(MarketRecord const& record) {
  if (auto const* one = std::get_if<Trade>(&record)) return one->id;
  if (auto const* one = std::get_if<Book>(&record))
    return (one->type == BookType::snapshot ? "snapshot " : "update ") + (one->sequence ? std::to_string(*one->sequence) : "?");
  if (auto const* one = std::get_if<Instrument>(&record)) return one->native_symbol + "=" + one->symbol;
  return std::string{kind_of(record)};
}

/// "open sequence 5-7", "filled 5-7", "unfillable 5-".
inline std::string name_of(Gap const& gap) {
  auto const number = [](std::optional<std::int64_t> value) { return value ? std::to_string(*value) : std::string{}; };
  auto text = std::string{to_text(gap.state)};
  if (gap.state == GapState::open) text += " " + std::string{to_text(gap.cause)};
  return text + " " + number(gap.from_sequence) + "-" + number(gap.to_sequence);
}

struct Written final : Downstream {
  std::vector<std::string> written, dropped, rejected;
  std::vector<Origin> origins;  ///< of what was written
  std::vector<Gap> gaps;
  int new_gaps = 0;

  void write(MarketRecord const& record, Origin origin) override {
    written.push_back(name_of(record)), origins.push_back(origin);
  }
  void drop(MarketRecord const& record) override { dropped.push_back(name_of(record)); }
  void reject(std::size_t index, Reject const& why) override {
    rejected.push_back(std::to_string(index) + " " + std::string{why.reason});
  }
  void gap(Gap const& gap, bool is_new) override { gaps.push_back(gap), new_gaps += is_new; }

  std::vector<std::string> gap_names() const {
    std::vector<std::string> names;
    for (auto const& gap : gaps) names.push_back(name_of(gap));
    return names;
  }
  void clear() { *this = Written{}; }
};

using Names = std::vector<std::string>;

}  // namespace penstock::test

namespace doctest {
template <>
struct StringMaker<std::vector<std::string>> {
  static String convert(std::vector<std::string> const& names) {
    std::string text = "[";
    for (auto const& name : names) text += (text.size() > 1 ? ", " : "") + name;
    return (text + "]").c_str();
  }
};
}  // namespace doctest
