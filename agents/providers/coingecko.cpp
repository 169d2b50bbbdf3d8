/// CoinGecko: prices, markets, candles and the whole market, by polling. https://docs.coingecko.com/reference
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

constexpr std::string_view source = "coingecko";
constexpr std::string_view pro_host = "pro-api.coingecko.com";

constexpr std::array channels_of_coingecko{
    Provider::Channel{"coins/markets", "every minute: price, day's range, volume and market cap"},
    Provider::Channel{"ohlc", "every 10 minutes: the day's candles of 30 minutes"},
    Provider::Channel{"global", "every 10 minutes: figures of the whole market"},
    Provider::Channel{"simple/price", "every minute: price, volume and market cap, many currencies in one request", false},
};

constexpr std::size_t ids_per_request = 250;  // per_page's most.

struct Coin {
  std::string id;
  std::string currency;  ///< in lower case, as it is asked for
};

/// bitcoin/USD -> bitcoin, usd; nothing where it is not of that form.
std::optional<Coin> coin_of(std::string_view symbol) {
  auto const slash = symbol.find('/');
  if (slash == symbol.npos) return {};
  auto const id = symbol.substr(0, slash), currency = symbol.substr(slash + 1);
  auto const digit = [](char c) { return c >= '0' && c <= '9'; };
  bool const good_id =
      std::ranges::all_of(id, [&](char c) { return (c >= 'a' && c <= 'z') || digit(c) || c == '-' || c == '_' || c == '.'; });
  bool const good_currency = std::ranges::all_of(currency, [&](char c) { return (c >= 'A' && c <= 'Z') || digit(c); });
  if (id.empty() || currency.empty() || !good_id || !good_currency) return {};
  return Coin{std::string{id}, lower(currency)};
}

std::string symbol_of(std::string_view id, std::string_view currency) { return std::string{id} + '/' + upper(currency); }

// ---- Requests.

Request get(Subscription const& subscription, std::string const& path, std::string_view channel, std::string symbol = {}) {
  auto const base = subscription.http_url.empty() ? std::string{"https://api.coingecko.com/api/v3"} : subscription.http_url;
  Request request{.url = base + path, .channel = std::string{channel}, .symbol = std::move(symbol)};
  // A key used on the other host is refused. In the query it would get into access logs.
  bool const pro = base.contains(pro_host);
  if (!subscription.api_key.empty())
    request.headers.emplace_back(pro ? "x-cg-pro-api-key" : "x-cg-demo-api-key", subscription.api_key);
  return request;
}

using Groups = std::map<std::string, std::vector<std::string>>;

/// Currencies -> the ids that are wanted in exactly these, so that no request answers more than was asked for.
Groups ids_by_currencies(Subscription const& subscription) {
  Groups currencies_of_id, result;
  for (auto const& symbol : subscription.symbols)
    if (auto const coin = coin_of(symbol)) currencies_of_id[coin->id].push_back(coin->currency);
  for (auto& [id, currencies] : currencies_of_id) {
    std::ranges::sort(currencies);
    result[join(currencies, ",")].push_back(id);
  }
  return result;
}

Groups ids_by_currency(Subscription const& subscription) {
  Groups result;
  for (auto const& symbol : subscription.symbols)
    if (auto const coin = coin_of(symbol)) result[coin->currency].push_back(coin->id);
  return result;
}

/// Calls each(currencies, ids) with at most ids_per_request ids, joined by commas.
template <class Each>
void each_request(Groups const& groups, Each each) {
  for (auto const& [currencies, ids] : groups)
    for (std::size_t from = 0; from < ids.size(); from += ids_per_request)
      each(currencies, join(std::span{ids}.subspan(from, std::min(ids_per_request, ids.size() - from)), ","));
}

// ---- Decoders.

/// One currency of one coin in simple/price.
struct Price {
  std::string currency;
  Decimal last, market_cap, quote_volume;
  std::optional<Reject> reject;
};

/// usd_market_cap -> usd, _market_cap.
std::pair<std::string_view, std::string_view> currency_and_field(std::string_view key) {
  auto const at = key.find('_');
  return at == key.npos ? std::pair{key, std::string_view{}} : std::pair{key.substr(0, at), key.substr(at)};
}

Price& price_of(std::vector<Price>& prices, std::string_view currency) {
  auto const found = std::ranges::find(prices, currency, &Price::currency);
  return found != prices.end() ? *found : prices.emplace_back(std::string{currency});
}

void read_price(Price& price, std::string_view key, std::string_view field, json::value& value) try {
  if (field.empty())
    read_number(price.last, value, key);
  else if (field == "_market_cap")
    read_number(price.market_cap, value, key);
  else if (field == "_24h_vol")
    read_number(price.quote_volume, value, key);
} catch (BadRecord& bad) {
  if (!price.reject) price.reject = std::move(bad.reject);
}

bool says_something(Ticker const& ticker) {
  return !(ticker.last.empty() && ticker.market_cap.empty() && ticker.quote_volume.empty() && ticker.high.empty() &&
           ticker.low.empty());
}

/// {"usd":76975,"usd_market_cap":…,"usd_24h_vol":…,"last_updated_at":seconds}: a record for each currency.
void read_prices(std::string_view id, json::object fields, RawRecord const& raw, Decoded& into, std::size_t& index,
                 std::vector<Price>& prices) {
  prices.clear();
  std::optional<Time> time;
  std::optional<Reject> bad_time;
  each_field(fields, [&](std::string_view key, json::value& value) {
    if (key != "last_updated_at") {
      auto const [currency, field] = currency_and_field(key);
      return read_price(price_of(prices, currency), key, field, value);
    }
    try {
      if (!is_null(value)) time = seconds(value, "last_updated_at");
    } catch (BadRecord& bad) {
      bad_time = std::move(bad.reject);
    }
  });
  for (auto& price : prices) {
    auto const at = index++;
    if (auto& bad = price.reject ? price.reject : bad_time) {
      into.rejected.push_back({at, *bad});
      continue;
    }
    Ticker& ticker = append<Ticker>(into, at, source, raw);
    ticker.symbol = symbol_of(id, price.currency);
    if (time) ticker.time = *time;
    ticker.last = std::move(price.last);
    ticker.market_cap = std::move(price.market_cap);
    ticker.quote_volume = std::move(price.quote_volume);
    if (!says_something(ticker)) into.items.pop_back();
  }
}

void decode_prices(json::document& document, RawRecord const& raw, Decoded& into) {
  std::size_t index = 0;
  std::vector<Price> prices;  // Its memory serves all coins.
  each_field(root_object(document), [&](std::string_view id, json::value& value) {
    try {
      read_prices(id, object(value, id), raw, into, index, prices);
    } catch (BadRecord& bad) {
      into.rejected.push_back({index++, std::move(bad.reject)});
    }
  });
}

Time time_text(json::value& value, std::string_view field) {
  auto const given = text(value, field);
  auto const time = parse_time(given);
  if (!time) fail(reason::wrong_type, std::string{field} + ": not a time: " + excerpt(given));
  return *time;
}

/// One of coins/markets. total_volume counts in the currency asked for, so it is the quote's.
void read_market(json::object fields, std::string_view currency, Ticker& ticker) {
  std::string id;
  each_field(fields, [&](std::string_view key, json::value& value) {
    if (key == "id")
      id = text(value, "id");
    else if (key == "current_price")
      read_number(ticker.last, value, "current_price");
    else if (key == "market_cap")
      read_number(ticker.market_cap, value, "market_cap");
    else if (key == "total_volume")
      read_number(ticker.quote_volume, value, "total_volume");
    else if (key == "high_24h")
      read_number(ticker.high, value, "high_24h");
    else if (key == "low_24h")
      read_number(ticker.low, value, "low_24h");
    else if (key == "last_updated" && !is_null(value))
      ticker.time = time_text(value, "last_updated");
  });
  require(!id.empty(), "id");
  ticker.symbol = symbol_of(id, currency);
}

void decode_markets(json::document& document, RawRecord const& raw, Decoded& into) {
  auto const currency = query_parameter(raw.request, "vs_currency");
  require(!currency.empty(), "vs_currency");
  each_record(root_array(document), into, [&](json::value& value, std::size_t index) {
    Ticker& ticker = append<Ticker>(into, index, source, raw);
    read_market(object(value, "market"), currency, ticker);
    if (!says_something(ticker)) into.items.pop_back();
  });
}

/// One of coins/markets as it is spelled; the last field came in 2026.
bool read_spelled_market(ShapeReader& in, std::string_view behind_id, Ticker& ticker) {
  std::string_view id, updated;
  auto const number = [&](auto const& key, Decimal& into) { return in.literal(key) && in.number(into); };
  auto const skip_texts = [&](auto const&... keys) { return ((in.literal(keys) && in.skip_text()) && ...); };
  auto const skip_numbers = [&](auto const&... keys) { return ((in.literal(keys) && in.skip_number()) && ...); };
  auto const skip_date = [&](auto const& key) {
    return in.literal(key) && (in.literal("null") || (skip_texts("\"") && in.literal("\"")));
  };
  auto const skip_roi = [&] {
    return in.literal("null") || (skip_numbers(R"({"times":)") && skip_texts(R"(,"currency":")") &&
                                  skip_numbers(R"(","percentage":)") && in.literal("}"));
  };
  auto const time = [&] {
    if (in.literal("null")) return true;
    if (!in.literal("\"") || !in.text(updated) || !in.literal("\"")) return false;
    auto const given = parse_time(updated);
    if (given) ticker.time = *given;
    return given.has_value();
  };
  bool const fits =
      in.literal(R"({"id":")") && in.text(id) &&                                                                     //
      skip_texts(R"(","symbol":")", R"(","name":")", R"(","image":")") &&                                            //
      number(R"(","current_price":)", ticker.last) && number(R"(,"market_cap":)", ticker.market_cap) &&              //
      skip_numbers(R"(,"market_cap_rank":)", R"(,"fully_diluted_valuation":)") &&                                    //
      number(R"(,"total_volume":)", ticker.quote_volume) &&                                                          //
      number(R"(,"high_24h":)", ticker.high) && number(R"(,"low_24h":)", ticker.low) &&                              //
      skip_numbers(R"(,"price_change_24h":)", R"(,"price_change_percentage_24h":)", R"(,"market_cap_change_24h":)",  //
                   R"(,"market_cap_change_percentage_24h":)", R"(,"circulating_supply":)", R"(,"total_supply":)",    //
                   R"(,"max_supply":)", R"(,"ath":)", R"(,"ath_change_percentage":)") &&                             //
      skip_date(R"(,"ath_date":)") &&                                                                                //
      skip_numbers(R"(,"atl":)", R"(,"atl_change_percentage":)") &&                                                  //
      skip_date(R"(,"atl_date":)") &&
      in.literal(R"(,"roi":)") && skip_roi() &&       //
      in.literal(R"(,"last_updated":)") && time() &&  //
      (!in.literal(R"(,"market_cap_rank_with_rehypothecated":)") || in.skip_number()) && in.literal("}");
  if (fits) ticker.symbol.assign(id).append(behind_id);
  return fits;
}

/// A list that is not empty.
[[gnu::flatten]] bool decode_shape(RawRecord const& raw, Decoded& into) {
  if (raw.channel != "coins/markets") return false;
  auto const currency = query_parameter(raw.request, "vs_currency");
  ShapeReader in{raw.value};
  if (currency.empty() || !in.literal("[")) return false;
  auto const behind_id = symbol_of({}, currency);
  for (std::size_t index = 0; index == 0 || in.literal(","); ++index) {
    Ticker& ticker = append<Ticker>(into, index, source, raw);
    if (!read_spelled_market(in, behind_id, ticker)) return false;
    if (!says_something(ticker)) into.items.pop_back();
  }
  return in.literal("]") && in.at_end();
}

struct Width {
  std::string_view interval;
  std::chrono::seconds length;
};

/// The width of a candle is not in the body: it follows from what was asked. See docs/decisions/ohlc-widths.md.
Width width_of(std::string_view request) {
  auto const interval = query_parameter(request, "interval");
  if (interval == "hourly") return {"1h", 1h};
  if (interval == "daily") return {"1d", 24h};
  auto const text = query_parameter(request, "days");
  int days = 0;
  if (text == "max")
    days = 365;
  else
    std::from_chars(text.data(), text.data() + text.size(), days);
  if (days < 1) fail(reason::missing_field, "days");
  if (days <= 2) return {"30m", 30min};
  if (days <= 30) return {"4h", 4h};
  return {"4d", 96h};
}

/// …/coins/bitcoin/ohlc?… -> bitcoin
std::string_view id_of_path(std::string_view request) {
  auto const path = request.substr(0, request.find_first_of("? "));
  constexpr std::string_view before = "/coins/", after = "/ohlc";
  auto const from = path.rfind(before);
  if (from == path.npos || !path.ends_with(after) || from + before.size() + after.size() > path.size()) return {};
  return path.substr(from + before.size(), path.size() - after.size() - from - before.size());
}

/// [ms, o, h, l, c]: the time is the candle's close; the last candle may still be open.
void read_candle(json::array tuple, Width width, Candle& candle) {
  std::optional<Time> end;
  std::size_t at = 0;
  each_element(tuple, [&](json::value& value) {
    switch (at++) {
      case 0: end = milliseconds(value, "time"); break;
      case 1: read_number(candle.open, value, "open"); break;
      case 2: read_number(candle.high, value, "high"); break;
      case 3: read_number(candle.low, value, "low"); break;
      case 4: read_number(candle.close, value, "close"); break;
      default: break;
    }
  });
  require(end.has_value(), "time");
  require(!candle.open.empty(), "open");
  require(!candle.high.empty(), "high");
  require(!candle.low.empty(), "low");
  require(!candle.close.empty(), "close");
  candle.time = *end - width.length;
  candle.interval = width.interval;
  candle.closed = candle.received_at >= *end;
}

void decode_candles(json::document& document, RawRecord const& raw, Decoded& into) {
  auto const id = id_of_path(raw.request);
  auto const currency = query_parameter(raw.request, "vs_currency");
  require(!id.empty(), "id");
  require(!currency.empty(), "vs_currency");
  auto const width = width_of(raw.request);
  each_record(root_array(document), into, [&](json::value& value, std::size_t index) {
    Candle& candle = append<Candle>(into, index, source, raw);
    candle.symbol = symbol_of(id, currency);
    read_candle(array(value, "candle"), width, candle);
  });
}

/// Figures of the whole market. Identity is symbol, name and time, so a figure in many currencies has them in its name.
class Figures {
 public:
  Figures(RawRecord const& raw, Decoded& into) : raw_{raw}, into_{into} {}

  void add(std::string name, json::value& value, std::string unit) {
    auto const at = index_++;
    try {
      Decimal number;
      read_number(number, value, name);
      if (number.empty()) return;
      Stat& stat = append<Stat>(into_, at, source, raw_);
      stat.symbol = "global";
      stat.name = std::move(name);
      stat.value = std::move(number);
      stat.unit = std::move(unit);
    } catch (BadRecord& bad) {
      into_.rejected.push_back({at, std::move(bad.reject)});
    }
  }

  /// {"btc":…,"usd":…}; unit "": the key is the unit.
  void add_each(std::string const& name, json::value& values, std::string const& unit) {
    try {
      each_field(object(values, name), [&](std::string_view key, json::value& value) {
        add(name + '.' + std::string{key}, value, unit.empty() ? upper(key) : unit);
      });
    } catch (BadRecord& bad) {
      into_.rejected.push_back({index_++, std::move(bad.reject)});
    }
  }

  void set_time(Time time) {
    for (auto& item : into_.items) common_of(item.record).time = time;
  }

 private:
  RawRecord const& raw_;
  Decoded& into_;
  std::size_t index_ = 0;
};

/// {"data":{…}}
void decode_global(json::document& document, RawRecord const& raw, Decoded& into) {
  Figures figures{raw, into};
  std::optional<Time> updated_at;
  bool found = false;
  each_field(root_object(document), [&](std::string_view outer, json::value& data) {
    if (outer != "data") return;
    found = true;
    each_field(object(data, "data"), [&](std::string_view name, json::value& value) {
      for (std::string_view const count : {"active_cryptocurrencies", "upcoming_icos", "ongoing_icos", "ended_icos", "markets"})
        if (name == count) return figures.add(std::string{name}, value, "count");
      if (name == "total_market_cap" || name == "total_volume")
        figures.add_each(std::string{name}, value, "");
      else if (name == "market_cap_percentage")
        figures.add_each(std::string{name}, value, "percent");
      else if (name.contains("_change_percentage_"))
        figures.add(std::string{name}, value, "percent");
      else if (name == "updated_at" && !is_null(value))
        updated_at = seconds(value, "updated_at");
    });
  });
  require(found, "data");
  if (updated_at) figures.set_time(*updated_at);
}

void decode_document(json::document& document, RawRecord const& raw, Decoded& into) {
  auto const channel = raw.channel;
  if (channel == "simple/price")
    decode_prices(document, raw, into);
  else if (channel == "coins/markets")
    decode_markets(document, raw, into);
  else if (channel == "ohlc")
    decode_candles(document, raw, into);
  else if (channel == "global")
    decode_global(document, raw, into);
  else
    fail(reason::unknown_channel, excerpt(channel));
}

// ---- What an answer means. Error bodies: {"status":{"error_code":429,…}}, {"error":{"status":{…}}}, {"error":"coin not found"}.

/// The number after "error_code"; 0 where there is none.
int error_code(std::string_view body) {
  auto const at = body.substr(0, 1024).find("\"error_code\"");
  if (at == body.npos) return 0;
  auto const digits = body.find_first_of("0123456789", at + 12);
  int code = 0;
  if (digits != body.npos) std::from_chars(body.data() + digits, body.data() + body.size(), code);
  return code;
}

/// True where an answer with status 200 is an error all the same. A coin may be called "error", but is never text.
bool is_error(std::string_view body) {
  return error_code(body) != 0 || !find_text(body, "error", 64).empty() ||
         (has_key(body, "error", 16) && has_key(body, "status", 64));
}

Answer of_code(int code, std::string detail) {
  auto const refused = [&](std::string_view advice) {
    return Answer{.kind = Answer::Kind::refused, .detail = detail + std::string{advice}};
  };
  switch (code) {
    case 429: return {.kind = Answer::Kind::throttled, .wait = 1min, .detail = detail};
    case 10002: return refused("; set publish.coingecko.api_key");
    case 10005: return refused("; this endpoint is not on your plan: take its channel out of publish.coingecko.channels");
    case 10010: return refused("; a Pro key needs publish.coingecko.http_url = \"https://pro-api.coingecko.com/api/v3\"");
    case 10011: return refused("; a Demo key needs publish.coingecko.http_url = \"https://api.coingecko.com/api/v3\"");
    case 1020: return {.kind = Answer::Kind::throttled, .wait = 5min, .detail = detail + " (the firewall)"};
    case 401: return refused("; check publish.coingecko.api_key");
    case 408: return {.kind = Answer::Kind::broken, .detail = detail};
    default: break;
  }
  if (code >= 500 && code < 600) return {.kind = Answer::Kind::broken, .detail = detail};
  return refused("");
}

Answer meaning_of(Response const& response) {
  int const status = response.status;
  auto const said = "HTTP " + std::to_string(status) + ": " + excerpt(response.body);
  if (status == 0) return {.kind = Answer::Kind::broken, .detail = excerpt(response.body)};
  if (status == 429) {
    auto const wait = retry_after(response);
    return {.kind = Answer::Kind::throttled,
            .wait = wait.count() > 0 ? wait : 1min,
            .detail = said};  // Without a word: the next minute.
  }
  if (status < 200 || (status >= 300 && status < 400) || status == 408 || status >= 500)
    return {.kind = Answer::Kind::broken, .detail = said};
  if (int const code = error_code(response.body)) return of_code(code, said);
  if (status >= 400) return of_code(response.body.contains("1020") && status == 403 ? 1020 : status, said);
  if (is_error(response.body)) return {.kind = Answer::Kind::refused, .detail = said};
  auto const first = first_character(response.body);
  if (first != '{' && first != '[') return {.kind = Answer::Kind::broken, .detail = "not JSON: " + excerpt(response.body)};
  bool const nothing = response.body.find_first_not_of(" \t\r\n[]{}") == std::string::npos;
  return {.kind = nothing ? Answer::Kind::empty : Answer::Kind::ok};
}

// ---- The provider.

class Coingecko final : public Provider {
 public:
  std::string_view name() const override { return source; }
  std::string_view description() const override { return "CoinGecko: prices, markets, candles and global figures, by polling"; }
  Limits limits() const override { return {.weight_per_minute = 30}; }  // Demo keys were given 30 a minute, later 100.
  std::span<Channel const> channels() const override { return channels_of_coingecko; }
  std::vector<std::string> default_symbols() const override { return {"bitcoin/USD", "ethereum/USD"}; }
  std::string_view default_http_url() const override { return "https://api.coingecko.com/api/v3"; }
  bool symbols_from_catalogue() const override { return false; }
  Continuity continuity(std::string_view) const override { return {}; }
  std::vector<Stream> streams(Subscription const&) const override { return {}; }
  Reaction react(std::string_view) const override { return {.channel = "unknown"}; }  // There is no stream.
  std::vector<Request> backfill(Gap const&, Subscription const&) const override { return {}; }

  /// bitcoin/USD -> bitcoin/usd: the id and the currency, as requests spell them.
  std::string native_symbol(std::string_view symbol) const override {
    auto const coin = coin_of(symbol);
    return coin ? coin->id + '/' + coin->currency : "";
  }

  void check(Subscription const& subscription) const override {
    check_channels(*this, subscription);
    for (auto const& symbol : subscription.symbols)
      if (!coin_of(symbol))
        throw UsageError{"publish.coingecko.symbols: '" + symbol +
                         "' is not a coin in a currency; they have the form id/CURRENCY, the id in small and the currency in "
                         "capital letters, as bitcoin/USD"};
  }

  std::vector<Poll> polls(Subscription const& asked) const override {
    auto const subscription = distinct(asked);
    std::vector<Poll> result;
    auto const add = [&](Request request, std::chrono::milliseconds usual) {
      result.push_back(
          {.request = std::move(request), .every = subscription.poll_interval.count() > 0 ? subscription.poll_interval : usual});
    };
    if (contains(subscription.channels, "simple/price"))
      each_request(ids_by_currencies(subscription), [&](std::string const& currencies, std::string const& ids) {
        add(get(subscription,
                "/simple/price?ids=" + ids + "&vs_currencies=" + currencies +
                    "&include_market_cap=true&include_24hr_vol=true&include_last_updated_at=true&precision=full",
                "simple/price"),
            1min);
      });
    if (contains(subscription.channels, "coins/markets"))
      each_request(ids_by_currency(subscription), [&](std::string const& currency, std::string const& ids) {
        add(get(subscription, "/coins/markets?vs_currency=" + currency + "&ids=" + ids + "&per_page=250&page=1&precision=full",
                "coins/markets"),
            1min);
      });
    if (contains(subscription.channels, "ohlc"))
      for (auto const& symbol : subscription.symbols)
        if (auto const coin = coin_of(symbol))
          add(get(subscription, "/coins/" + coin->id + "/ohlc?vs_currency=" + coin->currency + "&days=1&precision=full", "ohlc",
                  native_symbol(symbol)),
              10min);
    if (contains(subscription.channels, "global")) add(get(subscription, "/global", "global"), 10min);
    return result;
  }

  Answer classify(Request const&, Response const& response) const override { return meaning_of(response); }

  void decode(RawRecord const& raw, Decoded& into) const override { decode_frame(raw, into, decode_document, decode_shape); }
};

Coingecko const coingecko;
Register const registered{coingecko};

}  // namespace
}  // namespace penstock
