#include "agents/simulate/hyperliquid.hpp"

#include "agents/simulate/subscriptions.hpp"

#include <simdjson.h>

#include <algorithm>

namespace penstock::simulate {
namespace {

namespace dom = simdjson::dom;

constexpr std::string_view source_name = "hyperliquid";
constexpr int weight_per_minute = 1200;
constexpr int messages_per_second = 2000 / 60;
constexpr std::size_t levels_most = 20;
constexpr std::int64_t trades_on_subscribing = 30;
constexpr std::size_t trades_recent = 10;
constexpr std::size_t candles_most = 5000;
constexpr std::int64_t book_every_us = 500'000;

int find_hyperliquid_span(std::string_view name) { return name == "6h" ? -1 : find_span(name); }

/// {"type":…,"coin":…} as one word: trades BTC; candle BTC 1m. "" where it is not a subscription.
std::string word_of(dom::element subscription) {
  std::string_view type, coin, interval;
  if (subscription["type"].get(type) != simdjson::SUCCESS || subscription["coin"].get(coin) != simdjson::SUCCESS) return "";
  std::string word{type};
  word += ' ';
  word += coin;
  if (type == "trades" || type == "l2Book" || type == "bbo") return word;
  if (type != "candle" || subscription["interval"].get(interval) != simdjson::SUCCESS || find_hyperliquid_span(interval) < 0)
    return "";
  return word + ' ' + std::string{interval};
}

std::string as_json_text(std::string_view text) {
  std::string out = "\"";
  for (char const letter : text) {
    if (letter == '"' || letter == '\\') out += '\\';
    out += static_cast<unsigned char>(letter) < 0x20 ? ' ' : letter;
  }
  return out + '"';
}

// ---------------------------------------------------------------------------------------------------- the control side

class HyperliquidSession : public Session {
 public:
  void open(Frames& out) override { out.control("Websocket connection established."); }

  bool receive(std::string_view text, Now const& now, Frames& out, std::string& why) override {
    if (!limit_.take(now)) {
      why = "Too many messages";
      return false;
    }
    out.control(answer(text, now));
    return true;
  }

 protected:
  virtual bool knows(std::string const& word) const = 0;
  virtual void changed(std::string const& word, bool added) = 0;
  Subscriptions subscriptions_;

 private:
  std::string answer(std::string_view text, Now const& now) {
    auto const error = [](std::string const& what) { return R"({"channel":"error","data":)" + as_json_text(what) + '}'; };
    dom::element request, subscription;
    std::string_view method;
    if (parser_.parse(text).get(request) != simdjson::SUCCESS || request["method"].get(method) != simdjson::SUCCESS)
      return error("Error parsing JSON into valid websocket request: " + std::string{text.substr(0, 200)});
    if (method == "ping") return R"({"channel":"pong"})";
    auto const add = method == "subscribe";
    if ((!add && method != "unsubscribe") || request["subscription"].get(subscription) != simdjson::SUCCESS)
      return error("Error parsing JSON into valid websocket request: " + std::string{text.substr(0, 200)});
    auto const spelled = simdjson::minify(subscription);
    auto const word = word_of(subscription);
    if (word.empty() || !knows(word)) return error("Invalid subscription " + spelled);
    if (add && !subscriptions_.add(word, now)) return error("Already subscribed: " + spelled);
    if (!add && !subscriptions_.remove(word)) return error("Already unsubscribed: " + spelled);
    changed(word, add);
    return R"({"channel":"subscriptionResponse","data":{"method":")" + std::string{method} + R"(","subscription":)" + spelled +
           "}}";
  }

  dom::parser parser_;
  MessageLimit limit_{messages_per_second};
};

// ---------------------------------------------------------------------------------------------------- a made-up market

void put_price(std::string& out, MarketSymbol const& about, std::int64_t price) {
  append_trimmed(out, price, about.price_decimals, 1);
}
void put_amount(std::string& out, MarketSymbol const& about, std::int64_t amount) {
  append_trimmed(out, amount, about.amount_decimals, 1);
}

/// How many orders make up a level: nothing else depends on it.
int orders_of(Quote const& quote) { return static_cast<int>(1 + (quote.price * 31 + quote.amount) % 7); }

/// Unique for each trade, without order: a number of 50 bits turned about.
std::int64_t tid_of(std::int64_t id) {
  constexpr std::uint64_t mask = (1ULL << 50U) - 1;
  auto mixed = static_cast<std::uint64_t>(id) & mask;
  mixed = (mixed * 0x2545F4914F6CDD1DULL) & mask;
  mixed ^= mixed >> 25U;
  return static_cast<std::int64_t>((mixed * 0x9E3779B97F4A7C15ULL) & mask);
}

void put_hex(std::string& out, Random& random, int digits) {
  out += "0x";
  std::uint64_t bits = 0;
  for (int digit = 0; digit < digits; ++digit) {
    if (digit % 16 == 0) bits = random.next();
    out += "0123456789abcdef"[bits & 15U];
    bits >>= 4U;
  }
}

void put_trade(std::string& out, MarketSymbol const& about, MarketTrade const& trade) {
  Random random{static_cast<std::uint64_t>(trade.aggregate_id)};
  out += R"({"coin":")";
  out += about.native;
  out += trade.buyer_is_maker ? R"(","side":"A","px":")" : R"(","side":"B","px":")";
  put_price(out, about, trade.price);
  out += R"(","sz":")";
  put_amount(out, about, trade.amount);
  out += R"(","time":)";
  append(out, trade.time_us / 1000);
  out += R"(,"hash":")";
  put_hex(out, random, 64);
  out += R"(","tid":)";
  append(out, tid_of(trade.id));
  out += R"(,"users":[")";
  put_hex(out, random, 40);
  out += "\",\"";
  put_hex(out, random, 40);
  out += "\"]}";
}

void put_level(std::string& out, MarketSymbol const& about, Quote const& quote) {
  out += R"({"px":")";
  put_price(out, about, quote.price);
  out += R"(","sz":")";
  put_amount(out, about, quote.amount);
  out += R"(","n":)";
  append(out, orders_of(quote));
  out += '}';
}

/// {coin, time, levels}
void put_book(std::string& out, Market const& market, std::size_t symbol, std::int64_t time_ms) {
  auto const& about = market.about(symbol);
  out += R"({"coin":")";
  out += about.native;
  out += R"(","time":)";
  append(out, time_ms);
  out += R"(,"levels":[)";
  for (auto const side : {market.bids(symbol), market.asks(symbol)}) {
    out += out.back() == ']' ? ",[" : "[";
    auto const count = std::min(levels_most, side.size());
    for (std::size_t level = 0; level < count; ++level) {
      if (level > 0) out += ',';
      put_level(out, about, side[side.size() - 1 - level]);
    }
    out += ']';
  }
  out += "]}";
}

void put_candle(std::string& out, MarketSymbol const& about, std::size_t span, MarketCandle const& candle) {
  out += R"({"t":)";
  append(out, candle.open_us / 1000);
  out += R"(,"T":)";
  append(out, candle.end_us / 1000 - 1);
  out += R"(,"s":")";
  out += about.native;
  out += R"(","i":")";
  out += span_names[span];
  auto const price = [&](char name, std::int64_t value) {
    out += "\",\"";
    out += name;
    out += "\":\"";
    put_price(out, about, value);
  };
  price('o', candle.open);
  price('c', candle.close);
  price('h', candle.high);
  price('l', candle.low);
  out += R"(","v":")";
  put_amount(out, about, candle.volume);
  out += R"(","n":)";
  append(out, candle.trades);
  out += '}';
}

class HyperliquidTruth {
 public:
  HyperliquidTruth(Truth* truth, std::vector<MarketSymbol> const& symbols) : truth_{truth}, symbols_{symbols} {
    if (truth_ == nullptr) return;
    for (std::size_t symbol = 0; symbol < symbols.size(); ++symbol) trades_.push_back(&truth->seen(source_name, "trade", symbol));
  }
  explicit operator bool() const { return truth_ != nullptr; }

  void put_trade(std::size_t symbol, MarketTrade const& trade) {
    if (!trades_[symbol]->add(trade.id)) return;
    auto const& about = symbols_[symbol];
    auto& out = truth_->line("trades");
    append_common(out, source_name, about.unified, trade.time_us / 1000 * 1000);
    out += R"(,"id":")";
    append(out, tid_of(trade.id));
    out += trade.buyer_is_maker ? R"(","side":"sell","price":")" : R"(","side":"buy","price":")";
    put_price(out, about, trade.price);
    out += R"(","amount":")";
    put_amount(out, about, trade.amount);
    out += "\"}";
    truth_->end();
  }
  void put_book(Market const& market, std::size_t symbol, std::int64_t time_ms) {
    auto const& about = symbols_[symbol];
    auto& out = truth_->line("books");
    append_common(out, source_name, about.unified, time_ms * 1000);
    out += R"(,"type":"snapshot")";
    for (bool const bid : {true, false}) {
      auto const side = bid ? market.bids(symbol) : market.asks(symbol);
      out += bid ? R"(,"bids":[)" : R"(,"asks":[)";
      for (std::size_t level = 0; level < std::min(levels_most, side.size()); ++level) {
        out += level > 0 ? ",[\"" : "[\"";
        put_price(out, about, side[side.size() - 1 - level].price);
        out += "\",\"";
        put_amount(out, about, side[side.size() - 1 - level].amount);
        out += "\"]";
      }
      out += ']';
    }
    out += '}';
    truth_->end_once();
  }
  void put_best(Market const& market, std::size_t symbol, std::int64_t time_ms) {
    auto const& about = symbols_[symbol];
    auto const bid = market.bids(symbol).back(), ask = market.asks(symbol).back();
    auto& out = truth_->line("tickers");
    append_common(out, source_name, about.unified, time_ms * 1000);
    out += R"(,"bid":")";
    put_price(out, about, bid.price);
    out += R"(","bid_amount":")";
    put_amount(out, about, bid.amount);
    out += R"(","ask":")";
    put_price(out, about, ask.price);
    out += R"(","ask_amount":")";
    put_amount(out, about, ask.amount);
    out += "\"}";
    truth_->end_once();
  }
  /// Nothing in a candle says that it is final, so `closed` is left out.
  void put_candle(std::size_t symbol, std::size_t span, MarketCandle const& candle) {
    auto const& about = symbols_[symbol];
    auto& out = truth_->line("candles");
    append_common(out, source_name, about.unified, candle.open_us);
    out += R"(,"interval":")";
    out += span_names[span];
    out += R"(","open":")";
    put_price(out, about, candle.open);
    out += R"(","high":")";
    put_price(out, about, candle.high);
    out += R"(","low":")";
    put_price(out, about, candle.low);
    out += R"(","close":")";
    put_price(out, about, candle.close);
    out += R"(","volume":")";
    put_amount(out, about, candle.volume);
    out += R"(","trades":)";
    append(out, candle.trades);
    out += '}';
    truth_->end();
  }
  void put_instrument(std::size_t symbol) {
    auto const& about = symbols_[symbol];
    auto& out = truth_->line("instruments");
    append_common(out, source_name, about.unified, no_time);
    out += R"(,"class":"swap","native_symbol":")" + about.native + R"(","base":")" + about.base +
           R"(","quote":"USDC","settle":"USDC","amount_step":")";
    append_padded(out, std::int64_t{1}, about.amount_decimals, about.amount_decimals);
    out += R"(","active":true})";
    truth_->end_once();
  }
  void put_malformed(std::string_view stream, std::string_view bytes) { truth_->malformed(source_name, stream, bytes); }

 private:
  Truth* truth_;
  std::vector<MarketSymbol> const& symbols_;
  std::vector<Seen*> trades_;
};

class HyperliquidMarketSession : public HyperliquidSession {
 public:
  HyperliquidMarketSession(Source& source, HyperliquidTruth& truth)
      : source_{source}, truth_{truth}, coins_(source.symbols().size()) {}
  Feed produce(Now const& now, std::size_t bytes, Frames& out) override;

 private:
  struct Coin {
    bool trades = false, book = false, best = false;
    bool trades_due = false, book_due = false;  // What a subscription begins with.
    std::uint32_t spans = 0;
    std::int64_t book_sent = 0, best_sent = -1;
    std::array<std::int64_t, span_count> candle_sent{};
  };

  bool knows(std::string const& word) const override { return source_.find_native(split(word, ' ')[1]) >= 0; }
  void changed(std::string const& word, bool added) override;
  void put_first(Frames& out);
  void put_tick(Frames& out);
  void put_trades(Frames& out, std::size_t symbol, std::span<MarketTrade const> trades);
  void put_whole_book(Frames& out, std::size_t symbol);
  void put_best_prices(Frames& out, std::size_t symbol);
  void put_one_candle(Frames& out, std::size_t symbol, std::size_t span, MarketCandle const& candle);
  void begin(std::string_view channel);
  bool finish(Frames& out, std::string_view channel, std::size_t symbol);

  Source& source_;
  HyperliquidTruth& truth_;
  std::vector<Coin> coins_;
  std::optional<Market> market_;
  std::string frame_;
};

void HyperliquidMarketSession::changed(std::string const& word, bool added) {
  auto const parts = split(word, ' ');
  auto& coin = coins_[static_cast<std::size_t>(source_.find_native(parts[1]))];
  if (parts[0] == "trades") coin.trades = coin.trades_due = added;
  if (parts[0] == "l2Book") coin.book = coin.book_due = added;
  if (parts[0] == "bbo") coin.best = added;
  if (parts[0] != "candle") return;
  auto const bit = 1U << static_cast<unsigned>(find_span(parts[2]));
  coin.spans = added ? coin.spans | bit : coin.spans & ~bit;
}

Session::Feed HyperliquidMarketSession::produce(Now const& now, std::size_t bytes, Frames& out) {
  if (subscriptions_.names().empty()) return Feed::waiting;
  if (source_.waits_for_subscriptions() && !market_ && !subscriptions_.settled(now)) return Feed::waiting;
  if (!market_) market_ = source_.cursor(now);
  auto const limit = source_.limit_us(now);
  put_first(out);
  auto steps_left = 100'000;
  while (out.size() < bytes && steps_left > 0 && market_->step(limit)) {
    --steps_left;
    if (market_->is_tick())
      put_tick(out);
    else if (auto const symbol = market_->symbol(); coins_[symbol].trades && !market_->trades().empty())
      put_trades(out, symbol, market_->trades());
  }
  source_.follow(*market_);
  if (market_->ended()) return Feed::ended;
  return out.size() < bytes && steps_left > 0 ? Feed::waiting : Feed::flowing;
}

/// A subscription begins with the last trades, so a reconnect repeats some; books begin with the book.
void HyperliquidMarketSession::put_first(Frames& out) {
  for (std::size_t symbol = 0; symbol < coins_.size(); ++symbol) {
    auto& coin = coins_[symbol];
    if (std::exchange(coin.trades_due, false)) {
      std::vector<MarketTrade> last;
      auto const newest = market_->trade_id(symbol);
      for (auto id = newest - trades_on_subscribing + 1; id <= newest; ++id)
        if (auto const* trade = source_.history().trade(symbol, id)) last.push_back(*trade);
      if (!last.empty()) put_trades(out, symbol, last);
    }
    if (std::exchange(coin.book_due, false)) put_whole_book(out, symbol);
  }
}

void HyperliquidMarketSession::put_tick(Frames& out) {
  auto const due = market_->now_us() % book_every_us == 0;
  for (std::size_t symbol = 0; symbol < coins_.size(); ++symbol) {
    auto& coin = coins_[symbol];
    if (coin.best && market_->best_ordinal(symbol) != coin.best_sent) put_best_prices(out, symbol);
    if (due && coin.book && market_->update_id(symbol) != coin.book_sent) put_whole_book(out, symbol);
    for (std::size_t span = 0; coin.spans >> span != 0; ++span) {
      if ((coin.spans >> span & 1U) == 0) continue;
      auto const closes = (market_->closed_spans() >> span & 1U) != 0;
      if (!closes && !due) continue;
      auto const candle = closes ? market_->closed_candle(symbol, span) : market_->candle(symbol, span);
      if (candle.trades > 0 && candle.last_id != coin.candle_sent[span]) put_one_candle(out, symbol, span, candle);
    }
  }
}

void HyperliquidMarketSession::begin(std::string_view channel) {
  frame_ = R"({"channel":")";
  frame_ += channel;
  frame_ += R"(","data":)";
}

bool HyperliquidMarketSession::finish(Frames& out, std::string_view channel, std::size_t symbol) {
  frame_ += '}';
  auto const fate = out.data(std::hash<std::string_view>{}(channel) + symbol, frame_);
  if (!truth_) return false;
  if (fate == Frames::Fate::cut)
    truth_.put_malformed(std::string{channel} + ' ' + market_->about(symbol).native,
                         std::string_view{frame_}.substr(0, out.kept()));
  return fate == Frames::Fate::sent;
}

void HyperliquidMarketSession::put_trades(Frames& out, std::size_t symbol, std::span<MarketTrade const> trades) {
  begin("trades");
  frame_ += '[';
  for (auto const& trade : trades) {
    if (frame_.back() != '[') frame_ += ',';
    put_trade(frame_, market_->about(symbol), trade);
  }
  frame_ += ']';
  if (!finish(out, "trades", symbol)) return;
  for (auto const& trade : trades) truth_.put_trade(symbol, trade);
}

void HyperliquidMarketSession::put_whole_book(Frames& out, std::size_t symbol) {
  auto const time_ms = market_->now_us() / 1000;
  coins_[symbol].book_sent = market_->update_id(symbol);
  begin("l2Book");
  put_book(frame_, *market_, symbol, time_ms);
  if (finish(out, "l2Book", symbol)) truth_.put_book(*market_, symbol, time_ms);
}

void HyperliquidMarketSession::put_best_prices(Frames& out, std::size_t symbol) {
  auto const time_ms = market_->now_us() / 1000;
  auto const& about = market_->about(symbol);
  coins_[symbol].best_sent = market_->best_ordinal(symbol);
  begin("bbo");
  frame_ += R"({"coin":")" + about.native + R"(","time":)";
  append(frame_, time_ms);
  frame_ += R"(,"bbo":[)";
  put_level(frame_, about, market_->bids(symbol).back());
  frame_ += ',';
  put_level(frame_, about, market_->asks(symbol).back());
  frame_ += "]}";
  if (finish(out, "bbo", symbol)) truth_.put_best(*market_, symbol, time_ms);
}

void HyperliquidMarketSession::put_one_candle(Frames& out, std::size_t symbol, std::size_t span, MarketCandle const& candle) {
  coins_[symbol].candle_sent[span] = candle.last_id;
  begin("candle");
  put_candle(frame_, market_->about(symbol), span, candle);
  if (finish(out, "candle", symbol)) truth_.put_candle(symbol, span, candle);
}

// ---------------------------------------------------------------------------------------------------- POST /info

Reply text_reply(int status, std::string text) {
  return {.status = status, .body = std::move(text), .type = "text/plain; charset=utf-8"};
}
Reply unreadable() { return text_reply(422, "Failed to deserialize the JSON body into the target type"); }

class HyperliquidVenue : public Venue {
 public:
  explicit HyperliquidVenue(VenueOptions const& options)
      : budget_{options.weight_per_minute > 0 ? options.weight_per_minute : weight_per_minute} {}

  std::string_view name() const override { return source_name; }
  std::optional<std::string_view> websocket_base() const override { return "/ws"; }
  Reply throttled(std::chrono::seconds wait) const override {
    auto reply = text_reply(429, "null");
    reply.headers.emplace_back("Retry-After", std::to_string(wait.count()));
    return reply;
  }
  Reply failed() const override { return text_reply(500, "Internal Server Error"); }

  Reply ask(Question const& question, Now const& now) override {
    if (question.path != "/info") return text_reply(404, "");
    if (!question.post) return text_reply(405, "");
    dom::element request;
    std::string_view type;
    if (parser_.parse(question.body).get(request) != simdjson::SUCCESS || request["type"].get(type) != simdjson::SUCCESS)
      return unreadable();
    if (!budget_.take(type == "l2Book" || type == "allMids" ? 2 : 20, now)) return throttled(budget_.until_next_minute(now));
    std::size_t items = 0;
    auto reply = answer(request, type, now, items);
    budget_.take(static_cast<int>(items / (type == "candleSnapshot" ? 60 : 20)), now);
    return reply;
  }

  std::unique_ptr<Session> connect(std::string_view path, std::string_view, Now const&) override {
    return path == "/ws" ? session() : nullptr;
  }

 protected:
  /// `items`: rows that cost extra weight.
  virtual Reply answer(dom::element request, std::string_view type, Now const& now, std::size_t& items) = 0;
  virtual std::unique_ptr<Session> session() = 0;

 private:
  Budget budget_;
  dom::parser parser_;
};

class HyperliquidMarketVenue : public HyperliquidVenue {
 public:
  HyperliquidMarketVenue(Source& source, VenueOptions const& options)
      : HyperliquidVenue{options}, source_{source}, truth_{options.truth, source.symbols()} {}

 private:
  std::unique_ptr<Session> session() override { return std::make_unique<HyperliquidMarketSession>(source_, truth_); }
  Reply answer(dom::element request, std::string_view type, Now const& now, std::size_t& items) override;
  Reply meta();
  Reply mids(Market const& market);
  Reply recent_trades(std::size_t symbol, std::size_t& items);
  Reply candles(dom::element request, Market const& market, std::size_t& items);

  Source& source_;
  HyperliquidTruth truth_;
};

Reply HyperliquidMarketVenue::answer(dom::element request, std::string_view type, Now const& now, std::size_t& items) {
  auto const& market = source_.present(now);
  if (type == "meta") return meta();
  if (type == "allMids") return mids(market);
  if (type == "candleSnapshot") return candles(request, market, items);
  if (type != "l2Book" && type != "recentTrades") return unreadable();
  std::string_view coin;
  if (request["coin"].get(coin) != simdjson::SUCCESS) return unreadable();
  auto const found = source_.find_native(coin);
  if (found < 0) return {.body = "null"};
  auto const symbol = static_cast<std::size_t>(found);
  if (type == "recentTrades") return recent_trades(symbol, items);
  Reply reply;
  put_book(reply.body, market, symbol, market.now_us() / 1000);
  if (truth_) truth_.put_book(market, symbol, market.now_us() / 1000);
  return reply;
}

Reply HyperliquidMarketVenue::meta() {
  Reply reply{.body = R"({"universe":[)"};
  auto& out = reply.body;
  for (std::size_t symbol = 0; symbol < source_.symbols().size(); ++symbol) {
    auto const& about = source_.symbols()[symbol];
    out += symbol == 0 ? R"({"szDecimals":)" : R"(,{"szDecimals":)";
    append(out, about.amount_decimals);
    out += R"(,"name":")" + about.native + R"(","maxLeverage":40,"marginTableId":56})";
    if (truth_) truth_.put_instrument(symbol);
  }
  out += "]}";
  return reply;
}

Reply HyperliquidMarketVenue::mids(Market const& market) {
  Reply reply{.body = "{"};
  for (std::size_t symbol = 0; symbol < market.symbols(); ++symbol) {
    auto const& about = market.about(symbol);
    reply.body += (symbol == 0 ? "\"" : ",\"") + about.native + "\":\"";
    auto const twice = market.bids(symbol).back().price + market.asks(symbol).back().price;
    append_trimmed(reply.body, twice * 5, about.price_decimals + 1, 1);
    reply.body += '"';
  }
  reply.body += '}';
  return reply;
}

Reply HyperliquidMarketVenue::recent_trades(std::size_t symbol, std::size_t& items) {
  auto const& all = source_.history().trades(symbol);
  Reply reply{.body = "["};
  for (auto trade = all.rbegin(); trade != all.rend() && items < trades_recent; ++trade, ++items) {
    if (items > 0) reply.body += ',';
    put_trade(reply.body, source_.symbols()[symbol], *trade);
    if (truth_) truth_.put_trade(symbol, *trade);
  }
  reply.body += ']';
  return reply;
}

Reply HyperliquidMarketVenue::candles(dom::element request, Market const& market, std::size_t& items) {
  std::string_view coin, interval;
  std::int64_t from_ms = 0, to_ms = std::numeric_limits<std::int64_t>::max();
  dom::element asked;
  if (request["req"].get(asked) != simdjson::SUCCESS || asked["coin"].get(coin) != simdjson::SUCCESS ||
      asked["interval"].get(interval) != simdjson::SUCCESS || asked["startTime"].get(from_ms) != simdjson::SUCCESS)
    return unreadable();
  if (dom::element end; asked["endTime"].get(end) == simdjson::SUCCESS && !end.is_null() && end.get(to_ms) != simdjson::SUCCESS)
    return unreadable();
  auto const span_found = find_hyperliquid_span(interval);
  if (span_found < 0) return unreadable();
  auto const found = source_.find_native(coin);
  if (found < 0) return {.body = "null"};
  auto const symbol = static_cast<std::size_t>(found), span = static_cast<std::size_t>(span_found);
  std::deque<MarketCandle> rows;
  auto const take = [&](MarketCandle const& candle) {
    if (candle.trades == 0 || candle.end_us / 1000 - 1 < from_ms || candle.open_us / 1000 > to_ms) return;
    rows.push_back(candle);
    if (rows.size() > candles_most) rows.pop_front();
  };
  for (auto const& candle : source_.history().candles(symbol, span)) take(candle);
  take(market.candle(symbol, span));
  items = rows.size();
  Reply reply{.body = "["};
  for (auto const& candle : rows) {
    if (reply.body.size() > 1) reply.body += ',';
    put_candle(reply.body, market.about(symbol), span, candle);
    if (truth_) truth_.put_candle(symbol, span, candle);
  }
  reply.body += ']';
  return reply;
}

// ---------------------------------------------------------------------------------------------------- recordings

class HyperliquidRecordingSession : public HyperliquidSession {
 public:
  explicit HyperliquidRecordingSession(Recording const& recording) : player_{recording} {}
  Feed produce(Now const& now, std::size_t bytes, Frames& out) override {
    return player_.produce(now, subscriptions_.settled(now), false, bytes, out);
  }

 private:
  bool knows(std::string const&) const override { return true; }
  void changed(std::string const&, bool) override { player_.want(subscriptions_.names()); }
  Player player_;
};

class HyperliquidRecordingVenue : public HyperliquidVenue {
 public:
  HyperliquidRecordingVenue(Recording const& recording, VenueOptions const& options)
      : HyperliquidVenue{options}, recording_{recording} {}

 private:
  std::unique_ptr<Session> session() override { return std::make_unique<HyperliquidRecordingSession>(recording_); }

  Reply answer(dom::element request, std::string_view type, Now const&, std::size_t&) override {
    std::string_view coin;
    if (request["coin"].get(coin) != simdjson::SUCCESS && request["req"]["coin"].get(coin) != simdjson::SUCCESS) coin = {};
    auto const endpoint = "info/" + std::string{type};
    // A recorded answer is about one coin, which it names; meta and allMids are about all.
    auto const body = recording_.answer(endpoint, recording_.furthest);
    if (body && (coin.empty() || body->contains(R"("coin":")" + std::string{coin} + '"') ||
                 body->contains(R"("s":")" + std::string{coin} + '"')))
      return {.body = std::string{*body}};
    recording_.say_unanswered(coin.empty() ? endpoint : endpoint + ' ' + std::string{coin});
    return {.body = "null"};
  }
  Recording const& recording_;
};

/// The word of a recorded frame, whatever the order of its keys.
std::string word_of_frame(std::string_view frame) {
  static thread_local dom::parser parser;
  dom::element whole;
  std::string_view channel, coin, interval;
  if (!frame.starts_with('{') || parser.parse(frame).get(whole) != simdjson::SUCCESS ||
      whole["channel"].get(channel) != simdjson::SUCCESS)
    return "";
  auto const data = whole["data"];
  if (channel == "trades" && data.at(0)["coin"].get(coin) == simdjson::SUCCESS) return "trades " + std::string{coin};
  if ((channel == "l2Book" || channel == "bbo") && data["coin"].get(coin) == simdjson::SUCCESS)
    return std::string{channel} + ' ' + std::string{coin};
  if (channel == "candle" && data["s"].get(coin) == simdjson::SUCCESS && data["i"].get(interval) == simdjson::SUCCESS)
    return "candle " + std::string{coin} + ' ' + std::string{interval};
  return "";
}

}  // namespace

std::unique_ptr<Venue> make_hyperliquid(Source& source, VenueOptions const& options) {
  return std::make_unique<HyperliquidMarketVenue>(source, options);
}

std::unique_ptr<Venue> make_hyperliquid(Recording const& recording, VenueOptions const& options) {
  return std::make_unique<HyperliquidRecordingVenue>(recording, options);
}

Recording::Dialect hyperliquid_dialect() {
  return {.provider = source_name,
          .stream_of = word_of_frame,
          .endpoint_of_file = [](std::string_view name) -> std::string {
            if (!name.starts_with("info-") || !name.ends_with(".json")) return "";
            auto const words = split(name.substr(5, name.size() - 10), '-');
            return words.size() == 1 ? "info/" + words[0] : "";
          },
          .endpoint_of_line = [](std::string_view, std::string_view, std::string_view) -> std::string { return ""; },
          .foreign = [](std::string_view) { return false; }};
}

std::optional<MarketSymbol> hyperliquid_symbol(std::string_view word) {
  struct Known {
    std::string_view base;
    int price_decimals, amount_decimals;
    std::int64_t price, amount;
  };
  // Prices have at most five significant figures, or are whole.
  constexpr std::array known{
      Known{"BTC", 0, 5, 61'838, 5'000},  Known{"ETH", 1, 4, 26'835, 8'000},  Known{"SOL", 2, 2, 15'832, 900},
      Known{"XRP", 4, 0, 6'123, 1'200},   Known{"DOGE", 5, 0, 10'432, 4'000}, Known{"BNB", 2, 3, 53'120, 2'000},
      Known{"AVAX", 3, 2, 24'310, 3'000}, Known{"LINK", 3, 1, 10'870, 400},   Known{"ATOM", 4, 2, 61'230, 3'000}};
  auto const base = word.substr(0, word.find('/'));
  auto const rest = word.substr(base.size());
  auto const letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == 'k'; };
  if (base.empty() || !std::ranges::all_of(base, letter) || (!rest.empty() && rest != "/USDC:USDC")) return {};
  MarketSymbol symbol{
      .unified = std::string{base} + "/USDC:USDC", .native = std::string{base}, .base = std::string{base}, .quote = "USDC"};
  if (auto const at = std::ranges::find(known, base, &Known::base); at != known.end()) {
    symbol.price_decimals = at->price_decimals;
    symbol.amount_decimals = at->amount_decimals;
    symbol.price = at->price;
    symbol.amount = at->amount;
  } else {
    symbol.price_decimals = 4;
    symbol.amount_decimals = 1;
    symbol.price = 12'345;
    symbol.amount = 5'000;
  }
  return symbol;
}

}  // namespace penstock::simulate
