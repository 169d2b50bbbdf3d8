/// Binance spot. https://github.com/binance/binance-spot-api-docs (rest-api.md, web-socket-streams.md).
#include "agents/provider.hpp"
#include "agents/providers/decode.hpp"
#include "streaming/fault.hpp"
#include "streaming/shape_reader.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace penstock {
namespace {

using namespace decoding;
using namespace std::chrono_literals;

constexpr std::string_view source = "binance";
constexpr std::string_view instruments_channel = "exchangeInfo";

constexpr std::array channels_of_binance{
    Provider::Channel{"trade", "websocket: every trade"},
    Provider::Channel{"depth", "websocket: book updates every 100 ms, on top of a snapshot by REST"},
    Provider::Channel{"bookTicker", "websocket: best bid and ask, every change"},
    Provider::Channel{"kline", "websocket: running candles of the intervals"},
    Provider::Channel{instruments_channel, "REST, hourly: the instruments; asked for in any case"},
    Provider::Channel{"aggTrade", "websocket: trades of one taker at one price in one", false},
    Provider::Channel{"klines", "REST, every minute: the last ten candles of the intervals", false},
    Provider::Channel{"trades", "REST, every 10 s: the last 1,000 trades", false},
};

// The provider's limits are 1,024 streams a connection and, as of any web server, the length of a URL.
constexpr std::size_t streams_max = 1024;
constexpr std::size_t url_bytes_max = 7500;
constexpr std::size_t symbols_per_catalogue_request = 200;
// A hole of trades is fetched 1,000 at a time; of a longer one the first 200,000.
constexpr std::int64_t trades_per_request = 1000;
constexpr std::int64_t backfill_requests_max = 200;

// The sheet: weights of the endpoints.
constexpr int weight_trades = 25, weight_aggregates = 4, weight_klines = 2, weight_depth_5000 = 250, weight_catalogue = 20;

/// BTC/USDT -> {BTC, USDT}; nothing where it is not of that form.
std::optional<std::pair<std::string_view, std::string_view>> base_and_quote(std::string_view symbol) {
  auto const slash = symbol.find('/');
  if (slash == symbol.npos) return {};
  auto const base = symbol.substr(0, slash), quote = symbol.substr(slash + 1);
  auto const plain = [](std::string_view code) {
    return !code.empty() && code.size() <= 32 &&
           std::ranges::all_of(code, [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); });
  };
  if (!plain(base) || !plain(quote)) return {};
  return std::pair{base, quote};
}

std::string native(std::string_view symbol) {
  auto const parts = base_and_quote(symbol);
  return parts ? std::string{parts->first} + std::string{parts->second} : "";
}

std::string http_base(Subscription const& subscription) {
  return (subscription.http_url.empty() ? "https://api.binance.com" : subscription.http_url) + "/api/v3/";
}

Request get(std::string url, std::string_view channel, std::string symbol, int weight, Origin origin = Origin::live) {
  return {
      .url = std::move(url), .channel = std::string{channel}, .symbol = std::move(symbol), .origin = origin, .weight = weight};
}

std::int64_t to_milliseconds(Time time) { return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count(); }

// ---- Decoders. Each reads one object and writes one record.

Side taker_side(bool buyer_is_maker) { return buyer_is_maker ? Side::sell : Side::buy; }

/// The market's symbol: of the frame's own stream or of the request, where the body does not say it.
std::string symbol_of(RawRecord const& raw) {
  std::string symbol = upper(query_parameter(raw.request, "symbol"));
  if (symbol.empty()) symbol = raw.symbol;
  require(!symbol.empty(), "symbol");
  return symbol;
}

/// Aggregates' ids begin with a, so that they are none of the trades'.
void set_id(Trade& trade, std::string_view digits, bool aggregate) {
  trade.id = digits;
  if (aggregate) trade.id.insert(0, 1, 'a');
}

/// Stream trade: e,E,s,t,p,q,T,m,M; stream aggTrade and REST aggTrades: a instead of t, and f, l.
template <class Fields>
void read_trade(Fields&& fields, bool aggregate, Trade& trade) {
  char const id = aggregate ? 'a' : 't';
  bool timed = false, sided = false;
  each_field_within(fields, "data", [&](std::string_view key, json::value& value) {
    if (key.size() != 1) return;
    switch (key.front()) {
      case 's': trade.symbol = text(value, "s"); break;
      case 'a':
      case 't':
        if (key.front() == id) set_id(trade, digits(value, key), aggregate);
        break;
      case 'p': read_decimal(trade.price, value, "p"); break;
      case 'q': read_decimal(trade.amount, value, "q"); break;
      case 'T': trade.time = milliseconds(value, "T"), timed = true; break;
      case 'm': trade.side = taker_side(boolean(value, "m")), sided = true; break;
      default: break;
    }
  });
  require(!trade.id.empty(), aggregate ? "a" : "t");
  require(!trade.symbol.empty(), "s");
  require(!trade.price.empty(), "p");
  require(!trade.amount.empty(), "q");
  require(timed, "T");
  require(sided, "m");
}

/// Stream trade as Binance spells it, of a combined stream: stream, data: e,E,s,t,p,q,T,m,M.
bool read_streamed_trade(std::string_view frame, Trade& trade) {
  ShapeReader in{frame};
  std::string_view skipped, symbol, id;
  bool maker = false;
  bool const fits = in.literal(R"({"stream":")") && in.text(skipped) &&                   //
                    in.literal(R"(","data":{"e":"trade","E":)") && in.digits(skipped) &&  //
                    in.literal(R"(,"s":")") && in.text(symbol) &&                         //
                    in.literal(R"(","t":)") && in.digits(id) &&                           //
                    in.literal(R"(,"p":")") && in.decimal(trade.price) &&                 //
                    in.literal(R"(","q":")") && in.decimal(trade.amount) &&               //
                    in.literal(R"(","T":)") && in.milliseconds(trade.time) &&             //
                    in.literal(R"(,"m":)") && in.boolean(maker) && in.literal(R"(,"M":true}})") && in.at_end();
  if (!fits) return false;
  trade.symbol = symbol;
  trade.id = id;
  trade.side = taker_side(maker);
  return true;
}

/// REST trades and historicalTrades: id, price, qty, quoteQty, time, isBuyerMaker, isBestMatch.
void read_rest_trade(json::object fields, Trade& trade) {
  bool timed = false, sided = false;
  each_field(fields, [&](std::string_view key, json::value& value) {
    if (key == "id")
      set_id(trade, digits(value, "id"), false);
    else if (key == "price")
      read_decimal(trade.price, value, "price");
    else if (key == "qty")
      read_decimal(trade.amount, value, "qty");
    else if (key == "time")
      trade.time = milliseconds(value, "time"), timed = true;
    else if (key == "isBuyerMaker")
      trade.side = taker_side(boolean(value, "isBuyerMaker")), sided = true;
  });
  require(!trade.id.empty(), "id");
  require(!trade.price.empty(), "price");
  require(!trade.amount.empty(), "qty");
  require(timed, "time");
  require(sided, "isBuyerMaker");
}

Levels read_levels(json::value& value, std::string_view side) {
  Levels levels;
  each_element(array(value, side), [&](json::value& pair) {
    Level& level = levels.emplace_back();
    std::size_t at = 0;
    each_element(array(pair, side), [&](json::value& number) {  // Before 2019 a third element, an empty list, was sent.
      if (at == 0) read_decimal(level.price, number, side);
      if (at == 1) read_decimal(level.amount, number, side);
      ++at;
    });
    if (at < 2) fail(reason::missing_field, std::string{side} + ": a level without its amount");
  });
  return levels;
}

/// Stream depth: e,E,s,U,u,b,a. Streams depth5|10|20 and REST depth: lastUpdateId,bids,asks.
template <class Fields>
void read_book(Fields&& fields, RawRecord const& raw, Book& book) {
  std::optional<std::int64_t> first, last, snapshot;
  bool timed = false, bids = false, asks = false;
  each_field_within(fields, "data", [&](std::string_view key, json::value& value) {
    if (key == "b" || key == "bids")
      book.bids = read_levels(value, key == "b" ? "b" : "bids"), bids = true;
    else if (key == "a" || key == "asks")
      book.asks = read_levels(value, key == "a" ? "a" : "asks"), asks = true;
    else if (key == "U")
      first = count(value, "U");
    else if (key == "u")
      last = count(value, "u");
    else if (key == "E")
      book.time = milliseconds(value, "E"), timed = true;
    else if (key == "s")
      book.symbol = text(value, "s");
    else if (key == "lastUpdateId")
      snapshot = count(value, "lastUpdateId");
  });
  require(bids, snapshot ? "bids" : "b");
  require(asks, snapshot ? "asks" : "a");
  if (snapshot) {
    book.type = BookType::snapshot;
    book.sequence = snapshot;
    book.symbol = symbol_of(raw);
    return;
  }
  require(timed, "E");
  require(!book.symbol.empty(), "s");
  require(first.has_value(), "U");
  require(last.has_value(), "u");
  if (*last < *first) fail(reason::out_of_range, "u: " + std::to_string(*last) + " is below U " + std::to_string(*first));
  book.type = BookType::update;
  book.sequence = last;
  book.previous_sequence = *first - 1;
}

/// An empty side of a book is sent as price and amount 0.
void leave_out_zero(Decimal& price, Decimal& amount) {
  if (price.is_zero() && amount.is_zero()) price = amount = {};
}

/// Stream bookTicker: u,s,b,B,a,A. REST ticker/bookTicker: symbol,bidPrice,bidQty,askPrice,askQty.
template <class Fields>
void read_ticker(Fields&& fields, Ticker& ticker) {
  bool streamed = true;
  each_field_within(fields, "data", [&](std::string_view key, json::value& value) {
    if (key == "u")
      ticker.sequence = count(value, "u");
    else if (key == "s")
      ticker.symbol = text(value, "s");
    else if (key == "b" || key == "bidPrice")
      read_decimal(ticker.bid, value, key == "b" ? "b" : "bidPrice");
    else if (key == "B" || key == "bidQty")
      read_decimal(ticker.bid_amount, value, key == "B" ? "B" : "bidQty");
    else if (key == "a" || key == "askPrice")
      read_decimal(ticker.ask, value, key == "a" ? "a" : "askPrice");
    else if (key == "A" || key == "askQty")
      read_decimal(ticker.ask_amount, value, key == "A" ? "A" : "askQty");
    else if (key == "symbol")
      ticker.symbol = text(value, "symbol"), streamed = false;
  });
  require(!ticker.symbol.empty(), "s");
  require(!streamed || ticker.sequence.has_value(), "u");
  require(!ticker.bid.empty(), streamed ? "b" : "bidPrice");
  require(!ticker.bid_amount.empty(), streamed ? "B" : "bidQty");
  require(!ticker.ask.empty(), streamed ? "a" : "askPrice");
  require(!ticker.ask_amount.empty(), streamed ? "A" : "askQty");
  leave_out_zero(ticker.bid, ticker.bid_amount);
  leave_out_zero(ticker.ask, ticker.ask_amount);
}

/// Stream bookTicker as Binance spells it, of a combined stream: stream, data: u,s,b,B,a,A.
bool read_streamed_ticker(std::string_view frame, Ticker& ticker) {
  ShapeReader in{frame};
  std::string_view skipped, symbol;
  std::int64_t sequence = 0;
  bool const fits = in.literal(R"({"stream":")") && in.text(skipped) &&           //
                    in.literal(R"(","data":{"u":)") && in.digits(sequence) &&     //
                    in.literal(R"(,"s":")") && in.text(symbol) &&                 //
                    in.literal(R"(","b":")") && in.decimal(ticker.bid) &&         //
                    in.literal(R"(","B":")") && in.decimal(ticker.bid_amount) &&  //
                    in.literal(R"(","a":")") && in.decimal(ticker.ask) &&         //
                    in.literal(R"(","A":")") && in.decimal(ticker.ask_amount) &&  //
                    in.literal(R"("}})") && in.at_end();
  if (!fits) return false;
  ticker.symbol = symbol;
  ticker.sequence = sequence;
  leave_out_zero(ticker.bid, ticker.bid_amount);
  leave_out_zero(ticker.ask, ticker.ask_amount);
  return true;
}

void check_candle(Candle const& candle, bool timed) {
  require(timed, "t");
  require(!candle.open.empty(), "o");
  require(!candle.high.empty(), "h");
  require(!candle.low.empty(), "l");
  require(!candle.close.empty(), "c");
  require(!candle.volume.empty(), "v");
}

/// 1m, 5m, …: a number and a unit, as Binance spells its intervals.
std::string interval_word(std::string_view word) {
  bool const known = word.size() >= 2 && word.size() <= 3 && std::string_view{"smhdwM"}.contains(word.back()) &&
                     std::ranges::all_of(word.substr(0, word.size() - 1), [](char c) { return c >= '0' && c <= '9'; });
  if (!known) fail(reason::out_of_range, "interval: " + excerpt(word));
  return std::string{word};
}

/// Stream kline: e,E,s,k{t,T,s,i,f,L,o,c,h,l,v,n,x,q,V,Q,B}.
template <class Fields>
void read_candle(Fields&& fields, Candle& candle) {
  bool timed = false;
  std::optional<bool> closed;
  each_field_within(fields, "data", [&](std::string_view outer, json::value& kline) {
    if (outer != "k") return;
    each_field(object(kline, "k"), [&](std::string_view key, json::value& value) {
      if (key.size() != 1) return;
      switch (key.front()) {
        case 't': candle.time = milliseconds(value, "t"), timed = true; break;
        case 's': candle.symbol = text(value, "s"); break;
        case 'i': candle.interval = interval_word(text(value, "i")); break;
        case 'o': read_decimal(candle.open, value, "o"); break;
        case 'h': read_decimal(candle.high, value, "h"); break;
        case 'l': read_decimal(candle.low, value, "l"); break;
        case 'c': read_decimal(candle.close, value, "c"); break;
        case 'v': read_decimal(candle.volume, value, "v"); break;
        case 'q': read_decimal(candle.quote_volume, value, "q"); break;
        case 'n': candle.trades = count(value, "n"); break;
        case 'x': closed = boolean(value, "x"); break;
        default: break;
      }
    });
  });
  require(!candle.symbol.empty(), "s");
  require(!candle.interval.empty(), "i");
  check_candle(candle, timed);
  require(closed.has_value(), "x");
  candle.closed = *closed;
}

/// REST klines: [open time, o, h, l, c, volume, close time, quote volume, trades, taker base, taker quote, "0"].
void read_rest_candle(json::array tuple, Candle& candle) {
  bool timed = false;
  std::optional<Time> close_time;
  std::size_t at = 0;
  each_element(tuple, [&](json::value& value) {
    switch (at++) {
      case 0: candle.time = milliseconds(value, "open time"), timed = true; break;
      case 1: read_decimal(candle.open, value, "open"); break;
      case 2: read_decimal(candle.high, value, "high"); break;
      case 3: read_decimal(candle.low, value, "low"); break;
      case 4: read_decimal(candle.close, value, "close"); break;
      case 5: read_decimal(candle.volume, value, "volume"); break;
      case 6: close_time = milliseconds(value, "close time"); break;
      case 7: read_decimal(candle.quote_volume, value, "quote volume"); break;
      case 8: candle.trades = count(value, "trades"); break;
      default: break;
    }
  });
  check_candle(candle, timed);
  require(close_time.has_value(), "close time");
  candle.closed = candle.received_at >= *close_time + 1ms;  // The close time is the interval's last millisecond.
}

/// A step of 0 says that there is none.
void read_step(json::value& filters, Instrument& instrument) {
  each_element(array(filters, "filters"), [&](json::value& filter) {
    std::string type;
    Decimal tick, step;
    each_field(object(filter, "filters"), [&](std::string_view key, json::value& value) {
      if (key == "filterType")
        type = text(value, "filterType");
      else if (key == "tickSize")
        read_decimal(tick, value, "tickSize");
      else if (key == "stepSize")
        read_decimal(step, value, "stepSize");
    });
    if (type == "PRICE_FILTER" && !tick.empty() && !tick.is_zero()) instrument.price_tick = std::move(tick);
    if (type == "LOT_SIZE" && !step.empty() && !step.is_zero()) instrument.amount_step = std::move(step);
  });
}

/// One of exchangeInfo's symbols.
void read_instrument(json::object fields, Instrument& instrument) {
  bool status = false;
  each_field(fields, [&](std::string_view key, json::value& value) {
    if (key == "symbol")
      instrument.native_symbol = text(value, "symbol");
    else if (key == "status")
      instrument.active = text(value, "status") == "TRADING", status = true;
    else if (key == "baseAsset")
      instrument.base = text(value, "baseAsset");
    else if (key == "quoteAsset")
      instrument.quote = text(value, "quoteAsset");
    else if (key == "filters")
      read_step(value, instrument);
  });
  require(!instrument.native_symbol.empty(), "symbol");
  require(status, "status");
  require(!instrument.base.empty(), "baseAsset");
  require(!instrument.quote.empty(), "quoteAsset");
  instrument.class_ = "spot";
  instrument.symbol = instrument.base + '/' + instrument.quote;
}

void decode_catalogue(json::document& document, RawRecord const& raw, Decoded& into) {
  bool found = false;
  each_field(root_object(document), [&](std::string_view key, json::value& value) {
    if (key != "symbols") return;
    found = true;
    each_record(array(value, "symbols"), into, [&](json::value& symbol, std::size_t index) {
      read_instrument(object(symbol, "symbols"), append<Instrument>(into, index, source, raw));
    });
  });
  require(found, "symbols");
}

void decode_trades(json::document& document, RawRecord const& raw, Decoded& into, bool aggregate) {
  if (first_character(raw.value) != '[') return read_trade(root_object(document), aggregate, append<Trade>(into, 0, source, raw));
  auto const symbol = symbol_of(raw);
  each_record(root_array(document), into, [&](json::value& value, std::size_t index) {
    Trade& trade = append<Trade>(into, index, source, raw);
    trade.symbol = symbol;
    if (aggregate)
      read_trade(object(value, "trade"), true, trade);
    else
      read_rest_trade(object(value, "trade"), trade);
  });
}

void decode_candles(json::document& document, RawRecord const& raw, Decoded& into) {
  if (first_character(raw.value) != '[') return read_candle(root_object(document), append<Candle>(into, 0, source, raw));
  auto const symbol = symbol_of(raw);
  auto const interval = query_parameter(raw.request, "interval");
  require(!interval.empty(), "interval");
  each_record(root_array(document), into, [&](json::value& value, std::size_t index) {
    Candle& candle = append<Candle>(into, index, source, raw);
    candle.symbol = symbol;
    candle.interval = interval_word(interval);
    read_rest_candle(array(value, "candle"), candle);
  });
}

void decode_tickers(json::document& document, RawRecord const& raw, Decoded& into) {
  if (first_character(raw.value) != '[') return read_ticker(root_object(document), append<Ticker>(into, 0, source, raw));
  each_record(root_array(document), into, [&](json::value& value, std::size_t index) {
    read_ticker(object(value, "ticker"), append<Ticker>(into, index, source, raw));
  });
}

[[gnu::flatten]] bool decode_shape(RawRecord const& raw, Decoded& into) {
  if (raw.channel == "trade") return read_streamed_trade(raw.value, append<Trade>(into, 0, source, raw));
  if (raw.channel == "bookTicker") return read_streamed_ticker(raw.value, append<Ticker>(into, 0, source, raw));
  return false;
}

void decode_document(json::document& document, RawRecord const& raw, Decoded& into) {
  auto const channel = raw.channel;
  if (channel == "trade" || channel == "trades")
    decode_trades(document, raw, into, false);
  else if (channel == "aggTrade")
    decode_trades(document, raw, into, true);
  else if (channel == "bookTicker")
    decode_tickers(document, raw, into);
  else if (channel == "depth" || channel == "depth5" || channel == "depth10" || channel == "depth20")
    read_book(root_object(document), raw, append<Book>(into, 0, source, raw));
  else if (channel == "kline" || channel == "klines")
    decode_candles(document, raw, into);
  else if (channel == instruments_channel)
    decode_catalogue(document, raw, into);
  else
    fail(reason::unknown_channel, excerpt(channel));
}

// ---- What a frame asks of the connection.

bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= 32 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  });
}

/// btcusdt@depth@100ms -> depth, BTCUSDT; btcusdt@kline_1m -> kline.
Reaction of_stream(std::string_view stream) {
  Reaction reaction;
  auto const at = stream.find('@');
  if (at == stream.npos || at == 0) return {.channel = "unknown"};
  auto const channel = stream.substr(at + 1);
  reaction.channel = channel.substr(0, channel.find_first_of("@_"));
  if (!is_word(reaction.channel)) return {.channel = "unknown"};
  reaction.symbol = upper(stream.substr(0, at));
  return reaction;
}

std::string_view channel_of_event(std::string_view event) {
  if (event == "depthUpdate") return "depth";
  for (std::string_view const channel : {"trade", "aggTrade", "kline"})
    if (event == channel) return channel;
  return "unknown";
}

/// Raw /ws/<stream> frames do not say their stream: by event type, or by their first keys.
Reaction of_raw_frame(std::string_view frame) {
  if (auto const event = find_text(frame, "e", 128); !event.empty())
    return {.channel = channel_of_event(event), .symbol = std::string{find_text(frame, "s", 256)}};
  if (has_key(frame, "u")) return {.channel = "bookTicker", .symbol = std::string{find_text(frame, "s", 256)}};
  if (has_key(frame, "lastUpdateId")) return {.channel = "depth"};
  return {.channel = "unknown"};
}

Reaction reaction_to(std::string_view frame) {
  if (first_character(frame) != '{') return {.channel = "unknown"};
  auto const head = frame.substr(0, 160);
  auto stream = find_text(head, "stream");
  if (stream.empty() && head.find("\"data\"") != head.npos)
    stream = find_text(frame.substr(frame.size() - std::min<std::size_t>(frame.size(), 160)), "stream");
  if (!stream.empty() && stream.front() != '!') return of_stream(stream);
  if (find_text(head, "e", 128) == "serverShutdown" || stream == "!serverShutdown")
    return {.action = Reaction::Action::reconnect, .channel = "control"};
  if (has_key(head, "result")) return {.channel = "control"};
  if (has_key(head, "code") && has_key(frame, "msg", 512))
    return {.action = Reaction::Action::refused,
            .answer = "Binance refused a subscription: " + excerpt(find_text(frame, "msg", 512)) +
                      "; check the symbols and channels of [publish.binance]",
            .channel = "control"};
  return of_raw_frame(frame);
}

// ---- What an answer means.

/// The number of {"code":-1121,"msg":"…"}; 0 where the body is something else.
int error_code(std::string_view body) {
  if (first_character(body) != '{' || !has_key(body, "code", 64)) return 0;
  auto const at = body.find(':', body.find("\"code\""));
  auto const digits = body.substr(body.find_first_not_of(" \t\r\n", at + 1));
  int code = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), code);
  return code;
}

Answer of_error(int code, std::string_view body) {
  auto const said = "code " + std::to_string(code) + ": " + excerpt(find_text(body, "msg"));
  switch (code) {
    case -1000:
    case -1001:
    case -1006:
    case -1007:
    case -1008:
    case -1016: return {.kind = Answer::Kind::broken, .detail = said};
    case -1003:
    case -1015: return {.kind = Answer::Kind::throttled, .detail = said};
    case -1121:
      return {.kind = Answer::Kind::refused, .detail = said + " Take a symbol that Binance lists out of publish.binance.symbols"};
    default: return {.kind = Answer::Kind::refused, .detail = said};
  }
}

Answer of_status(Response const& response) {
  int const status = response.status;
  auto const said = "HTTP " + std::to_string(status) + ": " + excerpt(response.body);
  if (status == 0) return {.kind = Answer::Kind::broken, .detail = excerpt(response.body)};
  if (status == 429 || status == 418) return {.kind = Answer::Kind::throttled, .wait = retry_after(response), .detail = said};
  if (status == 403)
    return {.kind = Answer::Kind::throttled, .wait = 5min, .detail = said + " (the firewall: too many or malformed requests)"};
  if (status == 451)
    return {.kind = Answer::Kind::refused,
            .detail = said + "; this place is not served: try publish.binance.http_url = \"https://data-api.binance.vision\""};
  if (status == 408 || status >= 500 || status < 200 || (status >= 300 && status < 400))
    return {.kind = Answer::Kind::broken, .detail = said};
  if (int const code = error_code(response.body)) return of_error(code, response.body);
  if (status >= 400) return {.kind = Answer::Kind::refused, .detail = said};
  switch (first_character(response.body)) {
    case '{': return {};
    case '[':
      return {.kind =
                  response.body.find('{') == std::string::npos && response.body.find_first_of("0123456789") == std::string::npos
                      ? Answer::Kind::empty
                      : Answer::Kind::ok};
    default: return {.kind = Answer::Kind::broken, .detail = "not JSON: " + excerpt(response.body)};
  }
}

// ---- The provider.

/// The stream names that one subscription asks for, those of one symbol side by side.
std::vector<std::string> stream_names(Subscription const& subscription) {
  std::vector<std::string> names;
  for (auto const& symbol : subscription.symbols) {
    auto const prefix = lower(native(symbol)) + '@';
    for (auto const& channel : subscription.channels) {
      if (channel == "kline")
        for (auto const& interval : subscription.intervals) names.push_back(prefix + "kline_" + interval);
      else if (channel == "depth")
        names.push_back(prefix + "depth@100ms");
      else if (channel == "trade" || channel == "aggTrade" || channel == "bookTicker")
        names.push_back(prefix + channel);
    }
  }
  return names;
}

/// exchangeInfo?symbols=["BTCUSDT","ETHUSDT"], percent-encoded.
std::vector<Poll> catalogue_polls(Subscription const& subscription) {
  std::vector<Poll> polls;
  for (std::size_t from = 0; from < subscription.symbols.size(); from += symbols_per_catalogue_request) {
    std::vector<std::string> quoted;
    auto const to = std::min(subscription.symbols.size(), from + symbols_per_catalogue_request);
    for (auto at = from; at < to; ++at) quoted.push_back("%22" + native(subscription.symbols[at]) + "%22");
    auto url = http_base(subscription) + "exchangeInfo?symbols=%5B" + join(quoted, ",") + "%5D";
    polls.push_back(
        {.request = get(std::move(url), instruments_channel, "", weight_catalogue), .every = 1h, .before_stream = true});
  }
  return polls;
}

class Binance final : public Provider {
 public:
  std::string_view name() const override { return source; }
  std::string_view description() const override {
    return "Binance spot: trades, books, tickers and candles by websocket; instruments and history by REST";
  }
  Limits limits() const override { return {.weight_per_minute = 6000, .connections_per_5_minutes = 300}; }
  std::span<Channel const> channels() const override { return channels_of_binance; }
  std::vector<std::string> default_symbols() const override { return {"BTC/USDT", "ETH/USDT"}; }
  std::string_view default_http_url() const override { return "https://api.binance.com"; }
  std::string_view default_websocket_url() const override { return "wss://stream.binance.com:9443"; }
  bool symbols_from_catalogue() const override { return true; }
  std::string native_symbol(std::string_view symbol) const override { return native(symbol); }

  void check(Subscription const& subscription) const override {
    check_channels(*this, subscription);
    if (contains(subscription.channels, "kline") || contains(subscription.channels, "klines"))
      check_intervals(*this, subscription);
    for (auto const& symbol : subscription.symbols)
      if (native(symbol).empty())
        throw UsageError{"publish.binance.symbols: '" + symbol +
                         "' is not a spot symbol; they have the form BASE/QUOTE in capitals, as BTC/USDT"};
  }

  std::vector<Poll> polls(Subscription const& asked) const override {
    auto const subscription = distinct(asked);
    auto result = catalogue_polls(subscription);
    auto const every = [&](std::chrono::milliseconds usual) {
      return subscription.poll_interval.count() > 0 ? subscription.poll_interval : usual;
    };
    for (auto const& symbol : subscription.symbols) {
      auto const code = native(symbol);
      if (contains(subscription.channels, "trades"))
        result.push_back(
            {get(http_base(subscription) + "trades?symbol=" + code + "&limit=1000", "trades", code, weight_trades), every(10s)});
      if (contains(subscription.channels, "klines"))
        for (auto const& interval : subscription.intervals)
          result.push_back({get(http_base(subscription) + "klines?symbol=" + code + "&interval=" + interval + "&limit=10",
                                "klines", code, weight_klines),
                            every(1min)});
    }
    return result;
  }

  std::vector<Stream> streams(Subscription const& asked) const override {
    auto const subscription = distinct(asked);
    auto const base = (subscription.websocket_url.empty() ? std::string{default_websocket_url()} : subscription.websocket_url) +
                      "/stream?streams=";
    // Streams of trades alone may have nothing to say for long; with a book or candles there is always something.
    bool const lively = contains(subscription.channels, "depth") || contains(subscription.channels, "bookTicker") ||
                        contains(subscription.channels, "kline");
    std::vector<Stream> result;
    std::size_t count = 0;
    for (auto const& name : stream_names(subscription)) {
      bool const full = result.empty() || count == streams_max || result.back().url.size() + 1 + name.size() > url_bytes_max;
      if (full) {
        result.push_back({.url = base + name,
                          .silence_max = lively ? 60s : 300s,
                          .lifetime_max = 23h + 30min});  // The provider ends it after 24 h.
        count = 1;
      } else {
        result.back().url += '/' + name;
        ++count;
      }
    }
    return result;
  }

  Reaction react(std::string_view frame) const override { return reaction_to(frame); }

  Answer classify(Request const&, Response const& response) const override {
    Answer answer = of_status(response);
    auto const used = response_header(response, "x-mbx-used-weight-1m");
    std::int64_t weight = 0;
    if (std::from_chars(used.data(), used.data() + used.size(), weight).ec == std::errc{} && weight >= 0)
      answer.budget_used = weight;
    return answer;
  }

  void decode(RawRecord const& raw, Decoded& into) const override { decode_frame(raw, into, decode_document, decode_shape); }

  Continuity continuity(std::string_view channel) const override {
    if (channel == "trade" || channel == "aggTrade") return {Continuity::Kind::ids};
    if (channel == "depth") return {Continuity::Kind::book};
    return {};
  }

  std::vector<Request> backfill(Gap const& gap, Subscription const& subscription) const override {
    auto const code = native(gap.symbol);
    if (code.empty()) return {};  // `*`: what each symbol misses is a gap of its own.
    auto const base = http_base(subscription);
    if (gap.channel == "depth")
      return {get(base + "depth?symbol=" + code + "&limit=5000", "depth", code, weight_depth_5000, Origin::snapshot)};
    if (gap.channel == "trade") return by_id(gap, base + "historicalTrades?symbol=" + code, code, weight_trades);
    if (gap.channel == "aggTrade") return by_id(gap, base + "aggTrades?symbol=" + code, code, weight_aggregates);
    if (gap.channel == "kline" || gap.channel == "klines") return candles_between(gap, base, code, subscription);
    return {};
  }

 private:
  static std::vector<Request> by_id(Gap const& gap, std::string const& url, std::string const& code, int weight) {
    std::vector<Request> requests;
    if (!gap.from_sequence || !gap.to_sequence || *gap.from_sequence < 0) return requests;
    for (auto from = *gap.from_sequence; from <= *gap.to_sequence && std::ssize(requests) < backfill_requests_max;
         from += trades_per_request) {
      auto const limit = std::min(trades_per_request - 1, *gap.to_sequence - from) + 1;
      requests.push_back(get(url + "&fromId=" + std::to_string(from) + "&limit=" + std::to_string(limit), gap.channel, code,
                             weight, Origin::backfill));
      if (from > INT64_MAX - trades_per_request) break;
    }
    return requests;
  }

  static std::vector<Request> candles_between(Gap const& gap, std::string const& base, std::string const& code,
                                              Subscription const& subscription) {
    std::vector<Request> requests;
    for (auto const& interval : subscription.intervals)
      requests.push_back(get(base + "klines?symbol=" + code + "&interval=" + interval +
                                 "&startTime=" + std::to_string(to_milliseconds(gap.from_time)) +
                                 "&endTime=" + std::to_string(to_milliseconds(gap.to_time)) + "&limit=1000",
                             "klines", code, weight_klines, Origin::backfill));
    return requests;
  }
};

Binance const binance;
Register const registered{binance};

}  // namespace
}  // namespace penstock
