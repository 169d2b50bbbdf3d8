/// A made-up market: for every symbol one limit order book that quotes move and trades consume. Everything a venue
/// publishes follows from it (trades, best prices, changes of the book, candles), so that all of it agrees.
/// Deterministic: same options, same steps, on every machine; whole numbers underneath (prices in ticks, amounts in
/// steps). A Market is a value: a copy goes on by itself from where it was taken. One thread each.
#pragma once

#include "agents/simulate/text.hpp"
#include "streaming/time.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::simulate {

/// splitmix64: small state, the same numbers everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed = 0) : state_{seed} {}
  std::uint64_t next() {
    auto mixed = state_ += 0x9E3779B97F4A7C15U;
    mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
    return mixed ^ (mixed >> 31U);
  }
  /// From 0 to limit - 1; limit from 1 to 2^31.
  std::int64_t below(std::int64_t limit) {
    return static_cast<std::int64_t>(((next() >> 32U) * static_cast<std::uint64_t>(limit)) >> 32U);
  }

 private:
  std::uint64_t state_;
};

struct MarketSymbol {
  std::string unified;  ///< BTC/USDT
  std::string native;   ///< BTCUSDT
  std::string base, quote;
  int price_decimals = 2, amount_decimals = 5;
  std::int64_t price = 0;   ///< about which it moves, in ticks; at least 1,000
  std::int64_t amount = 0;  ///< typical of an order, in steps
};

struct MarketOptions {
  std::uint64_t seed = 1;
  std::vector<MarketSymbol> symbols;
  Time start{};                    ///< of the first event
  std::int64_t step_ns = 1000000;  ///< market time between two events
  std::int64_t length = 0;         ///< events; 0: no end
  std::int64_t history = 0;        ///< events before the start
};

struct Quote {
  std::int64_t price, amount;
};

struct Change {
  bool bid;
  std::int64_t price, amount;  ///< absolute; 0: gone
};

struct MarketTrade {
  std::int64_t id, aggregate_id;
  std::int64_t price, amount;
  std::int64_t time_us;
  bool buyer_is_maker;
};

enum class Span : std::uint8_t { m1, m3, m5, m15, m30, h1, h2, h4, h6, h8, h12, d1, d3, w1, M1 };
inline constexpr std::array<std::string_view, 15> span_names{"1m", "3m", "5m",  "15m", "30m", "1h", "2h", "4h",
                                                             "6h", "8h", "12h", "1d",  "3d",  "1w", "1M"};
inline constexpr std::size_t span_count = span_names.size();
/// -1 for an unknown word. Case matters: 1m and 1M.
int find_span(std::string_view name);
/// First microsecond of the interval that holds `time_us`, and the first one after it. UTC, weeks from Monday.
std::int64_t span_open(std::size_t span, std::int64_t time_us);
std::int64_t span_end(std::size_t span, std::int64_t open_us);

struct MarketCandle {
  std::int64_t open_us = 0, end_us = 0;
  std::int64_t open = 0, high = 0, low = 0, close = 0;
  std::int64_t volume = 0, taker_volume = 0;
  Wide quote_volume = 0, taker_quote_volume = 0;
  std::int64_t trades = 0, first_id = -1, last_id = -1;

  void add(MarketTrade const& trade);
  void add(MarketCandle const& later);
};

/// Changes of a book collected between two depth frames.
struct Window {
  std::vector<std::pair<bool, std::int64_t>> touched;  ///< side and price, may repeat
  std::size_t compact_at = 4096;                       ///< length of `touched` at which repetitions are taken out
  std::int64_t first_id = 0, last_id = 0;              ///< update ids inside; first > last: none
  std::int64_t ordinal = 0;                            ///< of the frame to come
};

class Market {
 public:
  static constexpr std::int64_t tick_us = 100'000;

  explicit Market(MarketOptions const& options);

  /// Does what comes next: an event of one symbol, or a tick (every 100 ms of market time, before events of that
  /// instant). False: it lies after `limit_us`, or the market has ended.
  bool step(std::int64_t limit_us);

  bool ended() const;
  std::uint64_t position() const { return position_; }  ///< steps so far
  std::int64_t now_us() const { return now_us_; }       ///< of the latest step
  std::int64_t events() const { return events_; }       ///< since the start; negative in the history

  // Of the latest step.
  bool is_tick() const { return is_tick_; }
  std::size_t symbol() const { return event_symbol_; }
  std::span<Change const> changes() const { return changes_; }
  std::span<MarketTrade const> trades() const { return trades_; }
  bool best_changed() const { return best_changed_; }
  /// Intervals that this tick closed, one bit each.
  std::uint32_t closed_spans() const { return is_tick_ ? closed_spans_ : 0; }

  // Of a symbol, now.
  std::size_t symbols() const { return states_.size(); }
  MarketSymbol const& about(std::size_t symbol) const { return (*about_)[symbol]; }
  std::span<Quote const> bids(std::size_t symbol) const { return states_[symbol].bids; }  ///< best LAST
  std::span<Quote const> asks(std::size_t symbol) const { return states_[symbol].asks; }  ///< best LAST
  std::int64_t update_id(std::size_t symbol) const { return states_[symbol].update_id; }
  std::int64_t trade_id(std::size_t symbol) const { return states_[symbol].trade_id; }
  std::int64_t best_ordinal(std::size_t symbol) const { return states_[symbol].best_ordinal; }
  std::int64_t last_price(std::size_t symbol) const { return states_[symbol].minute.close; }
  /// Running candle.
  MarketCandle candle(std::size_t symbol, std::size_t span) const;
  /// The one that closed_spans() speaks of.
  MarketCandle const& closed_candle(std::size_t symbol, std::size_t span) const { return states_[symbol].closed[span]; }

  /// Changes since the last tick of 100 ms (window 0), or of 1 s (window 1). Complete at such a tick, else growing.
  Window const& window(std::size_t symbol, std::size_t which) const { return states_[symbol].windows[which]; }
  bool window_complete(std::size_t which) const { return is_tick_ && (which == 0 || now_us_ % 1'000'000 == 0); }
  /// The window's levels with their amounts now: bids best first, then asks best first.
  void window_levels(std::size_t symbol, std::size_t which, std::vector<Quote>& bids, std::vector<Quote>& asks) const;

 private:
  struct State {
    std::vector<Quote> bids, asks;  // Best last: that end changes most.
    std::int64_t update_id = 0, trade_id = 0, aggregate_id = 0, best_ordinal = 0;
    MarketCandle minute;
    std::array<MarketCandle, span_count> longer;  // Without the running minute; [0] unused.
    std::array<MarketCandle, span_count> closed;
    std::array<Window, 2> windows;
  };

  void make_event();
  void make_tick();
  void take(State& state, MarketSymbol const& about);
  void move_quote(State& state, MarketSymbol const& about);
  void keep_depth(State& state, MarketSymbol const& about);
  void set(State& state, bool bid, std::int64_t price, std::int64_t amount);
  void add_trade(State& state, std::int64_t price, std::int64_t amount, bool buyer_is_maker);
  void forget_windows();
  std::int64_t event_time_us() const;
  std::int64_t new_amount(MarketSymbol const& about);
  bool lean_to_buy(State const& state, MarketSymbol const& about);

  std::vector<MarketSymbol> const* about_;
  Random random_;
  std::int64_t start_us_, step_ns_, length_;

  std::vector<State> states_;
  std::int64_t events_, now_us_, next_tick_us_;
  std::uint64_t position_ = 0;

  std::vector<Change> changes_;
  std::vector<MarketTrade> trades_;
  std::size_t event_symbol_ = 0;
  std::uint32_t closed_spans_ = 0;
  bool is_tick_ = false, best_changed_ = false;
};

}  // namespace penstock::simulate
