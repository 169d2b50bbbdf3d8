#include "agents/simulate/market.hpp"
#include "agents/simulate/binance.hpp"
#include "agents/simulate/source.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <map>

using namespace penstock;
using namespace penstock::simulate;

namespace {

constexpr auto always = std::numeric_limits<std::int64_t>::max();

MarketOptions options_of(std::uint64_t seed, std::int64_t length) {
  MarketOptions options{
      .seed = seed, .start = *parse_time("2024-08-08T23:54:13Z"), .step_ns = 7'000'000, .length = length, .history = 300};
  for (auto const* word : {"BTC", "DOGE", "NIX"}) options.symbols.push_back(binance_symbol(word).value());
  return options;
}

/// Everything a market says, as one text.
std::string said(MarketOptions const& options) {
  Market market{options};
  std::string out;
  while (market.step(always)) {
    append(out, market.now_us());
    for (auto const& change : market.changes()) append(out, change.price), append(out, change.amount);
    for (auto const& trade : market.trades()) append(out, trade.id), append(out, trade.price);
  }
  return out;
}

using Side = std::map<std::int64_t, std::int64_t>;

bool same(Side const& side, std::span<Quote const> quotes) {
  if (side.size() != quotes.size()) return false;
  for (auto const& quote : quotes)
    if (auto const at = side.find(quote.price); at == side.end() || at->second != quote.amount) return false;
  return true;
}

}  // namespace

TEST_CASE("market: the same seed says the same, another seed something else") {
  CHECK(said(options_of(5, 3000)) == said(options_of(5, 3000)));
  CHECK(said(options_of(5, 3000)) != said(options_of(6, 3000)));
}

TEST_CASE("market: a copy goes on as its original does") {
  auto const options = options_of(9, 4000);
  Market original{options};
  for (int step = 0; step < 2000; ++step) REQUIRE(original.step(always));
  auto copy = original;
  while (original.step(always)) {
    REQUIRE(copy.step(always));
    REQUIRE(copy.now_us() == original.now_us());
    REQUIRE(copy.update_id(0) == original.update_id(0));
    REQUIRE(copy.last_price(2) == original.last_price(2));
  }
  CHECK(copy.ended());
}

TEST_CASE("market: books never cross, prices stay positive, amounts too, levels are in order") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    auto const options = options_of(seed, 20'000);
    Market market{options};
    while (market.step(always)) {
      if (market.is_tick()) continue;
      auto const symbol = market.symbol();
      auto const bids = market.bids(symbol), asks = market.asks(symbol);
      REQUIRE(bids.size() >= 80);
      REQUIRE(asks.size() >= 80);
      REQUIRE(bids.size() <= 121);
      REQUIRE(bids.back().price < asks.back().price);
      REQUIRE(bids.front().price > 0);
      for (auto const& change : market.changes()) REQUIRE(change.amount >= 0);
      for (auto const& trade : market.trades()) REQUIRE((trade.amount > 0 && trade.price > 0));
    }
    for (std::size_t symbol = 0; symbol < market.symbols(); ++symbol)
      for (auto const side : {market.bids(symbol), market.asks(symbol)})
        for (std::size_t level = 1; level < side.size(); ++level) {
          REQUIRE(side[level].amount > 0);
          REQUIRE((side.data() == market.bids(symbol).data() ? side[level].price > side[level - 1].price
                                                             : side[level].price < side[level - 1].price));
        }
  }
}

TEST_CASE("market: the price stays within a fifth of where it began, however long it runs") {
  auto const options = options_of(3, 600'000);
  Market market{options};
  while (market.step(always))
    for (std::size_t symbol = 0; market.is_tick() && symbol < market.symbols(); ++symbol) {
      auto const begin = market.about(symbol).price;
      REQUIRE(market.last_price(symbol) > begin - begin / 5);
      REQUIRE(market.last_price(symbol) < begin + begin / 5);
    }
}

TEST_CASE("market: snapshot plus updates is the book, in both speeds, and their ids chain") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed)
    for (std::size_t which = 0; which < 2; ++which) {
      CAPTURE(seed);
      CAPTURE(which);
      auto const options = options_of(seed, 10'000);
      Market market{options};
      // A snapshot in the middle of a window: the update after it repeats some of what it holds.
      for (int step = 0; step < 1234; ++step) REQUIRE(market.step(always));
      std::vector<Side> bids(3), asks(3);
      std::vector<std::int64_t> last(3);
      for (std::size_t symbol = 0; symbol < 3; ++symbol) {
        for (auto const& quote : market.bids(symbol)) bids[symbol][quote.price] = quote.amount;
        for (auto const& quote : market.asks(symbol)) asks[symbol][quote.price] = quote.amount;
        last[symbol] = market.window(symbol, which).first_id - 1;
      }
      std::size_t updates = 0;
      std::vector<Quote> bid_levels, ask_levels;
      while (market.step(always)) {
        if (!market.window_complete(which)) continue;
        for (std::size_t symbol = 0; symbol < 3; ++symbol) {
          auto const& window = market.window(symbol, which);
          if (window.first_id > window.last_id) continue;
          ++updates;
          REQUIRE(window.first_id == last[symbol] + 1);
          last[symbol] = window.last_id;
          REQUIRE(window.last_id == market.update_id(symbol));
          market.window_levels(symbol, which, bid_levels, ask_levels);
          for (auto const& [levels, side] : {std::pair{&bid_levels, &bids[symbol]}, {&ask_levels, &asks[symbol]}})
            for (auto const& level : *levels)
              if (level.amount == 0)
                side->erase(level.price);
              else
                (*side)[level.price] = level.amount;
          REQUIRE(same(bids[symbol], market.bids(symbol)));
          REQUIRE(same(asks[symbol], market.asks(symbol)));
        }
      }
      CHECK(updates > 100);
    }
}

TEST_CASE("market: ids go up by one, trades eat the best of the book, and best_changed is the truth") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    auto const options = options_of(seed, 10'000);
    Market market{options};
    std::vector<std::int64_t> update(3), trade(3), aggregate(3), ordinal(3);
    std::vector<std::pair<Quote, Quote>> best(3);
    for (std::size_t symbol = 0; symbol < 3; ++symbol) {
      update[symbol] = market.update_id(symbol);
      best[symbol] = {market.bids(symbol).back(), market.asks(symbol).back()};
      ordinal[symbol] = market.best_ordinal(symbol);
    }
    std::size_t trades = 0;
    while (market.step(always)) {
      if (market.is_tick()) continue;
      auto const symbol = market.symbol();
      REQUIRE(market.update_id(symbol) == ++update[symbol]);
      for (auto const& one : market.trades()) {
        ++trades;
        if (trade[symbol] != 0) REQUIRE(one.id == trade[symbol] + 1);
        if (aggregate[symbol] != 0) REQUIRE((one.aggregate_id == aggregate[symbol] || one.aggregate_id == aggregate[symbol] + 1));
        trade[symbol] = one.id;
        aggregate[symbol] = one.aggregate_id;
        // The taker met the book as it was: never a better price than its best.
        if (one.buyer_is_maker)
          REQUIRE(one.price <= best[symbol].first.price);
        else
          REQUIRE(one.price >= best[symbol].second.price);
      }
      auto const bid = market.bids(symbol).back(), ask = market.asks(symbol).back();
      auto const& [old_bid, old_ask] = best[symbol];
      auto const changed = bid.price != old_bid.price || bid.amount != old_bid.amount || ask.price != old_ask.price ||
                           ask.amount != old_ask.amount;
      REQUIRE(market.best_changed() == changed);
      REQUIRE(market.best_ordinal(symbol) == ordinal[symbol] + (changed ? 1 : 0));
      ordinal[symbol] = market.best_ordinal(symbol);
      best[symbol] = {bid, ask};
    }
    CHECK(trades > 1000);
  }
}

TEST_CASE("market: a candle of any interval is exactly its trades") {
  auto options = options_of(11, 60'000);
  options.start = *parse_time("2024-08-31T22:00:00Z");  // A Saturday; the month and the day end while it runs.
  options.step_ns = 200'000'000;
  options.history = 0;
  Market market{options};
  std::map<std::pair<std::size_t, std::size_t>, std::vector<MarketTrade>> since;  // Symbol and interval -> trades.
  std::size_t closed = 0;
  auto const check = [&](MarketCandle const& candle, std::vector<MarketTrade> const& trades) {
    REQUIRE(candle.trades == static_cast<std::int64_t>(trades.size()));
    if (trades.empty()) return;
    std::int64_t high = 0, low = always, volume = 0;
    Wide cost = 0;
    for (auto const& trade : trades) {
      REQUIRE((trade.time_us >= candle.open_us && trade.time_us < candle.end_us));
      high = std::max(high, trade.price);
      low = std::min(low, trade.price);
      volume += trade.amount;
      cost += static_cast<Wide>(trade.price) * trade.amount;
    }
    REQUIRE(
        (candle.open == trades.front().price && candle.close == trades.back().price && candle.high == high && candle.low == low));
    REQUIRE((candle.volume == volume && candle.quote_volume == cost));
    REQUIRE((candle.first_id == trades.front().id && candle.last_id == trades.back().id));
  };
  std::uint32_t closed_ever = 0;
  while (market.step(always)) {
    if (!market.is_tick()) {
      for (std::size_t span = 0; span < span_count; ++span)
        for (auto const& trade : market.trades()) since[{market.symbol(), span}].push_back(trade);
      continue;
    }
    closed_ever |= market.closed_spans();
    for (std::size_t span = 0; market.closed_spans() >> span != 0; ++span) {
      if ((market.closed_spans() >> span & 1U) == 0) continue;
      for (std::size_t symbol = 0; symbol < market.symbols(); ++symbol) {
        ++closed;
        REQUIRE(market.closed_candle(symbol, span).end_us == market.now_us());
        check(market.closed_candle(symbol, span), since[{symbol, span}]);
        since[{symbol, span}].clear();
      }
    }
  }
  for (std::size_t symbol = 0; symbol < market.symbols(); ++symbol)
    for (std::size_t span = 0; span < span_count; ++span) check(market.candle(symbol, span), since[{symbol, span}]);
  CHECK(closed > 600);
  CHECK((closed_ever >> static_cast<unsigned>(Span::M1) & 1U) == 1);
  CHECK((closed_ever >> static_cast<unsigned>(Span::d1) & 1U) == 1);
}

TEST_CASE("market: intervals open where calendars say") {
  auto const at = [](char const* text) { return parse_time(text)->time_since_epoch().count(); };
  auto const time = at("2024-08-08T23:54:13.5Z");  // A Thursday.
  struct Case {
    char const *name, *open, *end;
  };
  for (auto const& [name, open, end] :
       {Case{"1m", "2024-08-08T23:54:00Z", "2024-08-08T23:55:00Z"}, Case{"4h", "2024-08-08T20:00:00Z", "2024-08-09T00:00:00Z"},
        Case{"1d", "2024-08-08T00:00:00Z", "2024-08-09T00:00:00Z"}, Case{"1w", "2024-08-05T00:00:00Z", "2024-08-12T00:00:00Z"},
        Case{"1M", "2024-08-01T00:00:00Z", "2024-09-01T00:00:00Z"}}) {
    CAPTURE(name);
    auto const span = static_cast<std::size_t>(find_span(name));
    CHECK(span_open(span, time) == at(open));
    CHECK(span_end(span, span_open(span, time)) == at(end));
  }
  CHECK(find_span("1x") == -1);
}

TEST_CASE("market: it ends after its length, and at a full two seconds") {
  auto const options = options_of(2, 1000);
  Market market{options};
  std::int64_t events = 0;
  while (market.step(always)) events += market.is_tick() ? 0 : 1;
  CHECK(events == 1300);  // 300 of them before the start.
  CHECK(market.ended());
  CHECK(market.now_us() % 2'000'000 == 0);
  CHECK(!market.step(always));
}

TEST_CASE("source: the past that can be asked for has a limit, and ids without a hole") {
  Source source{{.seed = 4,
                 .symbols = {binance_symbol("BTC").value()},
                 .start = parse_time("2024-08-08T23:54:13Z"),
                 .step_ns = 100'000,
                 .as_fast_as_read = true,
                 .history = 300'000}};
  Now const now{.steady = std::chrono::steady_clock::now(), .wall = {}};
  source.cursor(now);
  auto const& trades = source.history().trades(0);
  CHECK(trades.size() == History::trades_most);
  for (std::size_t at = 1; at < trades.size(); ++at) REQUIRE(trades[at].id == trades[at - 1].id + 1);
  CHECK(source.history().trade(0, trades.back().id) == &trades.back());
  CHECK(source.history().trade(0, trades.back().id + 1) == nullptr);
}

TEST_CASE("source: at a rate, the market is where the clock says, from the first question on") {
  Source source{
      {.seed = 4, .symbols = {binance_symbol("BTC").value()}, .start = parse_time("2024-08-08T23:54:13Z"), .step_ns = 1'000'000}};
  Now now{.steady = std::chrono::steady_clock::now(), .wall = {}};
  CHECK(source.present(now).events() == 1);
  now.steady += std::chrono::milliseconds{1500};
  CHECK(source.present(now).events() == 1501);
  CHECK(source.cursor(now).events() == 1501);
}

TEST_CASE("numbers: padded and trimmed, exactly") {
  std::string out;
  append_padded(out, std::int64_t{6183763}, 2, 8);
  CHECK(out == "61837.63000000");
  out.clear();
  append_padded(out, std::int64_t{7}, 5, 8);
  CHECK(out == "0.00007000");
  out.clear();
  append_padded(out, static_cast<Wide>(9'000'000'000'000'000'000) * 1000, 3, 8);
  CHECK(out == "9000000000000000000.00000000");
  out.clear();
  append_trimmed(out, 61838, 0, 1);
  CHECK(out == "61838.0");
  out.clear();
  append_trimmed(out, 4520000, 8, 1);
  CHECK(out == "0.0452");
}
