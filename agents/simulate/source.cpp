#include "agents/simulate/source.hpp"

#include <limits>

namespace penstock::simulate {
namespace {
constexpr auto always = std::numeric_limits<std::int64_t>::max();
}

void History::add(Market const& market) {
  if (!market.is_tick()) {
    auto& trades = symbols_[market.symbol()].trades;
    for (auto const& trade : market.trades()) {
      trades.push_back(trade);
      if (trades.size() > trades_most) trades.pop_front();
    }
    return;
  }
  if (market.closed_spans() == 0) return;
  for (std::size_t symbol = 0; symbol < symbols_.size(); ++symbol)
    for (std::size_t span = 0; span < span_count; ++span) {
      if ((market.closed_spans() >> span & 1U) == 0) continue;
      auto& candles = symbols_[symbol].candles[span];
      candles.push_back(market.closed_candle(symbol, span));
      if (candles.size() > candles_most) candles.pop_front();
    }
}

MarketTrade const* History::trade(std::size_t symbol, std::int64_t id) const {
  auto const& trades = symbols_[symbol].trades;
  if (trades.empty() || id < trades.front().id || id > trades.back().id) return nullptr;
  return &trades[static_cast<std::size_t>(id - trades.front().id)];
}

void Source::begin(Now const& now) {
  if (present_) return;
  began_ = now.steady;
  market_options_ = {.seed = options_.seed,
                     .symbols = options_.symbols,
                     .start = options_.start ? *options_.start : std::chrono::floor<std::chrono::milliseconds>(now.wall),
                     .step_ns = options_.step_ns,
                     .length = options_.length,
                     .history = options_.history};
  present_ = std::make_unique<Market>(market_options_);
  history_ = std::make_unique<History>(options_.symbols.size());
  auto const before_start = market_options_.start.time_since_epoch().count() - 1;
  while (present_->step(before_start)) history_->add(*present_);
  origin_ = std::make_unique<Market>(*present_);
}

std::int64_t Source::limit_us(Now const& now) {
  begin(now);
  if (options_.as_fast_as_read) return always;
  auto const elapsed = std::chrono::duration_cast<std::chrono::microseconds>(now.steady - began_);
  return market_options_.start.time_since_epoch().count() + elapsed.count();
}

Market Source::cursor(Now const& now) {
  begin(now);
  return options_.from_start ? *origin_ : present(now);
}

void Source::follow(Market const& cursor) {
  while (present_->position() < cursor.position() && present_->step(always)) history_->add(*present_);
}

Market const& Source::present(Now const& now) {
  auto const limit = limit_us(now);
  // As fast as it is read: only connections move it on.
  if (!options_.as_fast_as_read)
    while (present_->step(limit)) history_->add(*present_);
  return *present_;
}

void Source::move_on(Now const& now, int steps) {
  begin(now);
  while (steps-- > 0 && present_->step(always)) history_->add(*present_);
}

int Source::find_native(std::string_view native) const {
  for (std::size_t symbol = 0; symbol < options_.symbols.size(); ++symbol)
    if (options_.symbols[symbol].native == native) return static_cast<int>(symbol);
  return -1;
}

}  // namespace penstock::simulate
