/// Hyperliquid perpetuals. https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api
#include "agents/provider.hpp"
#include "agents/providers/decode.hpp"
#include "streaming/fault.hpp"
#include "streaming/shape_reader.hpp"

#include <simdjson.h>

#include <algorithm>
#include <array>

namespace penstock {
namespace {

using namespace decoding;
using namespace std::chrono_literals;

constexpr std::string_view source = "hyperliquid";
constexpr std::string_view instruments_channel = "meta";
constexpr std::string_view quote = "USDC";
constexpr std::string_view symbol_ending = "/USDC:USDC";

constexpr std::array channels_of_hyperliquid{
    Provider::Channel{"trades", "websocket: every trade; begins with the last ones again after a reconnect"},
    Provider::Channel{"l2Book", "websocket: the 20 best levels of both sides, twice a second"},
    Provider::Channel{"candle", "websocket: running candles of the intervals"},
    Provider::Channel{"bbo", "websocket: best bid and ask"},
    Provider::Channel{instruments_channel, "POST /info, hourly: the instruments; asked for in any case"},
    Provider::Channel{"candleSnapshot", "POST /info, hourly: the candles that there are, at most 5,000 of an interval", false},
    Provider::Channel{"l2BookSnapshot", "POST /info of type l2Book, every 10 s", false},
};

// 1,000 subscriptions are allowed for an address, and 2,000 messages a minute; 30 connections a minute.
constexpr std::size_t subscriptions_max = 1000;
constexpr auto subscribe_pause = 35ms;
constexpr int weight_book = 2, weight_info = 20, weight_candles = 20 + 5000 / 60;
// An amount has at most 8 decimals; more than this is not a number of decimals.
constexpr std::int64_t decimals_max = 18;

/// BTC/USDC:USDC -> BTC; "" where it is not of that form.
std::string coin_of(std::string_view symbol) {
  if (!symbol.ends_with(symbol_ending)) return "";
  auto const coin = symbol.substr(0, symbol.size() - symbol_ending.size());
  auto const plain = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !coin.empty() && coin.size() <= 32 && std::ranges::all_of(coin, plain) ? std::string{coin} : "";
}

/// {"type":"l2Book","coin":"BTC"} with more fields, as JSON, between.
Request info(Subscription const& subscription, std::string_view type, std::string_view rest, std::string_view channel,
             std::string coin, int weight, Origin origin = Origin::live) {
  auto const base = subscription.http_url.empty() ? std::string{"https://api.hyperliquid.xyz"} : subscription.http_url;
  return {.method = Request::Method::post,
          .url = base + "/info",
          .body = "{\"type\":\"" + std::string{type} + '"' + std::string{rest} + '}',
          .headers = {{"content-type", "application/json"}},
          .channel = std::string{channel},
          .symbol = std::move(coin),
          .origin = origin,
          .weight = weight};
}

std::string coin_field(std::string const& coin) { return ",\"coin\":\"" + coin + '"'; }

Request candles(Subscription const& subscription, std::string const& coin, std::string const& interval, std::int64_t from,
                std::int64_t to, Origin origin) {
  auto const rest = ",\"req\":{\"coin\":\"" + coin + "\",\"interval\":\"" + interval +
                    "\",\"startTime\":" + std::to_string(from) + ",\"endTime\":" + std::to_string(to) + '}';
  return info(subscription, "candleSnapshot", rest, "candleSnapshot", coin, weight_candles, origin);
}

// ---- Decoders.

/// trades and recentTrades: coin, side, px, sz, time, hash, tid, users. hash is the transaction's: many trades share it.
void read_trade(json::object fields, Trade& trade) {
  bool timed = false, sided = false;
  each_field(fields, [&](std::string_view key, json::value& value) {
    switch (short_name(key)) {
      case short_name("coin"): trade.symbol = text(value, "coin"); break;
      case short_name("px"): read_decimal(trade.price, value, "px"); break;
      case short_name("sz"): read_decimal(trade.amount, value, "sz"); break;
      case short_name("tid"): trade.id = digits(value, "tid"); break;
      case short_name("time"): trade.time = milliseconds(value, "time"), timed = true; break;
      case short_name("side"): {
        auto const side = text(value, "side");  // B: the taker bought; A: the taker sold.
        if (side != "A" && side != "B") fail(reason::out_of_range, "side: " + excerpt(side) + " is neither A nor B");
        trade.side = side == "B" ? Side::buy : Side::sell, sided = true;
        break;
      }
      default: break;
    }
  });
  require(!trade.symbol.empty(), "coin");
  require(!trade.id.empty(), "tid");
  require(sided, "side");
  require(!trade.price.empty(), "px");
  require(!trade.amount.empty(), "sz");
  require(timed, "time");
}

/// One of a list of trades as Hyperliquid spells them: the transaction's hash stands before or after the time.
bool read_spelled_trade(ShapeReader& in, Trade& trade) {
  constexpr int hash_size = 2 + 64, address_size = 2 + 40;
  std::string_view coin, id;
  auto const side = [&] {
    trade.side = Side::buy;
    if (in.literal("B")) return true;
    trade.side = Side::sell;
    return in.literal("A");
  };
  auto const time = [&] { return in.literal(R"("time":)") && in.milliseconds(trade.time) && in.literal(","); };
  auto const hash = [&] { return in.literal(R"("hash":")") && in.skip_text<hash_size>() && in.literal("\","); };
  bool const fits = in.literal(R"({"coin":")") && in.text(coin) &&                                           //
                    in.literal(R"(","side":")") && side() &&                                                 //
                    in.literal(R"(","px":")") && in.decimal(trade.price) &&                                  //
                    in.literal(R"(","sz":")") && in.decimal(trade.amount) &&                                 //
                    in.literal("\",") && (time() ? hash() : hash() && time()) &&                             //
                    in.literal(R"("tid":)") && in.digits(id) &&                                              //
                    in.literal(R"(,"users":[")") && in.skip_text<address_size>() && in.literal(R"(",")") &&  //
                    in.skip_text<address_size>() && in.literal(R"("]})");
  if (!fits) return false;
  trade.symbol = coin;
  trade.id = id;
  return true;
}

/// {px, sz, n}
Level read_level(json::object fields) {
  Level level;
  each_field(fields, [&](std::string_view key, json::value& value) {
    if (key == "px")
      read_decimal(level.price, value, "px");
    else if (key == "sz")
      read_decimal(level.amount, value, "sz");
  });
  require(!level.price.empty(), "px");
  require(!level.amount.empty(), "sz");
  return level;
}

/// coin, time, levels [bids, asks]; by POST the same without the wrapper.
void read_book(json::object fields, Book& book) {
  bool timed = false;
  std::size_t sides = 0;
  each_field_within(fields, "data", [&](std::string_view key, json::value& value) {
    if (key == "coin")
      book.symbol = text(value, "coin");
    else if (key == "time")
      book.time = milliseconds(value, "time"), timed = true;
    else if (key == "levels")
      each_element(array(value, "levels"), [&](json::value& side) {
        if (sides > 1) fail(reason::out_of_range, "levels: more than two sides");
        Levels& levels = sides++ == 0 ? book.bids : book.asks;
        each_element(array(side, "levels"), [&](json::value& level) { levels.push_back(read_level(object(level, "levels"))); });
      });
  });
  require(!book.symbol.empty(), "coin");
  require(timed, "time");
  require(sides == 2, "levels");
  book.type = BookType::snapshot;
}

/// coin, time, bbo [bid or null, ask or null].
void read_ticker(json::object fields, Ticker& ticker) {
  bool timed = false;
  std::size_t sides = 0;
  each_field_within(fields, "data", [&](std::string_view key, json::value& value) {
    if (key == "coin")
      ticker.symbol = text(value, "coin");
    else if (key == "time")
      ticker.time = milliseconds(value, "time"), timed = true;
    else if (key == "bbo")
      each_element(array(value, "bbo"), [&](json::value& side) {
        bool const is_bid = sides++ == 0;
        if (is_null(side)) return;
        Level level = read_level(object(side, "bbo"));
        (is_bid ? ticker.bid : ticker.ask) = std::move(level.price);
        (is_bid ? ticker.bid_amount : ticker.ask_amount) = std::move(level.amount);
      });
  });
  require(!ticker.symbol.empty(), "coin");
  require(timed, "time");
  require(sides == 2, "bbo");
}

/// t,T,s,i,o,c,h,l,v,n: the running candle; nothing in it says that it is final.
void read_candle(json::object fields, Candle& candle) {
  bool opened = false;
  std::optional<Time> close_time;
  each_field_within(fields, "data", [&](std::string_view key, json::value& value) {
    if (key.size() != 1) return;
    switch (key.front()) {
      case 't': candle.time = milliseconds(value, "t"), opened = true; break;
      case 'T': close_time = milliseconds(value, "T"); break;
      case 's': candle.symbol = text(value, "s"); break;
      case 'i': candle.interval = text(value, "i"); break;
      case 'o': read_decimal(candle.open, value, "o"); break;
      case 'h': read_decimal(candle.high, value, "h"); break;
      case 'l': read_decimal(candle.low, value, "l"); break;
      case 'c': read_decimal(candle.close, value, "c"); break;
      case 'v': read_decimal(candle.volume, value, "v"); break;
      case 'n': candle.trades = count(value, "n"); break;
      default: break;
    }
  });
  require(!candle.symbol.empty(), "s");
  require(!candle.interval.empty(), "i");
  require(opened, "t");
  require(close_time.has_value(), "T");
  require(!candle.open.empty(), "o");
  require(!candle.high.empty(), "h");
  require(!candle.low.empty(), "l");
  require(!candle.close.empty(), "c");
  require(!candle.volume.empty(), "v");
  candle.closed = candle.received_at >= *close_time + 1ms;  // T is the interval's last millisecond.
}

/// 5 -> 0.00001
Decimal step_of(std::int64_t decimals) {
  if (decimals > decimals_max) fail(reason::out_of_range, "szDecimals: " + std::to_string(decimals));
  auto const text = decimals == 0 ? "1" : "0." + std::string(static_cast<std::size_t>(decimals) - 1, '0') + '1';
  return Decimal::parse(text).value();
}

/// One of meta's universe. Prices have five significant figures, so there is no tick that holds at every price.
void read_instrument(json::object fields, Instrument& instrument) {
  instrument.active = true;
  each_field(fields, [&](std::string_view key, json::value& value) {
    if (key == "name")
      instrument.native_symbol = text(value, "name");
    else if (key == "szDecimals")
      instrument.amount_step = step_of(count(value, "szDecimals"));
    else if (key == "isDelisted")
      instrument.active = !boolean(value, "isDelisted");
  });
  require(!instrument.native_symbol.empty(), "name");
  require(!instrument.amount_step.empty(), "szDecimals");
  instrument.class_ = "swap";
  instrument.base = instrument.native_symbol;
  instrument.quote = instrument.settle = quote;
  instrument.symbol = instrument.native_symbol + std::string{symbol_ending};
}

void decode_instruments(json::document& document, RawRecord const& raw, Decoded& into) {
  bool found = false;
  each_field(root_object(document), [&](std::string_view key, json::value& value) {
    if (key != "universe") return;
    found = true;
    each_record(array(value, "universe"), into, [&](json::value& asset, std::size_t index) {
      read_instrument(object(asset, "universe"), append<Instrument>(into, index, source, raw));
    });
  });
  require(found, "universe");
}

/// A list of records: {"channel":…,"data":[…]} by websocket, […] by POST.
template <class Kind, class Read>
void decode_list(json::document& document, RawRecord const& raw, Decoded& into, Read read) {
  auto const each = [&](json::value& value, std::size_t index) {
    read(object(value, "data"), append<Kind>(into, index, source, raw));
  };
  if (first_character(raw.value) == '[') return each_record(root_array(document), into, each);
  bool found = false;
  each_field(root_object(document), [&](std::string_view key, json::value& value) {
    if (key != "data") return;
    found = true;
    each_record(array(value, "data"), into, each);
  });
  require(found, "data");
}

/// decode_list() of trades as Hyperliquid spells them.
bool read_spelled_trades(RawRecord const& raw, Decoded& into) {
  ShapeReader in{raw.value};
  bool const streamed = in.literal(R"({"channel":"trades","data":)");
  if (!in.literal("[")) return false;
  do {
    if (!read_spelled_trade(in, append<Trade>(into, into.items.size(), source, raw))) return false;
  } while (in.literal(","));
  return in.literal("]") && (!streamed || in.literal("}")) && in.at_end();
}

[[gnu::flatten]] bool decode_shape(RawRecord const& raw, Decoded& into) {
  return raw.channel == "trades" && read_spelled_trades(raw, into);
}

void decode_document(json::document& document, RawRecord const& raw, Decoded& into) {
  auto const channel = raw.channel;
  if (channel == "trades")
    decode_list<Trade>(document, raw, into, read_trade);
  else if (channel == "candleSnapshot")
    decode_list<Candle>(document, raw, into, read_candle);
  else if (channel == "candle")
    read_candle(root_object(document), append<Candle>(into, 0, source, raw));
  else if (channel == "l2Book" || channel == "l2BookSnapshot")
    read_book(root_object(document), append<Book>(into, 0, source, raw));
  else if (channel == "bbo")
    read_ticker(root_object(document), append<Ticker>(into, 0, source, raw));
  else if (channel == instruments_channel)
    decode_instruments(document, raw, into);
  else
    fail(reason::unknown_channel, excerpt(channel));
}

// ---- What a frame asks of the connection.

/// The value of the first "channel" in the frame, wherever it stands: older frames have their keys in alphabetical order.
std::string_view channel_of(std::string_view frame) { return find_text(frame, "channel", 160); }

// Quotes what it refuses, so it is escaped JSON inside JSON.
std::string text_of_error(std::string_view frame) {
  simdjson::dom::parser parser;
  std::string_view text;
  return parser.parse(frame.data(), frame.size())["data"].get(text) == simdjson::SUCCESS ? std::string{text} : std::string{frame};
}

Reaction reaction_to(std::string_view frame) {
  if (first_character(frame) != '{') return {.channel = "control"};  // "Websocket connection established."
  auto const channel = channel_of(frame);
  if (channel == "trades" || channel == "l2Book" || channel == "bbo")
    return {.channel = channel, .symbol = std::string{find_text(frame, "coin", frame.size())}};
  if (channel == "candle") return {.channel = channel, .symbol = std::string{find_text(frame, "s")}};
  if (channel == "pong" || channel == "subscriptionResponse") return {.channel = "control"};
  if (channel == "error") {
    auto const said = text_of_error(frame);
    if (said.starts_with("Already subscribed") || said.starts_with("Already unsubscribed")) return {.channel = "control"};
    return {.action = Reaction::Action::refused,
            .answer = "Hyperliquid refused a subscription: " + excerpt(said) +
                      "; check the symbols and channels of [publish.hyperliquid]",
            .channel = "control"};
  }
  return {.channel = "unknown"};
}

// ---- What an answer means. Bodies of errors are JSON {"code","msg"}, plain text, or null.

Answer meaning_of(Request const& request, Response const& response) {
  auto const said = "HTTP " + std::to_string(response.status) + ": " + excerpt(response.body);
  if (response.status == 0) return {.kind = Answer::Kind::broken, .detail = excerpt(response.body)};
  if (response.status == 429) return {.kind = Answer::Kind::throttled, .wait = retry_after(response), .detail = said};
  if (response.status == 408 || response.status >= 500 || response.status < 200 ||
      (response.status >= 300 && response.status < 400))
    return {.kind = Answer::Kind::broken, .detail = said};
  if (response.status >= 400) return {.kind = Answer::Kind::refused, .detail = said};
  auto const first = first_character(response.body);
  if (first == 'n')
    return {.kind = Answer::Kind::refused,
            .detail = "null is the answer for a coin that Hyperliquid does not know: " +
                      (request.symbol.empty() ? request.body : request.symbol)};
  if (first == '[' && response.body.find('{') == std::string::npos) return {.kind = Answer::Kind::empty};
  if (first != '[' && first != '{') return {.kind = Answer::Kind::broken, .detail = "not JSON: " + excerpt(response.body)};
  return {};
}

// ---- The provider.

/// The inner part of {"method":"subscribe","subscription":{…}}, one for each subscription.
std::vector<std::string> subscriptions_of(Subscription const& subscription) {
  std::vector<std::string> result;
  for (auto const& symbol : subscription.symbols) {
    auto const coin = coin_field(coin_of(symbol));
    for (auto const& channel : subscription.channels) {
      if (channel == "candle")
        for (auto const& interval : subscription.intervals)
          result.push_back("\"type\":\"candle\"" + coin + ",\"interval\":\"" + interval + '"');
      else if (channel == "trades" || channel == "l2Book" || channel == "bbo")
        result.push_back("\"type\":\"" + channel + '"' + coin);
    }
  }
  return result;
}

class Hyperliquid final : public Provider {
 public:
  std::string_view name() const override { return source; }
  std::string_view description() const override {
    return "Hyperliquid perpetuals: trades, books, tickers and candles by websocket; instruments by POST";
  }
  Limits limits() const override { return {.weight_per_minute = 1200, .connections_per_5_minutes = 150}; }
  std::span<Channel const> channels() const override { return channels_of_hyperliquid; }
  std::vector<std::string> default_symbols() const override { return {"BTC/USDC:USDC", "ETH/USDC:USDC"}; }
  std::string_view default_http_url() const override { return "https://api.hyperliquid.xyz"; }
  std::string_view default_websocket_url() const override { return "wss://api.hyperliquid.xyz/ws"; }
  bool symbols_from_catalogue() const override { return true; }
  std::string native_symbol(std::string_view symbol) const override { return coin_of(symbol); }

  void check(Subscription const& subscription) const override {
    check_channels(*this, subscription);
    if (contains(subscription.channels, "candle") || contains(subscription.channels, "candleSnapshot"))
      check_intervals(*this, subscription);
    for (auto const& symbol : subscription.symbols) {
      if (!coin_of(symbol).empty()) continue;
      bool const spot = symbol.starts_with('@') || !symbol.contains(':');
      throw UsageError{
          "publish.hyperliquid.symbols: '" + symbol +
          "' is not a perpetual; they have the form COIN/USDC:USDC, as BTC/USDC:USDC" +
          (spot ? ". Spot pairs (@107, PURR/USDC) are not in the catalogue of perpetuals (meta), so they are not supported"
                : "")};
    }
  }

  std::vector<Poll> polls(Subscription const& asked) const override {
    auto const subscription = distinct(asked);
    std::vector<Poll> result{
        {.request = info(subscription, "meta", "", instruments_channel, "", weight_info), .every = 1h, .before_stream = true}};
    auto const every = [&](std::chrono::milliseconds usual) {
      return subscription.poll_interval.count() > 0 ? subscription.poll_interval : usual;
    };
    for (auto const& symbol : subscription.symbols) {
      auto const coin = coin_of(symbol);
      if (contains(subscription.channels, "l2BookSnapshot"))
        result.push_back({info(subscription, "l2Book", coin_field(coin), "l2BookSnapshot", coin, weight_book), every(10s)});
      if (contains(subscription.channels, "candleSnapshot"))
        for (auto const& interval : subscription.intervals)  // From 1970 to the year 2286: the newest 5,000 that there are.
          result.push_back({candles(subscription, coin, interval, 0, 9'999'999'999'999, Origin::live), every(1h)});
    }
    return result;
  }

  std::vector<Stream> streams(Subscription const& asked) const override {
    auto const subscription = distinct(asked);
    std::vector<Stream> result;
    for (auto const& wanted : subscriptions_of(subscription)) {
      if (result.empty() || result.back().subscribe.size() == subscriptions_max)
        result.push_back(
            {.url = subscription.websocket_url.empty() ? std::string{default_websocket_url()} : subscription.websocket_url,
             .subscribe_pause = subscribe_pause,
             .keep_alive = R"({"method":"ping"})",
             .keep_alive_every = 30s,  // After 60 s without anything to send the server hangs up.
             // Books come at least every few seconds; the others only when something happens.
             .silence_max = contains(subscription.channels, "l2Book") ? 60s : 300s});
      result.back().subscribe.push_back(R"({"method":"subscribe","subscription":{)" + wanted + "}}");
      result.back().unsubscribe.push_back(R"({"method":"unsubscribe","subscription":{)" + wanted + "}}");
    }
    return result;
  }

  Reaction react(std::string_view frame) const override { return reaction_to(frame); }
  Answer classify(Request const& request, Response const& response) const override { return meaning_of(request, response); }

  void decode(RawRecord const& raw, Decoded& into) const override { decode_frame(raw, into, decode_document, decode_shape); }

  Continuity continuity(std::string_view channel) const override {
    return channel == "trades" ? Continuity{Continuity::Kind::reconnect} : Continuity{};
  }

  /// Only about the last ten trades can be had again.
  std::vector<Request> backfill(Gap const& gap, Subscription const& subscription) const override {
    auto const coin = coin_of(gap.symbol);
    if (coin.empty()) return {};
    if (gap.channel == "trades")
      return {info(subscription, "recentTrades", coin_field(coin), "trades", coin, weight_info, Origin::backfill)};
    if (gap.channel == "l2Book")
      return {info(subscription, "l2Book", coin_field(coin), "l2Book", coin, weight_book, Origin::snapshot)};
    std::vector<Request> requests;
    if (gap.channel == "candle" || gap.channel == "candleSnapshot")
      for (auto const& interval : subscription.intervals)
        requests.push_back(candles(
            subscription, coin, interval, std::chrono::floor<std::chrono::milliseconds>(gap.from_time.time_since_epoch()).count(),
            std::chrono::floor<std::chrono::milliseconds>(gap.to_time.time_since_epoch()).count(), Origin::backfill));
    return requests;
  }
};

Hyperliquid const hyperliquid;
Register const registered{hyperliquid};

}  // namespace
}  // namespace penstock
