#include "agents/simulate/binance.hpp"

#include "agents/simulate/subscriptions.hpp"

#include <simdjson.h>

#include <algorithm>
#include <cctype>

namespace penstock::simulate {
namespace {

constexpr std::string_view source_name = "binance";
constexpr int weight_per_minute = 6000;
constexpr int messages_per_second = 5;
constexpr std::size_t streams_most = 1024;
constexpr int shown = 8;  // Prices and amounts are padded to eight decimals.

std::string lower(std::string_view text) {
  std::string result{text};
  for (auto& letter : result) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return result;
}

// ---------------------------------------------------------------------------------------------------- streams

enum Wanted : std::uint32_t { trade = 1, aggregate = 2, best = 4, depth_fast = 8, depth_slow = 16, partial = 32 };
constexpr std::array<std::size_t, 3> partial_sizes{5, 10, 20};

/// A stream's name taken apart: its symbol and what of it. `partial` bits: size x speed from bit 5, candles in `span`.
struct StreamName {
  std::string symbol;
  std::uint32_t wanted = 0;
  int span = -1;
};

std::optional<StreamName> parse_stream(std::string_view name) {
  auto const at = name.find('@');
  if (at == 0 || at == std::string_view::npos) return {};
  StreamName stream{.symbol = std::string{name.substr(0, at)}};
  if (!std::ranges::all_of(stream.symbol, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); })) return {};
  for (auto& letter : stream.symbol) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  auto what = name.substr(at + 1);
  if (what == "trade") stream.wanted = trade;
  if (what == "aggTrade") stream.wanted = aggregate;
  if (what == "bookTicker") stream.wanted = best;
  if (what.starts_with("kline_")) stream.span = find_span(what.substr(6));
  auto const fast = what.ends_with("@100ms");
  if (fast) what.remove_suffix(6);
  if (what == "depth") stream.wanted = fast ? depth_fast : depth_slow;
  for (std::size_t size = 0; size < partial_sizes.size(); ++size)
    if (what == "depth" + std::to_string(partial_sizes[size])) stream.wanted = partial << (2 * size + (fast ? 1 : 0));
  if (stream.wanted == 0 && stream.span < 0) return {};
  return stream;
}

// ---------------------------------------------------------------------------------------------------- the control side

/// SUBSCRIBE and its kin. What a stream gives is the heirs' matter.
class BinanceSession : public Session {
 public:
  bool receive(std::string_view text, Now const& now, Frames& out, std::string& why) override;

  void announce_shutdown(Now const& now, Frames& out) override {
    std::string event = R"({"e":"serverShutdown","E":)";
    append(event, now.wall.time_since_epoch().count() / 1000);
    event += '}';
    out.control(combined_ ? R"({"stream":"!serverShutdown","data":)" + event + '}' : event);
  }

 protected:
  explicit BinanceSession(bool combined) : combined_{combined} {}
  virtual bool knows(std::string const& stream) const = 0;
  virtual void changed() = 0;

  void subscribe_all(std::vector<std::string> const& streams, Now const& now) {
    for (auto const& stream : streams)
      if (knows(stream)) subscriptions_.add(stream, now);
    changed();
  }

  Subscriptions subscriptions_;
  bool combined_;

 private:
  std::string answer(simdjson::dom::element request, Now const& now);
  std::string change(simdjson::dom::element request, bool add, std::string const& id, Now const& now);

  simdjson::dom::parser parser_;
  MessageLimit limit_{messages_per_second};
};

std::string result_of(std::string_view result, std::string const& id) {
  return R"({"result":)" + std::string{result} + R"(,"id":)" + id + '}';
}
std::string invalid(std::string const& what, std::string const& id) {
  return R"({"code":2,"msg":"Invalid request: )" + what + R"(","id":)" + id + '}';
}

bool BinanceSession::receive(std::string_view text, Now const& now, Frames& out, std::string& why) {
  if (!limit_.take(now)) {
    why = "Too many requests";
    return false;
  }
  simdjson::dom::element request;
  if (parser_.parse(text).get(request) != simdjson::SUCCESS)
    out.control(R"({"code":3,"msg":"Invalid JSON: expected value at line 1 column 1"})");
  else
    out.control(answer(request, now));
  return true;
}

std::string BinanceSession::answer(simdjson::dom::element request, Now const& now) {
  std::string_view method;
  simdjson::dom::element id_element;
  std::string id = "null";
  if (request["id"].get(id_element) == simdjson::SUCCESS) id = simdjson::minify(id_element);
  if (request["method"].get(method) != simdjson::SUCCESS) return invalid("missing field `method`", id);
  if (method == "SUBSCRIBE") return change(request, true, id, now);
  if (method == "UNSUBSCRIBE") return change(request, false, id, now);
  if (method == "LIST_SUBSCRIPTIONS") {
    std::string list = "[";
    for (auto const& stream : subscriptions_.names()) list += (list.size() > 1 ? ",\"" : "\"") + stream + '"';
    return result_of(list + ']', id);
  }
  if (method == "GET_PROPERTY") return result_of(combined_ ? "true" : "false", id);
  if (method == "SET_PROPERTY") {
    std::string_view name;
    if (request["params"].at(0).get(name) != simdjson::SUCCESS || name != "combined" ||
        request["params"].at(1).get(combined_) != simdjson::SUCCESS)
      return invalid("property must be [\\\"combined\\\", true|false]", id);
    return result_of("null", id);
  }
  return invalid(
      "unknown variant, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`", id);
}

std::string BinanceSession::change(simdjson::dom::element request, bool add, std::string const& id, Now const& now) {
  simdjson::dom::array params;
  if (request["params"].get(params) != simdjson::SUCCESS) return invalid("missing field `params`", id);
  std::vector<std::string> streams;
  for (auto const param : params) {
    std::string_view stream;
    if (param.get(stream) != simdjson::SUCCESS) return invalid("invalid type: expected a string in params", id);
    if (add && !knows(std::string{stream}))
      return invalid("unknown stream " + simdjson::minify(param).substr(1, stream.size()), id);
    streams.emplace_back(stream);
  }
  if (add && subscriptions_.names().size() + streams.size() > streams_most) return invalid("too many streams, at most 1024", id);
  for (auto const& stream : streams)
    if (add)
      subscriptions_.add(stream, now);
    else
      subscriptions_.remove(stream);
  changed();
  return result_of("null", id);
}

// ---------------------------------------------------------------------------------------------------- a made-up market

void put_price(std::string& out, MarketSymbol const& about, std::int64_t price) {
  append_padded(out, price, about.price_decimals, shown);
}
void put_amount(std::string& out, MarketSymbol const& about, std::int64_t amount) {
  append_padded(out, amount, about.amount_decimals, shown);
}
void put_cost(std::string& out, MarketSymbol const& about, Wide cost) {
  append_padded(out, cost, about.price_decimals + about.amount_decimals, shown);
}
void put_levels(std::string& out, MarketSymbol const& about, std::span<Quote const> best_first) {
  out += '[';
  for (auto const& quote : best_first) {
    out += out.back() == '[' ? "[\"" : ",[\"";
    put_price(out, about, quote.price);
    out += "\",\"";
    put_amount(out, about, quote.amount);
    out += "\"]";
  }
  out += ']';
}

/// The best `most` of a side, best first.
std::vector<Quote> top(std::span<Quote const> best_last, std::size_t most) {
  auto const count = std::min(most, best_last.size());
  auto const part = best_last.last(count);
  return {part.rbegin(), part.rend()};
}

/// Canonical records of what goes out.
class BinanceTruth {
 public:
  BinanceTruth(Truth* truth, std::vector<MarketSymbol> const& symbols) : truth_{truth}, symbols_{symbols} {
    if (truth_ == nullptr) return;
    for (std::size_t symbol = 0; symbol < symbols.size(); ++symbol)
      seen_.push_back({&truth->seen(source_name, "trade", symbol), &truth->seen(source_name, "aggregate", symbol),
                       &truth->seen(source_name, "best", symbol), &truth->seen(source_name, "depth", symbol),
                       &truth->seen(source_name, "depth slow", symbol)});
  }
  explicit operator bool() const { return truth_ != nullptr; }

  void put_trade(std::size_t symbol, MarketTrade const& trade) {
    if (!seen_[symbol].trades->add(trade.id)) return;
    put_one_trade(symbol, trade, "", trade.id);
  }
  void put_aggregate(std::size_t symbol, MarketTrade const& whole) {
    if (!seen_[symbol].aggregates->add(whole.aggregate_id)) return;
    put_one_trade(symbol, whole, "a", whole.aggregate_id);
  }
  void put_best(std::size_t symbol, std::int64_t ordinal, std::int64_t sequence, Quote bid, Quote ask) {
    if (!seen_[symbol].bests->add(ordinal)) return;
    auto const& about = symbols_[symbol];
    auto& out = truth_->line("tickers");
    append_common(out, source_name, about.unified, no_time);
    out += R"(,"sequence":)";
    append(out, sequence);
    out += R"(,"bid":")";
    put_price(out, about, bid.price);
    out += R"(","bid_amount":")";
    put_amount(out, about, bid.amount);
    out += R"(","ask":")";
    put_price(out, about, ask.price);
    out += R"(","ask_amount":")";
    put_amount(out, about, ask.amount);
    out += "\"}";
    truth_->end();
  }
  void put_update(std::size_t symbol, std::size_t which, Window const& window, std::int64_t time_us, std::span<Quote const> bids,
                  std::span<Quote const> asks) {
    if (!(which == 0 ? seen_[symbol].fast : seen_[symbol].slow)->add(window.ordinal)) return;
    auto& out = truth_->line("books");
    append_common(out, source_name, symbols_[symbol].unified, time_us);
    out += R"(,"type":"update","sequence":)";
    append(out, window.last_id);
    out += R"(,"previous_sequence":)";
    append(out, window.first_id - 1);
    put_book(out, symbol, bids, asks);
    truth_->end();
  }
  void put_snapshot(std::size_t symbol, std::int64_t sequence, std::span<Quote const> bids, std::span<Quote const> asks) {
    auto& out = truth_->line("books");
    append_common(out, source_name, symbols_[symbol].unified, no_time);
    out += R"(,"type":"snapshot","sequence":)";
    append(out, sequence);
    put_book(out, symbol, bids, asks);
    // depth5 and depth20 of the same moment are one identity: the first one is kept, as everywhere.
    truth_->end_once("snapshot " + symbols_[symbol].native + ' ' + std::to_string(sequence));
  }
  /// `closed`: nothing where the answer does not say it.
  void put_candle(std::size_t symbol, std::size_t span, MarketCandle const& candle, std::optional<bool> closed) {
    auto const& about = symbols_[symbol];
    auto& out = truth_->line("candles");
    append_common(out, source_name, about.unified, candle.open_us);
    out += R"(,"interval":")";
    out += span_names[span];
    auto const price = [&](std::string_view name, std::int64_t value) {
      out += "\",\"";
      out += name;
      out += "\":\"";
      put_price(out, about, value);
    };
    price("open", candle.open);
    price("high", candle.high);
    price("low", candle.low);
    price("close", candle.close);
    out += R"(","volume":")";
    put_amount(out, about, candle.volume);
    out += R"(","quote_volume":")";
    put_cost(out, about, candle.quote_volume);
    out += R"(","trades":)";
    append(out, candle.trades);
    if (closed) out += *closed ? R"(,"closed":true)" : R"(,"closed":false)";
    out += '}';
    truth_->end();
  }
  void put_instrument(std::size_t symbol) {
    auto const& about = symbols_[symbol];
    auto& out = truth_->line("instruments");
    append_common(out, source_name, about.unified, no_time);
    out += R"(,"class":"spot","native_symbol":")" + about.native + R"(","base":")" + about.base + R"(","quote":")" + about.quote +
           R"(","price_tick":")";
    put_price(out, about, 1);
    out += R"(","amount_step":")";
    put_amount(out, about, 1);
    out += R"(","active":true})";
    truth_->end_once();
  }
  void put_malformed(std::string_view stream, std::string_view bytes) { truth_->malformed(source_name, stream, bytes); }

 private:
  void put_one_trade(std::size_t symbol, MarketTrade const& trade, std::string_view prefix, std::int64_t id) {
    auto const& about = symbols_[symbol];
    auto& out = truth_->line("trades");
    append_common(out, source_name, about.unified, trade.time_us / 1000 * 1000);
    out += R"(,"id":")";
    out += prefix;
    append(out, id);
    out += trade.buyer_is_maker ? R"(","side":"sell","price":")" : R"(","side":"buy","price":")";
    put_price(out, about, trade.price);
    out += R"(","amount":")";
    put_amount(out, about, trade.amount);
    out += "\"}";
    truth_->end();
  }
  void put_book(std::string& out, std::size_t symbol, std::span<Quote const> bids, std::span<Quote const> asks) {
    out += R"(,"bids":)";
    put_levels(out, symbols_[symbol], bids);
    out += R"(,"asks":)";
    put_levels(out, symbols_[symbol], asks);
    out += '}';
  }

  struct SymbolSeen {
    Seen *trades, *aggregates, *bests, *fast, *slow;
  };
  Truth* truth_;
  std::vector<MarketSymbol> const& symbols_;
  std::vector<SymbolSeen> seen_;
};

/// Trades of one event with the same aggregate id become one: calls put(whole, first id, last id).
template <class Trades, class Put>
void each_aggregate(Trades const& trades, Put&& put) {
  for (auto at = trades.begin(); at != trades.end();) {
    auto whole = *at;
    auto const first = at->id;
    auto last = first;
    for (++at; at != trades.end() && at->aggregate_id == whole.aggregate_id; ++at) {
      whole.amount += at->amount;
      last = at->id;
    }
    put(whole, first, last);
  }
}

class BinanceMarketSession : public BinanceSession {
 public:
  BinanceMarketSession(Source& source, BinanceTruth& truth, bool combined, std::vector<std::string> const& streams,
                       Now const& now)
      : BinanceSession{combined}, source_{source}, truth_{truth}, symbols_(source.symbols().size()) {
    for (std::size_t symbol = 0; symbol < symbols_.size(); ++symbol)
      symbols_[symbol].lower = lower(source.symbols()[symbol].native);
    subscribe_all(streams, now);
  }

  Feed produce(Now const& now, std::size_t bytes, Frames& out) override;

 private:
  struct Symbol {
    std::string lower;
    std::uint32_t wanted = 0, spans = 0;
    std::array<std::int64_t, span_count> candle_sent{};  // Last trade of the candle that was sent.
  };

  bool knows(std::string const& stream) const override {
    auto const parsed = parse_stream(stream);
    return parsed && source_.find_native(parsed->symbol) >= 0;
  }
  void changed() override;
  void put_event(Frames& out);
  void put_tick(Frames& out);
  void put_trade(Frames& out, std::size_t symbol, MarketTrade const& trade);
  void put_aggregate(Frames& out, std::size_t symbol, MarketTrade const& whole, std::int64_t first, std::int64_t last);
  void put_best(Frames& out, std::size_t symbol);
  void put_depth(Frames& out, std::size_t symbol, std::size_t which);
  void put_partials(Frames& out, std::size_t symbol);
  void put_candle(Frames& out, std::size_t symbol, std::size_t span, MarketCandle const& candle, bool closed);

  void begin(std::size_t symbol, std::string_view what);
  bool finish(Frames& out, std::size_t symbol, std::string_view what);
  void put_head(std::string_view event, std::size_t symbol);

  Source& source_;
  BinanceTruth& truth_;
  std::vector<Symbol> symbols_;
  std::optional<Market> market_;
  std::string frame_;
  std::vector<Quote> bids_, asks_;
};

void BinanceMarketSession::changed() {
  for (auto& symbol : symbols_) symbol.wanted = symbol.spans = 0;
  for (auto const& name : subscriptions_.names()) {
    auto const stream = parse_stream(name);
    auto& symbol = symbols_[static_cast<std::size_t>(source_.find_native(stream->symbol))];
    symbol.wanted |= stream->wanted;
    if (stream->span >= 0) symbol.spans |= 1U << static_cast<unsigned>(stream->span);
  }
}

Session::Feed BinanceMarketSession::produce(Now const& now, std::size_t bytes, Frames& out) {
  if (subscriptions_.names().empty()) return Feed::waiting;
  if (source_.waits_for_subscriptions() && !market_ && !subscriptions_.settled(now)) return Feed::waiting;
  if (!market_) market_ = source_.cursor(now);
  auto const limit = source_.limit_us(now);
  auto steps_left = 100'000;  // A stream that seldom speaks must not hold up the others.
  while (out.size() < bytes && steps_left > 0 && market_->step(limit)) {
    --steps_left;
    if (market_->is_tick())
      put_tick(out);
    else
      put_event(out);
  }
  source_.follow(*market_);
  if (market_->ended()) return Feed::ended;
  return out.size() < bytes && steps_left > 0 ? Feed::waiting : Feed::flowing;
}

void BinanceMarketSession::put_event(Frames& out) {
  auto const symbol = market_->symbol();
  auto const wanted = symbols_[symbol].wanted;
  if ((wanted & trade) != 0)
    for (auto const& one : market_->trades()) put_trade(out, symbol, one);
  if ((wanted & aggregate) != 0)
    each_aggregate(market_->trades(), [&](MarketTrade const& whole, std::int64_t first, std::int64_t last) {
      put_aggregate(out, symbol, whole, first, last);
    });
  if ((wanted & best) != 0 && market_->best_changed()) put_best(out, symbol);
}

void BinanceMarketSession::put_tick(Frames& out) {
  auto const candles_due = market_->now_us() % 2'000'000 == 0;
  for (std::size_t symbol = 0; symbol < symbols_.size(); ++symbol) {
    auto const& of = symbols_[symbol];
    if ((of.wanted & depth_fast) != 0) put_depth(out, symbol, 0);
    if ((of.wanted & depth_slow) != 0 && market_->window_complete(1)) put_depth(out, symbol, 1);
    if (of.wanted >= partial) put_partials(out, symbol);
    for (std::size_t span = 0; of.spans >> span != 0; ++span) {
      if ((of.spans >> span & 1U) == 0) continue;
      if ((market_->closed_spans() >> span & 1U) != 0)
        put_candle(out, symbol, span, market_->closed_candle(symbol, span), true);
      else if (candles_due)
        if (auto const candle = market_->candle(symbol, span); candle.trades > 0 && candle.last_id != of.candle_sent[span])
          put_candle(out, symbol, span, candle, false);
    }
  }
}

void BinanceMarketSession::begin(std::size_t symbol, std::string_view what) {
  frame_.clear();
  if (!combined_) return;
  frame_ += R"({"stream":")";
  frame_ += symbols_[symbol].lower;
  frame_ += '@';
  frame_ += what;
  frame_ += R"(","data":)";
}

bool BinanceMarketSession::finish(Frames& out, std::size_t symbol, std::string_view what) {
  if (combined_) frame_ += '}';
  auto const fate = out.data(std::hash<std::string_view>{}(what) + symbol, frame_);
  if (!truth_) return false;
  if (fate == Frames::Fate::cut)
    truth_.put_malformed(symbols_[symbol].lower + '@' + std::string{what}, std::string_view{frame_}.substr(0, out.kept()));
  return fate == Frames::Fate::sent;
}

void BinanceMarketSession::put_head(std::string_view event, std::size_t symbol) {
  frame_ += R"({"e":")";
  frame_ += event;
  frame_ += R"(","E":)";
  append(frame_, market_->now_us() / 1000);
  frame_ += R"(,"s":")";
  frame_ += market_->about(symbol).native;
  frame_ += '"';
}

void BinanceMarketSession::put_trade(Frames& out, std::size_t symbol, MarketTrade const& one) {
  auto const& about = market_->about(symbol);
  begin(symbol, "trade");
  put_head("trade", symbol);
  frame_ += R"(,"t":)";
  append(frame_, one.id);
  frame_ += R"(,"p":")";
  put_price(frame_, about, one.price);
  frame_ += R"(","q":")";
  put_amount(frame_, about, one.amount);
  frame_ += R"(","T":)";
  append(frame_, one.time_us / 1000);
  frame_ += one.buyer_is_maker ? R"(,"m":true,"M":true})" : R"(,"m":false,"M":true})";
  if (finish(out, symbol, "trade")) truth_.put_trade(symbol, one);
}

void BinanceMarketSession::put_aggregate(Frames& out, std::size_t symbol, MarketTrade const& whole, std::int64_t first,
                                         std::int64_t last) {
  auto const& about = market_->about(symbol);
  begin(symbol, "aggTrade");
  put_head("aggTrade", symbol);
  frame_ += R"(,"a":)";
  append(frame_, whole.aggregate_id);
  frame_ += R"(,"p":")";
  put_price(frame_, about, whole.price);
  frame_ += R"(","q":")";
  put_amount(frame_, about, whole.amount);
  frame_ += R"(","f":)";
  append(frame_, first);
  frame_ += R"(,"l":)";
  append(frame_, last);
  frame_ += R"(,"T":)";
  append(frame_, whole.time_us / 1000);
  frame_ += whole.buyer_is_maker ? R"(,"m":true,"M":true})" : R"(,"m":false,"M":true})";
  if (finish(out, symbol, "aggTrade")) truth_.put_aggregate(symbol, whole);
}

void BinanceMarketSession::put_best(Frames& out, std::size_t symbol) {
  auto const& about = market_->about(symbol);
  auto const bid = market_->bids(symbol).back(), ask = market_->asks(symbol).back();
  begin(symbol, "bookTicker");
  frame_ += R"({"u":)";
  append(frame_, market_->update_id(symbol));
  frame_ += R"(,"s":")";
  frame_ += about.native;
  frame_ += R"(","b":")";
  put_price(frame_, about, bid.price);
  frame_ += R"(","B":")";
  put_amount(frame_, about, bid.amount);
  frame_ += R"(","a":")";
  put_price(frame_, about, ask.price);
  frame_ += R"(","A":")";
  put_amount(frame_, about, ask.amount);
  frame_ += "\"}";
  if (finish(out, symbol, "bookTicker"))
    truth_.put_best(symbol, market_->best_ordinal(symbol), market_->update_id(symbol), bid, ask);
}

void BinanceMarketSession::put_depth(Frames& out, std::size_t symbol, std::size_t which) {
  auto const& window = market_->window(symbol, which);
  if (window.first_id > window.last_id) return;
  auto const& about = market_->about(symbol);
  auto const what = which == 0 ? "depth@100ms" : "depth";
  market_->window_levels(symbol, which, bids_, asks_);
  begin(symbol, what);
  put_head("depthUpdate", symbol);
  frame_ += R"(,"U":)";
  append(frame_, window.first_id);
  frame_ += R"(,"u":)";
  append(frame_, window.last_id);
  frame_ += R"(,"b":)";
  put_levels(frame_, about, bids_);
  frame_ += R"(,"a":)";
  put_levels(frame_, about, asks_);
  frame_ += '}';
  if (finish(out, symbol, what)) truth_.put_update(symbol, which, window, market_->now_us() / 1000 * 1000, bids_, asks_);
}

void BinanceMarketSession::put_partials(Frames& out, std::size_t symbol) {
  for (std::size_t size = 0; size < partial_sizes.size(); ++size)
    for (std::size_t fast = 0; fast < 2; ++fast) {
      auto const& window = market_->window(symbol, fast == 1 ? 0 : 1);
      if ((symbols_[symbol].wanted & partial << (2 * size + fast)) == 0 || window.first_id > window.last_id) continue;
      if (!market_->window_complete(fast == 1 ? 0 : 1)) continue;
      auto const what = "depth" + std::to_string(partial_sizes[size]) + (fast == 1 ? "@100ms" : "");
      auto const bids = top(market_->bids(symbol), partial_sizes[size]), asks = top(market_->asks(symbol), partial_sizes[size]);
      begin(symbol, what);
      frame_ += R"({"lastUpdateId":)";
      append(frame_, market_->update_id(symbol));
      frame_ += R"(,"bids":)";
      put_levels(frame_, market_->about(symbol), bids);
      frame_ += R"(,"asks":)";
      put_levels(frame_, market_->about(symbol), asks);
      frame_ += '}';
      if (finish(out, symbol, what)) truth_.put_snapshot(symbol, market_->update_id(symbol), bids, asks);
    }
}

void BinanceMarketSession::put_candle(Frames& out, std::size_t symbol, std::size_t span, MarketCandle const& candle,
                                      bool closed) {
  auto const& about = market_->about(symbol);
  auto const what = "kline_" + std::string{span_names[span]};
  auto const text = [&](std::string_view name, auto put, auto value) {
    frame_ += ",\"";
    frame_ += name;
    frame_ += "\":\"";
    put(frame_, about, value);
    frame_ += '"';
  };
  auto const number = [&](std::string_view name, std::int64_t value) {
    frame_ += name;
    append(frame_, value);
  };
  symbols_[symbol].candle_sent[span] = candle.last_id;
  begin(symbol, what);
  put_head("kline", symbol);
  number(R"(,"k":{"t":)", candle.open_us / 1000);
  number(R"(,"T":)", candle.end_us / 1000 - 1);
  frame_ += R"(,"s":")" + about.native + R"(","i":")";
  frame_ += span_names[span];
  number(R"(","f":)", candle.first_id);
  number(R"(,"L":)", candle.last_id);
  text("o", put_price, candle.open);
  text("c", put_price, candle.close);
  text("h", put_price, candle.high);
  text("l", put_price, candle.low);
  text("v", put_amount, candle.volume);
  number(R"(,"n":)", candle.trades);
  frame_ += closed ? R"(,"x":true)" : R"(,"x":false)";
  text("q", put_cost, candle.quote_volume);
  text("V", put_amount, candle.taker_volume);
  text("Q", put_cost, candle.taker_quote_volume);
  frame_ += R"(,"B":"0"}})";
  if (finish(out, symbol, what)) truth_.put_candle(symbol, span, candle, closed);
}

// ---------------------------------------------------------------------------------------------------- REST

Reply refuse(int code, std::string_view message, int status = 400) {
  Reply reply{.status = status};
  reply.body = R"({"code":)" + std::to_string(code) + R"(,"msg":")" + std::string{message} + "\"}";
  return reply;
}

/// What both sources share: paths, weights, errors.
class BinanceVenue : public Venue {
 public:
  explicit BinanceVenue(VenueOptions const& options)
      : budget_{options.weight_per_minute > 0 ? options.weight_per_minute : weight_per_minute} {}

  std::string_view name() const override { return source_name; }
  std::optional<std::string_view> websocket_base() const override { return ""; }
  std::chrono::milliseconds ping_every() const override { return std::chrono::seconds{20}; }

  Reply throttled(std::chrono::seconds wait) const override {
    auto reply = refuse(-1003, "Too much request weight used; please use WebSocket Streams for live updates.", 429);
    reply.headers.emplace_back("Retry-After", std::to_string(wait.count()));
    return reply;
  }
  Reply failed() const override { return refuse(-1000, "An unknown error occurred while processing the request.", 500); }

  Reply ask(Question const& question, Now const& now) override {
    auto const charged = budget_.take(weight_of(question), now);
    auto reply = charged ? answer(question, now) : throttled(budget_.until_next_minute(now));
    reply.headers.emplace_back("x-mbx-used-weight", std::to_string(budget_.used()));
    reply.headers.emplace_back("x-mbx-used-weight-1m", std::to_string(budget_.used()));
    return reply;
  }

  std::unique_ptr<Session> connect(std::string_view path, std::string_view query, Now const& now) override {
    if (path == "/stream") return session(true, split(query_value(query, "streams").value_or(""), '/'), now);
    if (path == "/ws" || path.starts_with("/ws/")) return session(false, split(path.substr(3), '/'), now);
    return nullptr;
  }

 protected:
  virtual Reply answer(Question const& question, Now const& now) = 0;
  virtual std::unique_ptr<Session> session(bool combined, std::vector<std::string> const& streams, Now const& now) = 0;

 private:
  static int weight_of(Question const& question) {
    auto const path = question.path;
    if (path == "/api/v3/trades" || path == "/api/v3/historicalTrades") return 25;
    if (path == "/api/v3/aggTrades") return 4;
    if (path == "/api/v3/klines" || path == "/api/v3/ticker/bookTicker") return 2;
    if (path == "/api/v3/exchangeInfo") return 20;
    if (path != "/api/v3/depth") return 1;
    auto const limit = to_integer(query_value(question.query, "limit").value_or("100")).value_or(100);
    return limit <= 100 ? 5 : limit <= 500 ? 25 : limit <= 1000 ? 50 : 250;
  }

  Budget budget_;
};

class BinanceMarketVenue : public BinanceVenue {
 public:
  BinanceMarketVenue(Source& source, VenueOptions const& options)
      : BinanceVenue{options}, source_{source}, truth_{options.truth, source.symbols()} {}

 private:
  using Query = std::string_view;

  std::unique_ptr<Session> session(bool combined, std::vector<std::string> const& streams, Now const& now) override {
    return std::make_unique<BinanceMarketSession>(source_, truth_, combined, streams, now);
  }

  Reply answer(Question const& question, Now const& now) override;
  Reply exchange_info(Query query, Market const& market);
  Reply depth(Query query, std::size_t symbol, Market const& market);
  Reply best_prices(Market const& market, std::size_t symbol);
  Reply trades(Query query, std::size_t symbol, bool historical);
  Reply aggregates(Query query, std::size_t symbol);
  Reply candles(Query query, std::size_t symbol, Market const& market);

  static std::optional<std::int64_t> number(Query query, std::string_view name) {
    auto const text = query_value(query, name);
    return text ? to_integer(*text) : std::nullopt;
  }
  static std::size_t limit_of(Query query, std::int64_t fallback, std::int64_t most) {
    return static_cast<std::size_t>(std::clamp<std::int64_t>(number(query, "limit").value_or(fallback), 1, most));
  }

  Source& source_;
  BinanceTruth truth_;
};

Reply BinanceMarketVenue::answer(Question const& question, Now const& now) {
  if (!question.path.starts_with("/api/v3/") || question.post) return refuse(-1000, "Not found", 404);
  auto const what = question.path.substr(8);
  auto const& market = source_.present(now);
  if (what == "ping") return {.body = "{}"};
  if (what == "time") return {.body = R"({"serverTime":)" + std::to_string(market.now_us() / 1000) + '}'};
  if (what == "exchangeInfo") return exchange_info(question.query, market);
  constexpr std::array known{"depth", "trades", "historicalTrades", "aggTrades", "klines", "ticker/bookTicker"};
  if (!std::ranges::contains(known, what)) return refuse(-1000, "Not found", 404);
  auto const native = query_value(question.query, "symbol").value_or("");
  if (native.empty()) return refuse(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.");
  auto const found = source_.find_native(native);
  if (found < 0) return refuse(-1121, "Invalid symbol.");
  auto const symbol = static_cast<std::size_t>(found);
  if (what == "depth") return depth(question.query, symbol, market);
  if (what == "trades") return trades(question.query, symbol, false);
  if (what == "historicalTrades") return trades(question.query, symbol, true);
  if (what == "aggTrades") return aggregates(question.query, symbol);
  if (what == "klines") return candles(question.query, symbol, market);
  return best_prices(market, symbol);
}

Reply BinanceMarketVenue::exchange_info(Query query, Market const& market) {
  std::vector<std::string> asked;
  if (auto const one = query_value(query, "symbol")) asked.push_back(*one);
  if (auto const list = query_value(query, "symbols"))
    for (auto const& quoted : split(*list, ','))
      if (auto const from = quoted.find('"'); from != std::string::npos)
        asked.push_back(quoted.substr(from + 1, quoted.find('"', from + 1) - from - 1));
  for (auto const& native : asked)
    if (source_.find_native(native) < 0) return refuse(-1121, "Invalid symbol.");
  Reply reply;
  auto& out = reply.body;
  out += R"({"timezone":"UTC","serverTime":)";
  append(out, market.now_us() / 1000);
  out +=
      R"(,"rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000},)"
      R"({"rateLimitType":"RAW_REQUESTS","interval":"MINUTE","intervalNum":5,"limit":61000}],"exchangeFilters":[],"symbols":[)";
  for (std::size_t symbol = 0; symbol < source_.symbols().size(); ++symbol) {
    auto const& about = source_.symbols()[symbol];
    if (!asked.empty() && !std::ranges::contains(asked, about.native)) continue;
    if (out.back() != '[') out += ',';
    out += R"({"symbol":")" + about.native + R"(","status":"TRADING","baseAsset":")" + about.base +
           R"(","baseAssetPrecision":8,"quoteAsset":")" + about.quote +
           R"(","quotePrecision":8,"quoteAssetPrecision":8,"orderTypes":["LIMIT","LIMIT_MAKER","MARKET"],"icebergAllowed":true,)"
           R"("isSpotTradingAllowed":true,"isMarginTradingAllowed":false,"filters":[{"filterType":"PRICE_FILTER","minPrice":")";
    put_price(out, about, 1);
    out += R"(","maxPrice":"1000000.00000000","tickSize":")";
    put_price(out, about, 1);
    out += R"("},{"filterType":"LOT_SIZE","minQty":")";
    put_amount(out, about, 1);
    out += R"(","maxQty":"9000000.00000000","stepSize":")";
    put_amount(out, about, 1);
    out += R"("}],"permissions":[],"permissionSets":[["SPOT"]]})";
    if (truth_) truth_.put_instrument(symbol);
  }
  out += "]}";
  return reply;
}

Reply BinanceMarketVenue::depth(Query query, std::size_t symbol, Market const& market) {
  auto const limit = limit_of(query, 100, 5000);
  auto const bids = top(market.bids(symbol), limit), asks = top(market.asks(symbol), limit);
  Reply reply;
  reply.body = R"({"lastUpdateId":)";
  append(reply.body, market.update_id(symbol));
  reply.body += R"(,"bids":)";
  put_levels(reply.body, market.about(symbol), bids);
  reply.body += R"(,"asks":)";
  put_levels(reply.body, market.about(symbol), asks);
  reply.body += '}';
  if (truth_) truth_.put_snapshot(symbol, market.update_id(symbol), bids, asks);
  return reply;
}

Reply BinanceMarketVenue::best_prices(Market const& market, std::size_t symbol) {
  auto const& about = market.about(symbol);
  Reply reply;
  auto& out = reply.body;
  out += R"({"symbol":")" + about.native + R"(","bidPrice":")";
  put_price(out, about, market.bids(symbol).back().price);
  out += R"(","bidQty":")";
  put_amount(out, about, market.bids(symbol).back().amount);
  out += R"(","askPrice":")";
  put_price(out, about, market.asks(symbol).back().price);
  out += R"(","askQty":")";
  put_amount(out, about, market.asks(symbol).back().amount);
  out += "\"}";
  return reply;
}

Reply BinanceMarketVenue::trades(Query query, std::size_t symbol, bool historical) {
  auto const& all = source_.history().trades(symbol);
  auto const limit = limit_of(query, 500, 1000);
  auto from = all.size() > limit ? all.size() - limit : 0;
  if (auto const id = historical ? number(query, "fromId") : std::nullopt; id && !all.empty())
    from = static_cast<std::size_t>(std::clamp<std::int64_t>(*id - all.front().id, 0, static_cast<std::int64_t>(all.size())));
  auto const& about = source_.symbols()[symbol];
  Reply reply;
  auto& out = reply.body;
  out.reserve(limit * 180);
  out += '[';
  for (auto at = from; at < std::min(all.size(), from + limit); ++at) {
    auto const& one = all[at];
    out += at == from ? R"({"id":)" : R"(,{"id":)";
    append(out, one.id);
    out += R"(,"price":")";
    put_price(out, about, one.price);
    out += R"(","qty":")";
    put_amount(out, about, one.amount);
    out += R"(","quoteQty":")";
    put_cost(out, about, static_cast<Wide>(one.price) * one.amount);
    out += R"(","time":)";
    append(out, one.time_us / 1000);
    out += one.buyer_is_maker ? R"(,"isBuyerMaker":true,"isBestMatch":true})" : R"(,"isBuyerMaker":false,"isBestMatch":true})";
    if (truth_) truth_.put_trade(symbol, one);
  }
  out += ']';
  return reply;
}

Reply BinanceMarketVenue::aggregates(Query query, std::size_t symbol) {
  auto const& all = source_.history().trades(symbol);
  auto const limit = limit_of(query, 500, 1000);
  auto const from_id = number(query, "fromId"), from_ms = number(query, "startTime"), to_ms = number(query, "endTime");
  auto begin = all.begin(), end = all.end();
  if (to_ms) end = std::ranges::upper_bound(all, *to_ms, {}, [](MarketTrade const& one) { return one.time_us / 1000; });
  if (from_id)
    begin = std::ranges::lower_bound(all, *from_id, {}, &MarketTrade::aggregate_id);
  else if (from_ms)
    begin = std::ranges::lower_bound(all, *from_ms, {}, [](MarketTrade const& one) { return one.time_us / 1000; });
  struct Aggregate {
    MarketTrade whole;
    std::int64_t first, last;
  };
  std::deque<Aggregate> rows;
  // The oldest trade remembered may be the second half of its aggregate.
  auto const cut = all.empty() ? 0 : all.front().aggregate_id;
  if (begin < end)
    each_aggregate(std::ranges::subrange(begin, end), [&](MarketTrade const& whole, std::int64_t first, std::int64_t last) {
      if (whole.aggregate_id == cut) return;
      if ((from_id || from_ms) && rows.size() == limit) return;
      rows.push_back({whole, first, last});
      if (rows.size() > limit) rows.pop_front();
    });
  auto const& about = source_.symbols()[symbol];
  Reply reply;
  auto& out = reply.body;
  out += '[';
  for (auto const& [whole, first, last] : rows) {
    out += out.size() == 1 ? R"({"a":)" : R"(,{"a":)";
    append(out, whole.aggregate_id);
    out += R"(,"p":")";
    put_price(out, about, whole.price);
    out += R"(","q":")";
    put_amount(out, about, whole.amount);
    out += R"(","f":)";
    append(out, first);
    out += R"(,"l":)";
    append(out, last);
    out += R"(,"T":)";
    append(out, whole.time_us / 1000);
    out += whole.buyer_is_maker ? R"(,"m":true,"M":true})" : R"(,"m":false,"M":true})";
    if (truth_) truth_.put_aggregate(symbol, whole);
  }
  out += ']';
  return reply;
}

Reply BinanceMarketVenue::candles(Query query, std::size_t symbol, Market const& market) {
  auto const span_text = query_value(query, "interval").value_or("");
  auto const span_found = find_span(span_text);
  if (span_found < 0) return refuse(-1120, "Invalid interval.");
  auto const span = static_cast<std::size_t>(span_found);
  auto const limit = limit_of(query, 500, 1000);
  auto const from_ms = number(query, "startTime"), to_ms = number(query, "endTime");
  std::deque<std::pair<MarketCandle, bool>> rows;
  auto const take = [&](MarketCandle const& candle) {
    auto const open_ms = candle.open_us / 1000;
    if ((from_ms && open_ms < *from_ms) || (to_ms && open_ms > *to_ms)) return;
    if (from_ms && rows.size() == limit) return;
    rows.emplace_back(candle, candle.end_us <= market.now_us());
    if (rows.size() > limit) rows.pop_front();
  };
  for (auto const& candle : source_.history().candles(symbol, span)) take(candle);
  take(market.candle(symbol, span));
  auto const& about = source_.symbols()[symbol];
  Reply reply;
  auto& out = reply.body;
  out += '[';
  for (auto const& [candle, closed] : rows) {
    if (out.size() > 1) out += ',';
    out += '[';
    append(out, candle.open_us / 1000);
    for (auto const price : {candle.open, candle.high, candle.low, candle.close}) {
      out += ",\"";
      put_price(out, about, price);
      out += '"';
    }
    out += ",\"";
    put_amount(out, about, candle.volume);
    out += "\",";
    append(out, candle.end_us / 1000 - 1);
    out += ",\"";
    put_cost(out, about, candle.quote_volume);
    out += "\",";
    append(out, candle.trades);
    out += ",\"";
    put_amount(out, about, candle.taker_volume);
    out += "\",\"";
    put_cost(out, about, candle.taker_quote_volume);
    out += "\",\"0\"]";
    if (truth_) truth_.put_candle(symbol, span, candle, std::nullopt);
  }
  out += ']';
  return reply;
}

// ---------------------------------------------------------------------------------------------------- recordings

/// One channel in two spellings: what was recorded as one may be asked for as the other.
std::string plain_stream(std::string_view stream) {
  if (stream.ends_with("@depth@100ms")) stream.remove_suffix(6);
  return std::string{stream};
}

class BinanceRecordingSession : public BinanceSession {
 public:
  BinanceRecordingSession(Recording const& recording, bool combined, std::vector<std::string> const& streams, Now const& now)
      : BinanceSession{combined}, player_{recording} {
    subscribe_all(streams, now);
  }
  Feed produce(Now const& now, std::size_t bytes, Frames& out) override {
    return player_.produce(now, subscriptions_.settled(now), !combined_, bytes, out);
  }

 private:
  bool knows(std::string const& stream) const override { return parse_stream(stream).has_value(); }
  void changed() override {
    std::vector<std::string> plain;
    for (auto const& stream : subscriptions_.names()) plain.push_back(plain_stream(stream));
    player_.want(plain);
  }
  Player player_;
};

class BinanceRecordingVenue : public BinanceVenue {
 public:
  BinanceRecordingVenue(Recording const& recording, VenueOptions const& options) : BinanceVenue{options}, recording_{recording} {}

 private:
  std::unique_ptr<Session> session(bool combined, std::vector<std::string> const& streams, Now const& now) override {
    return std::make_unique<BinanceRecordingSession>(recording_, combined, streams, now);
  }
  Reply answer(Question const& question, Now const& now) override {
    if (question.path == "/api/v3/ping") return {.body = "{}"};
    if (question.path == "/api/v3/time")
      return {.body = R"({"serverTime":)" + std::to_string(now.wall.time_since_epoch().count() / 1000) + '}'};
    auto const endpoint = std::string{question.path.substr(question.path.starts_with('/') ? 1 : 0)};
    auto const native = query_value(question.query, "symbol").value_or("");
    for (auto const& key : {endpoint + ' ' + native, endpoint})
      if (auto const body = recording_.answer(key, recording_.furthest)) return {.body = std::string{*body}};
    recording_.say_unanswered(native.empty() ? endpoint : endpoint + ' ' + native);
    return endpoint.starts_with("api/v3/") ? refuse(-1121, "Invalid symbol.") : refuse(-1000, "Not found", 404);
  }
  Recording const& recording_;
};

}  // namespace

std::unique_ptr<Venue> make_binance(Source& source, VenueOptions const& options) {
  return std::make_unique<BinanceMarketVenue>(source, options);
}

std::unique_ptr<Venue> make_binance(Recording const& recording, VenueOptions const& options) {
  return std::make_unique<BinanceRecordingVenue>(recording, options);
}

Recording::Dialect binance_dialect() {
  return {.provider = source_name,
          .stream_of = [](std::string_view frame) -> std::string {
            constexpr std::string_view head = R"({"stream":")";
            if (!frame.starts_with(head)) return "";
            return plain_stream(frame.substr(head.size(), frame.find('"', head.size()) - head.size()));
          },
          .endpoint_of_file = [](std::string_view name) -> std::string {
            if (!name.starts_with("rest-") || !name.ends_with(".json")) return "";
            auto const words = split(name.substr(5, name.size() - 10), '-');
            if (words.empty()) return "";
            constexpr std::array known{"exchangeInfo", "klines", "trades", "historicalTrades", "aggTrades"};
            if (std::ranges::contains(known, words[0])) return "api/v3/" + words[0];
            if (words[0] == "bookTicker") return "api/v3/ticker/bookTicker";
            if (words[0] != "depth" || words.size() < 3) return "";
            auto native = words[1];
            for (auto& letter : native) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
            return "api/v3/depth " + native;
          },
          .endpoint_of_line = [](std::string_view url, std::string_view stream, std::string_view body) -> std::string {
            if (!body.starts_with(R"({"lastUpdateId":)")) return "";
            std::string native{stream.substr(0, stream.find('@'))};
            if (auto const query = url.find('?'); query != std::string_view::npos)
              native = query_value(url.substr(query + 1), "symbol").value_or(native);
            for (auto& letter : native) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
            return native.empty() ? "" : "api/v3/depth " + native;
          },
          // USD-M futures speak almost the same, but their books chain by `pu` and their tickers have times.
          .foreign = [](std::string_view frame) { return frame.contains(R"("e":"depthUpdate")") && frame.contains(R"("pu":)"); }};
}

std::optional<MarketSymbol> binance_symbol(std::string_view word) {
  struct Known {
    std::string_view base;
    int price_decimals, amount_decimals;
    std::int64_t price, amount;
  };
  constexpr std::array known{
      Known{"BTC", 2, 5, 6'183'763, 5'000}, Known{"ETH", 2, 4, 268'345, 8'000}, Known{"SOL", 2, 3, 15'832, 9'000},
      Known{"XRP", 4, 1, 6'123, 12'000},    Known{"DOGE", 5, 0, 10'432, 4'000}, Known{"BNB", 2, 3, 53'120, 2'000},
      Known{"ADA", 4, 1, 3'456, 9'000},     Known{"AVAX", 2, 2, 2'431, 3'000},  Known{"LINK", 2, 2, 1'087, 4'000},
      Known{"LTC", 2, 3, 6'350, 3'000},     Known{"DOT", 3, 2, 5'123, 3'000},   Known{"ATOM", 3, 2, 6'123, 3'000}};
  auto const slash = word.find('/');
  MarketSymbol symbol;
  symbol.base = word.substr(0, slash);
  symbol.quote = slash == std::string_view::npos ? "USDT" : word.substr(slash + 1);
  auto const letters = [](std::string const& text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); });
  };
  if (!letters(symbol.base) || !letters(symbol.quote)) return {};
  symbol.unified = symbol.base + '/' + symbol.quote;
  symbol.native = symbol.base + symbol.quote;
  if (auto const at = std::ranges::find(known, symbol.base, &Known::base); at != known.end()) {
    symbol.price_decimals = at->price_decimals;
    symbol.amount_decimals = at->amount_decimals;
    symbol.price = at->price;
    symbol.amount = at->amount;
  } else {
    std::uint64_t letters_as_number = 0;
    for (char const letter : symbol.base) letters_as_number = letters_as_number * 131 + static_cast<unsigned char>(letter);
    Random random{letters_as_number};
    symbol.price_decimals = 4;
    symbol.amount_decimals = 2;
    symbol.price = 5'000 + random.below(5'000'000);
    symbol.amount = 1'000 + random.below(9'000);
  }
  return symbol;
}

}  // namespace penstock::simulate
