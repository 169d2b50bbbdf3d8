/// The made-up market of one provider as its connections and its REST side share it: where the venue is by now, and
/// what it remembers. One thread: the server's.
#pragma once

#include "agents/simulate/market.hpp"

#include <chrono>
#include <deque>
#include <memory>
#include <optional>

namespace penstock::simulate {

struct Now {
  std::chrono::steady_clock::time_point steady;
  Time wall;
};

/// What a venue can be asked for afterwards: the last trades and candles of every symbol.
class History {
 public:
  static constexpr std::size_t trades_most = 100'000;
  static constexpr std::size_t candles_most = 1'500;

  explicit History(std::size_t symbols) : symbols_(symbols) {}
  /// The market's latest step.
  void add(Market const& market);

  /// Ids without a hole, oldest first.
  std::deque<MarketTrade> const& trades(std::size_t symbol) const { return symbols_[symbol].trades; }
  /// Closed ones, oldest first.
  std::deque<MarketCandle> const& candles(std::size_t symbol, std::size_t span) const { return symbols_[symbol].candles[span]; }
  /// Nothing where it is not remembered.
  MarketTrade const* trade(std::size_t symbol, std::int64_t id) const;

 private:
  struct Symbol {
    std::deque<MarketTrade> trades;
    std::array<std::deque<MarketCandle>, span_count> candles;
  };
  std::vector<Symbol> symbols_;
};

struct SourceOptions {
  std::uint64_t seed = 1;
  std::vector<MarketSymbol> symbols;
  std::optional<Time> start;  ///< nothing: the wall clock at the first question
  std::int64_t step_ns = 1'000'000;
  bool as_fast_as_read = false;  ///< market time does not follow the clock
  std::int64_t length = 0;
  std::int64_t history = 0;
  bool from_start = false;
};

class Source {
 public:
  explicit Source(SourceOptions options) : options_{std::move(options)} {}
  Source(Source const&) = delete;

  /// The market's time that has come. It stands still until the first question.
  std::int64_t limit_us(Now const& now);
  /// Where a connection that begins now starts from.
  Market cursor(Now const& now);
  /// A connection has come to there: REST answers are never behind it.
  void follow(Market const& cursor);

  Market const& present(Now const& now);
  /// For a venue without streams, as fast as it is read: each question moves the market.
  void move_on(Now const& now, int steps);
  History const& history() const { return *history_; }
  bool as_fast_as_read() const { return options_.as_fast_as_read; }
  /// What is served at once when a connection begins would be missed by a stream that is subscribed to a moment later.
  bool waits_for_subscriptions() const { return options_.as_fast_as_read || options_.from_start; }
  std::vector<MarketSymbol> const& symbols() const { return options_.symbols; }
  /// -1: there is none.
  int find_native(std::string_view native) const;

 private:
  void begin(Now const& now);

  SourceOptions options_;
  MarketOptions market_options_;
  std::unique_ptr<Market> origin_, present_;
  std::unique_ptr<History> history_;
  std::chrono::steady_clock::time_point began_;
};

}  // namespace penstock::simulate
