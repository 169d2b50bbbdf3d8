#include "agents/simulate/market.hpp"

#include <algorithm>
#include <memory>

namespace penstock::simulate {
namespace {

constexpr std::size_t depth_least = 80, depth_most = 120;
constexpr std::int64_t minute_us = 60'000'000;
constexpr std::int64_t day_us = 86'400'000'000;
// After the last event ticks go on to the next full 2 s, so that every stream has said what it knows.
constexpr std::int64_t last_tick_grid_us = 2'000'000;

constexpr std::array<std::int64_t, span_count> span_us{
    minute_us,       3 * minute_us,   5 * minute_us,   15 * minute_us,  30 * minute_us,
    60 * minute_us,  120 * minute_us, 240 * minute_us, 360 * minute_us, 480 * minute_us,
    720 * minute_us, day_us,          3 * day_us,      7 * day_us,      0};

std::int64_t floor_to(std::int64_t value, std::int64_t grid) {
  auto const rest = value % grid;
  return value - (rest < 0 ? rest + grid : rest);
}

/// Larger is nearer to the other side.
std::int64_t rank(bool bid, std::int64_t price) { return bid ? price : -price; }

auto find_level(std::vector<Quote>& side, bool bid, std::int64_t price) {
  // Most changes are near the best, which is last.
  auto at = side.end();
  for (int near = 0; near < 8 && at != side.begin(); ++near)
    if (rank(bid, std::prev(at)->price) < rank(bid, price))
      return at;
    else if (--at; at->price == price)
      return at;
  return std::lower_bound(side.begin(), at, rank(bid, price),
                          [&](Quote const& quote, std::int64_t wanted) { return rank(bid, quote.price) < wanted; });
}

std::int64_t amount_at(std::vector<Quote> const& side, bool bid, std::int64_t price) {
  auto const at = std::lower_bound(side.begin(), side.end(), rank(bid, price),
                                   [&](Quote const& quote, std::int64_t wanted) { return rank(bid, quote.price) < wanted; });
  return at != side.end() && at->price == price ? at->amount : 0;
}

/// Typical distance of two levels.
std::int64_t gap_of(MarketSymbol const& about) { return std::max<std::int64_t>(1, about.price / 50'000); }

MarketCandle empty_candle(std::size_t span, std::int64_t time_us, std::int64_t price) {
  MarketCandle candle;
  candle.open_us = span_open(span, time_us);
  candle.end_us = span_end(span, candle.open_us);
  candle.open = candle.high = candle.low = candle.close = price;
  return candle;
}

}  // namespace

int find_span(std::string_view name) {
  auto const at = std::ranges::find(span_names, name);
  return at == span_names.end() ? -1 : static_cast<int>(at - span_names.begin());
}

std::int64_t span_open(std::size_t span, std::int64_t time_us) {
  using namespace std::chrono;
  if (span == static_cast<std::size_t>(Span::M1)) {
    year_month_day const day{floor<days>(Time{Duration{time_us}})};
    return Time{sys_days{day.year() / day.month() / 1}}.time_since_epoch().count();
  }
  // 1970-01-01 was a Thursday; weeks begin on Mondays.
  auto const shift = span == static_cast<std::size_t>(Span::w1) ? 4 * day_us : 0;
  return floor_to(time_us - shift, span_us[span]) + shift;
}

std::int64_t span_end(std::size_t span, std::int64_t open_us) {
  using namespace std::chrono;
  if (span != static_cast<std::size_t>(Span::M1)) return open_us + span_us[span];
  year_month_day const day{floor<days>(Time{Duration{open_us}})};
  return Time{sys_days{(day.year() / day.month() + months{1}) / 1}}.time_since_epoch().count();
}

void MarketCandle::add(MarketTrade const& trade) {
  if (trades == 0) {
    open = high = low = trade.price;
    first_id = trade.id;
  }
  high = std::max(high, trade.price);
  low = std::min(low, trade.price);
  close = trade.price;
  volume += trade.amount;
  auto const cost = static_cast<Wide>(trade.price) * trade.amount;
  quote_volume += cost;
  if (!trade.buyer_is_maker) {
    taker_volume += trade.amount;
    taker_quote_volume += cost;
  }
  ++trades;
  last_id = trade.id;
}

void MarketCandle::add(MarketCandle const& later) {
  if (later.trades == 0) return;
  if (trades == 0) {
    open = later.open;
    high = later.high;
    low = later.low;
    first_id = later.first_id;
  }
  high = std::max(high, later.high);
  low = std::min(low, later.low);
  close = later.close;
  volume += later.volume;
  taker_volume += later.taker_volume;
  quote_volume += later.quote_volume;
  taker_quote_volume += later.taker_quote_volume;
  trades += later.trades;
  last_id = later.last_id;
}

Market::Market(MarketOptions const& options)
    : about_{&options.symbols},
      random_{options.seed},
      start_us_{options.start.time_since_epoch().count()},
      step_ns_{options.step_ns},
      length_{options.length},
      states_(options.symbols.size()),
      events_{-options.history} {
  now_us_ = event_time_us();
  next_tick_us_ = floor_to(now_us_, tick_us) + tick_us;
  for (std::size_t number = 0; number < states_.size(); ++number) {
    auto const& about_symbol = (*about_)[number];
    auto& state = states_[number];
    state.update_id = 50'000'000'000 + random_.below(1'000'000'000);
    state.trade_id = 3'000'000'000 + random_.below(1'000'000'000);
    state.aggregate_id = 2'000'000'000 + random_.below(1'000'000'000);
    for (bool const bid : {true, false}) {
      auto& side = bid ? state.bids : state.asks;
      auto price = about_symbol.price + (bid ? -1 : 1);
      for (std::size_t level = 0; level < (depth_least + depth_most) / 2; ++level) {
        side.push_back({price, new_amount(about_symbol)});
        price += (bid ? -1 : 1) * (1 + random_.below(gap_of(about_symbol)));
      }
      std::ranges::reverse(side);
    }
    state.minute = empty_candle(0, now_us_, about_symbol.price);
    for (std::size_t span = 1; span < span_count; ++span) state.longer[span] = empty_candle(span, now_us_, about_symbol.price);
    for (auto& window : state.windows) window.first_id = state.update_id + 1, window.last_id = state.update_id;
  }
}

bool Market::ended() const {
  return length_ > 0 && events_ >= length_ &&
         now_us_ >= floor_to(start_us_ + (length_ - 1) * step_ns_ / 1000, last_tick_grid_us) + last_tick_grid_us;
}

std::int64_t Market::event_time_us() const {
  auto const ns = events_ * step_ns_;
  return start_us_ + floor_to(ns, 1000) / 1000;
}

bool Market::step(std::int64_t limit_us) {
  auto const more_events = length_ == 0 || events_ < length_;
  auto const time_us = more_events ? event_time_us() : 0;
  auto const tick = !more_events || next_tick_us_ <= time_us;
  if ((tick ? next_tick_us_ : time_us) > limit_us || ended()) return false;
  forget_windows();
  is_tick_ = tick;
  ++position_;
  if (tick) {
    now_us_ = next_tick_us_;
    next_tick_us_ += tick_us;
    make_tick();
  } else {
    now_us_ = time_us;
    make_event();
    ++events_;
  }
  return true;
}

void Market::forget_windows() {
  if (!is_tick_) return;
  for (std::size_t which = 0; which < 2; ++which) {
    if (!window_complete(which)) continue;
    for (auto& state : states_) {
      auto& window = state.windows[which];
      if (window.first_id > window.last_id) continue;
      window.touched.clear();
      window.first_id = state.update_id + 1;
      window.last_id = state.update_id;
      ++window.ordinal;
    }
  }
}

void Market::make_tick() {
  changes_.clear();
  trades_.clear();
  best_changed_ = false;
  closed_spans_ = 0;
  if (now_us_ % minute_us != 0) return;
  for (auto& state : states_) {
    state.closed[0] = state.minute;
    for (std::size_t span = 1; span < span_count; ++span) {
      state.longer[span].add(state.minute);
      if (state.longer[span].end_us != now_us_) continue;
      state.closed[span] = state.longer[span];
      state.longer[span] = empty_candle(span, now_us_, state.longer[span].close);
    }
    state.minute = empty_candle(0, now_us_, state.minute.close);
  }
  closed_spans_ = 1;
  for (std::size_t span = 1; span < span_count; ++span)
    if (span_open(span, now_us_) == now_us_) closed_spans_ |= 1U << span;
}

MarketCandle Market::candle(std::size_t symbol, std::size_t span) const {
  if (span == 0) return states_[symbol].minute;
  auto whole = states_[symbol].longer[span];
  whole.add(states_[symbol].minute);
  return whole;
}

void Market::make_event() {
  changes_.clear();
  trades_.clear();
  event_symbol_ = static_cast<std::size_t>(random_.below(static_cast<std::int64_t>(states_.size())));
  auto& state = states_[event_symbol_];
  auto const& about_symbol = (*about_)[event_symbol_];
  auto const bid = state.bids.back(), ask = state.asks.back();
  ++state.update_id;
  if (random_.below(100) < 35)
    take(state, about_symbol);
  else
    move_quote(state, about_symbol);
  keep_depth(state, about_symbol);
  for (auto& window : state.windows) {
    for (auto const& change : changes_) window.touched.emplace_back(change.bid, change.price);
    window.last_id = state.update_id;
    if (window.touched.size() > window.compact_at) {  // Bounded by the levels there can be, however many events a window holds.
      std::ranges::sort(window.touched);
      window.touched.erase(std::unique(window.touched.begin(), window.touched.end()), window.touched.end());
      window.compact_at = std::max<std::size_t>(4096, 2 * window.touched.size());
    }
  }
  auto const same = [](Quote const& left, Quote const& right) {
    return left.price == right.price && left.amount == right.amount;
  };
  best_changed_ = !same(bid, state.bids.back()) || !same(ask, state.asks.back());
  if (best_changed_) ++state.best_ordinal;
}

/// A market moves about its first price: the further away, the more often it turns back.
bool Market::lean_to_buy(State const& state, MarketSymbol const& about_symbol) {
  auto const away = (state.minute.close - about_symbol.price) * 500 / about_symbol.price;  // 0.2 % steps
  return random_.below(100) < std::clamp<std::int64_t>(50 - away, 5, 95);
}

std::int64_t Market::new_amount(MarketSymbol const& about_symbol) {
  auto const typical = 1 + random_.below(2 * about_symbol.amount);
  return random_.below(20) == 0 ? typical * 10 : typical;
}

void Market::take(State& state, MarketSymbol const& about_symbol) {
  auto const buys = lean_to_buy(state, about_symbol);
  auto& side = buys ? state.asks : state.bids;
  auto wanted = new_amount(about_symbol);
  for (int level = 0; level < 5 && wanted > 0; ++level) {
    auto const best = side.back();
    auto const taken = std::min(wanted, best.amount);
    ++state.aggregate_id;
    // Now and then two makers stood at that price: two trades, one aggregate.
    auto const first = taken > 1 && random_.below(4) == 0 ? 1 + random_.below(std::min<std::int64_t>(taken - 1, 1 << 30)) : taken;
    add_trade(state, best.price, first, !buys);
    if (first < taken) add_trade(state, best.price, taken - first, !buys);
    set(state, !buys, best.price, best.amount - taken);
    wanted -= taken;
  }
}

void Market::add_trade(State& state, std::int64_t price, std::int64_t amount, bool buyer_is_maker) {
  trades_.push_back({.id = ++state.trade_id,
                     .aggregate_id = state.aggregate_id,
                     .price = price,
                     .amount = amount,
                     .time_us = now_us_,
                     .buyer_is_maker = buyer_is_maker});
  state.minute.add(trades_.back());
}

void Market::move_quote(State& state, MarketSymbol const& about_symbol) {
  auto const bid = lean_to_buy(state, about_symbol);
  auto& side = bid ? state.bids : state.asks;
  auto const spread = state.asks.back().price - state.bids.back().price;
  auto const gap = gap_of(about_symbol);
  auto const away = bid ? -1 : 1;
  if (spread > 1 && (spread > 3 * gap || random_.below(3) == 0)) {
    auto const nearer = 1 + random_.below(std::min(spread - 1, 2 * gap));
    set(state, bid, side.back().price - away * nearer, new_amount(about_symbol));
    return;
  }
  auto const index = static_cast<std::size_t>(random_.below(10) * random_.below(10) / 8);
  auto const quote = side[side.size() - 1 - index];
  switch (random_.below(4)) {
    case 0: set(state, bid, quote.price, 0); break;
    case 1: set(state, bid, quote.price + away * (1 + random_.below(gap)), new_amount(about_symbol)); break;
    default: {
      auto const amount = new_amount(about_symbol);
      set(state, bid, quote.price, amount == quote.amount ? amount + 1 : amount);
    }
  }
}

void Market::keep_depth(State& state, MarketSymbol const& about_symbol) {
  for (bool const bid : {true, false}) {
    auto& side = bid ? state.bids : state.asks;
    while (side.size() > depth_most) set(state, bid, side.front().price, 0);
    while (side.size() < depth_least)
      set(state, bid, side.front().price + (bid ? -1 : 1) * (1 + random_.below(gap_of(about_symbol))), new_amount(about_symbol));
  }
}

void Market::set(State& state, bool bid, std::int64_t price, std::int64_t amount) {
  auto& side = bid ? state.bids : state.asks;
  auto const at = find_level(side, bid, price);
  auto const there = at != side.end() && at->price == price;
  if (amount == 0) {
    if (there) side.erase(at);
  } else if (there) {
    at->amount = amount;
  } else {
    side.insert(at, {price, amount});
  }
  changes_.push_back({bid, price, amount});
}

void Market::window_levels(std::size_t symbol, std::size_t which, std::vector<Quote>& bids, std::vector<Quote>& asks) const {
  auto const& state = states_[symbol];
  auto touched = state.windows[which].touched;
  std::ranges::sort(touched);
  touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
  bids.clear();
  asks.clear();
  for (auto const& [bid, price] : touched)
    (bid ? bids : asks).push_back({price, amount_at(bid ? state.bids : state.asks, bid, price)});
  std::ranges::reverse(bids);
}

}  // namespace penstock::simulate
