#include "agents/simulate/coingecko.hpp"

#include "agents/simulate/subscriptions.hpp"

#include <algorithm>

namespace penstock::simulate {
namespace {

constexpr std::string_view source_name = "coingecko";
constexpr int calls_per_minute = 100;
constexpr std::int64_t refresh_us = 5'000'000;  // Answers are made anew that often; in between they are the same bytes.
constexpr int steps_a_question = 2'000;         // As fast as it is read: how far a question moves the market.
constexpr std::int64_t day_us = 86'400'000'000;

struct CoinName {
  std::string_view base, id;
  std::int64_t price;  // in 10^-decimals
  int decimals;
  std::int64_t supply;
};
constexpr std::array coin_names{
    CoinName{"BTC", "bitcoin", 6'183'763, 2, 19'675'987},      CoinName{"ETH", "ethereum", 268'345, 2, 120'400'000},
    CoinName{"SOL", "solana", 15'832, 2, 465'000'000},         CoinName{"XRP", "ripple", 61'230, 5, 56'000'000'000},
    CoinName{"DOGE", "dogecoin", 104'320, 6, 146'000'000'000}, CoinName{"BNB", "binancecoin", 53'120, 2, 145'900'000},
    CoinName{"ADA", "cardano", 345'600, 6, 35'000'000'000},    CoinName{"AVAX", "avalanche-2", 24'310, 3, 407'000'000},
    CoinName{"LINK", "chainlink", 10'870, 3, 627'000'000},     CoinName{"PEPE", "pepe", 85'123, 10, 420'690'000'000'000}};

CoinName const* find_coin(std::string_view id) {
  auto const at = std::ranges::find(coin_names, id, &CoinName::id);
  return at == coin_names.end() ? nullptr : &*at;
}

std::string in_lower(std::string text) {
  for (auto& letter : text)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return text;
}

/// value / 10^decimals in plain digits: 61837.63, 120, 0.0000085123.
std::string plain(std::int64_t value, int decimals) {
  std::string out = value < 0 ? "-" : "";
  append_trimmed(out, value < 0 ? -value : value, decimals, 0);
  return out;
}

/// As CoinGecko writes numbers: below a ten-thousandth with an exponent, 8.5123e-06.
std::string number(std::int64_t value, int decimals) {
  auto const text = plain(value, decimals);
  if (!text.starts_with("0.0000") || value == 0) return text;
  auto digits = text.substr(2);
  auto const zeros = digits.find_first_not_of('0');
  digits.erase(0, zeros);
  auto const exponent = std::to_string(zeros + 1);
  return digits.substr(0, 1) + (digits.size() > 1 ? "." + digits.substr(1) : "") + "e-" + (exponent.size() < 2 ? "0" : "") +
         exponent;
}

Reply refuse(int status, std::string_view message) {
  return {.status = status, .body = R"({"error":")" + std::string{message} + "\"}"};
}

/// What both sources share: paths and errors.
class CoingeckoVenue : public Venue {
 public:
  explicit CoingeckoVenue(VenueOptions const& options)
      : budget_{options.weight_per_minute > 0 ? options.weight_per_minute : calls_per_minute} {}

  std::string_view name() const override { return source_name; }
  std::string_view http_base() const override { return "/api/v3"; }
  std::optional<std::string_view> websocket_base() const override { return std::nullopt; }
  std::unique_ptr<Session> connect(std::string_view, std::string_view, Now const&) override { return nullptr; }
  Reply throttled(std::chrono::seconds wait) const override {
    return {
        .status = 429,
        .body =
            R"({"status":{"error_code":429,"error_message":"You've exceeded the Rate Limit. Please visit https://www.coingecko.com/en/api/pricing to subscribe to our API plans for higher rate limits."}})",
        .headers = {{"Retry-After", std::to_string(wait.count())}}};
  }
  Reply failed() const override { return {.status = 503, .body = "Service Unavailable", .type = "text/plain"}; }

  Reply ask(Question const& question, Now const& now) override {
    constexpr std::string_view base = "/api/v3/";
    if (question.post || !question.path.starts_with(base))
      return refuse(404, "Incorrect path. Please check https://www.coingecko.com/api/");
    if (!budget_.take(1, now)) return throttled(budget_.until_next_minute(now));
    auto const path = question.path.substr(base.size());
    if (path == "ping") return {.body = R"({"gecko_says":"(V3) To the Moon!"})"};
    return answer(path, question.query, now);
  }

 protected:
  virtual Reply answer(std::string_view path, std::string_view query, Now const& now) = 0;
  static Reply not_found() { return refuse(404, "Incorrect path. Please check https://www.coingecko.com/api/"); }

 private:
  Budget budget_;
};

// ---------------------------------------------------------------------------------------------------- a made-up market

/// What is said of a coin until the next refresh.
struct Figures {
  std::int64_t price = 0, open = 0, high = 0, low = 0;  ///< in ticks; of the day but the price
  std::int64_t market_cap = 0, volume = 0;              ///< whole units of the currency
};

class CoingeckoMarketVenue : public CoingeckoVenue {
 public:
  CoingeckoMarketVenue(Source& source, VenueOptions const& options)
      : CoingeckoVenue{options}, source_{source}, truth_{options.truth} {}

 private:
  Reply answer(std::string_view path, std::string_view query, Now const& now) override;
  void refresh(Now const& now);
  Reply simple_price(std::string_view query);
  Reply markets(std::string_view query);
  Reply candles(std::string_view id, std::string_view query);
  Reply global();
  Reply list();
  void put_ticker(std::size_t symbol, std::int64_t time_us, bool cap, bool volume, bool day);
  void put_stat(std::string const& name, std::string const& value, std::string_view unit);

  /// Coins of a request in its order: `ids`, or all.
  std::vector<std::size_t> coins(std::string_view query, std::string const& currency) const;
  bool has_currency(std::string const& currency) const {
    return std::ranges::any_of(source_.symbols(), [&](MarketSymbol const& about) { return in_lower(about.quote) == currency; });
  }

  Source& source_;
  Truth* truth_;
  Market const* market_ = nullptr;
  std::int64_t refreshed_us_ = -refresh_us;
  std::vector<Figures> figures_;
};

void CoingeckoMarketVenue::refresh(Now const& now) {
  if (source_.as_fast_as_read()) source_.move_on(now, steps_a_question);
  market_ = &source_.present(now);
  auto const time_us = market_->now_us() / 1000 * 1000;
  if (time_us - refreshed_us_ < refresh_us) return;
  refreshed_us_ = time_us;
  figures_.resize(market_->symbols());
  for (std::size_t symbol = 0; symbol < figures_.size(); ++symbol) {
    auto const& about = market_->about(symbol);
    auto const day = market_->candle(symbol, static_cast<std::size_t>(Span::d1));
    auto const* const name = find_coin(about.base);
    Wide scale = 1;
    for (int digit = 0; digit < about.price_decimals; ++digit) scale *= 10;
    auto const volume_scale = [&] {
      auto wide = scale;
      for (int digit = 0; digit < about.amount_decimals; ++digit) wide *= 10;
      return wide;
    }();
    figures_[symbol] = {
        .price = day.close,
        .open = day.open,
        .high = day.high,
        .low = day.low,
        .market_cap = static_cast<std::int64_t>(Wide{day.close} * (name != nullptr ? name->supply : 1'000'000) / scale),
        .volume = static_cast<std::int64_t>(day.quote_volume / volume_scale)};
  }
}

Reply CoingeckoMarketVenue::answer(std::string_view path, std::string_view query, Now const& now) {
  refresh(now);
  if (path == "simple/price") return simple_price(query);
  if (path == "coins/markets") return markets(query);
  if (path == "coins/list") return list();
  if (path == "global") return global();
  if (path.starts_with("coins/") && path.ends_with("/ohlc")) return candles(path.substr(6, path.size() - 11), query);
  return not_found();
}

std::vector<std::size_t> CoingeckoMarketVenue::coins(std::string_view query, std::string const& currency) const {
  std::vector<std::size_t> found;
  auto const ids = query_value(query, "ids");
  auto const wanted = ids ? split(*ids, ',') : std::vector<std::string>{};
  for (std::size_t symbol = 0; symbol < source_.symbols().size(); ++symbol) {
    auto const& about = source_.symbols()[symbol];
    if (in_lower(about.quote) == currency && (!ids || std::ranges::contains(wanted, about.base))) found.push_back(symbol);
  }
  return found;
}

/// Unknown ids are left out, as they are there.
Reply CoingeckoMarketVenue::simple_price(std::string_view query) {
  auto const currencies = query_value(query, "vs_currencies");
  if (!currencies) return refuse(400, "Missing parameter vs_currencies");
  if (!query_value(query, "ids")) return refuse(400, "Missing parameter ids, names, or symbols");
  auto const flag = [&](std::string_view name) { return query_value(query, name).value_or("false") == "true"; };
  auto const cap = flag("include_market_cap"), volume = flag("include_24hr_vol"), change = flag("include_24hr_change"),
             updated = flag("include_last_updated_at");
  auto const seconds = refreshed_us_ / 1'000'000;
  std::map<std::string, std::string> by_id;
  for (auto const& currency : split(in_lower(*currencies), ','))
    for (auto const symbol : coins(query, currency)) {
      auto const& about = source_.symbols()[symbol];
      auto const& figures = figures_[symbol];
      auto& out = by_id[about.base];
      auto const put = [&](std::string const& ending, std::string const& value) {
        out += (out.empty() ? "\"" : ",\"") + currency + ending + "\":" + value;
      };
      put("", number(figures.price, about.price_decimals));
      if (cap) put("_market_cap", std::to_string(figures.market_cap));
      if (volume) put("_24h_vol", std::to_string(figures.volume));
      if (change) put("_24h_change", number((figures.price - figures.open) * 1'000'000 / figures.open, 4));
      if (truth_ != nullptr) put_ticker(symbol, updated ? seconds * 1'000'000 : no_time, cap, volume, false);
    }
  Reply reply{.body = "{"};
  for (auto const& [id, fields] : by_id) {
    reply.body += (reply.body.size() == 1 ? "\"" : ",\"") + id + "\":{" + fields;
    if (updated) reply.body += R"(,"last_updated_at":)" + std::to_string(seconds);
    reply.body += '}';
  }
  reply.body += '}';
  return reply;
}

Reply CoingeckoMarketVenue::markets(std::string_view query) {
  auto const currency = in_lower(query_value(query, "vs_currency").value_or(""));
  if (currency.empty()) return refuse(400, "Missing parameter vs_currency");
  if (!has_currency(currency)) return refuse(400, "invalid vs_currency");
  auto found = coins(query, currency);
  std::ranges::stable_sort(found, std::greater{}, [&](std::size_t symbol) { return figures_[symbol].market_cap; });
  auto const per_page = static_cast<std::size_t>(
      std::clamp<std::int64_t>(to_integer(query_value(query, "per_page").value_or("100")).value_or(100), 1, 250));
  auto const page =
      static_cast<std::size_t>(std::max<std::int64_t>(1, to_integer(query_value(query, "page").value_or("1")).value_or(1)));
  Reply reply{.body = "["};
  auto& out = reply.body;
  for (auto at = (page - 1) * per_page; at < std::min(found.size(), page * per_page); ++at) {
    auto const symbol = found[at];
    auto const& about = source_.symbols()[symbol];
    auto const& figures = figures_[symbol];
    auto const* const name = find_coin(about.base);
    auto const decimals = about.price_decimals;
    auto const field = [&](std::string_view key, std::string const& value) {
      out += ",\"";
      out += key;
      out += "\":" + value;
    };
    auto const spelled = in_lower(std::string{name != nullptr ? name->base : std::string_view{about.base}});
    if (out.size() > 1) out += ',';
    out += R"({"id":")" + about.base + R"(","symbol":")" + spelled + R"(","name":")" + about.base + R"(","image":null)";
    field("current_price", number(figures.price, decimals));
    field("market_cap", std::to_string(figures.market_cap));
    field("market_cap_rank", std::to_string(at + 1));
    field("fully_diluted_valuation", std::to_string(figures.market_cap));
    field("total_volume", std::to_string(figures.volume));
    field("high_24h", number(figures.high, decimals));
    field("low_24h", number(figures.low, decimals));
    field("price_change_24h", number(figures.price - figures.open, decimals));
    field("price_change_percentage_24h", number((figures.price - figures.open) * 10'000'000 / figures.open, 5));
    field("circulating_supply", std::to_string(name != nullptr ? name->supply : 1'000'000) + ".0");
    field("max_supply", "null");
    field("roi", "null");
    out += R"(,"last_updated":")";
    append_text(out, Time{Duration{refreshed_us_}});
    out.erase(out.size() - 4, 3);  // Milliseconds.
    out += "\"}";
    if (truth_ != nullptr) put_ticker(symbol, refreshed_us_, true, true, true);
  }
  out += ']';
  return reply;
}

/// [time of the close, open, high, low, close]; widths follow from `days`.
Reply CoingeckoMarketVenue::candles(std::string_view id, std::string_view query) {
  auto const currency = in_lower(query_value(query, "vs_currency").value_or(""));
  if (currency.empty()) return refuse(400, "Missing parameter vs_currency");
  constexpr std::array<std::string_view, 8> allowed{"1", "7", "14", "30", "90", "180", "365", "max"};
  auto const days_text = query_value(query, "days").value_or("");
  if (!std::ranges::contains(allowed, days_text)) return refuse(400, "Invalid days parameter: one of 1/7/14/30/90/180/365/max");
  auto const days = days_text == "max" ? 100'000 : *to_integer(days_text);
  auto const& symbols = source_.symbols();
  auto const at = std::ranges::find_if(
      symbols, [&](MarketSymbol const& about) { return about.base == id && in_lower(about.quote) == currency; });
  if (at == symbols.end())
    return std::ranges::contains(symbols, id, &MarketSymbol::base) ? refuse(400, "invalid vs_currency")
                                                                   : refuse(404, "coin not found");
  auto const symbol = static_cast<std::size_t>(at - symbols.begin());
  auto const span = static_cast<std::size_t>(days <= 2 ? Span::m30 : days <= 30 ? Span::h4 : Span::d1);
  auto const interval = days <= 2 ? "30m" : days <= 30 ? "4h" : "4d";
  std::vector<MarketCandle> rows;
  auto const take = [&](MarketCandle const& candle) {
    if (candle.trades == 0 || candle.end_us <= market_->now_us() - days * day_us) return;
    auto const four_days = span == static_cast<std::size_t>(Span::d1);
    auto const open = four_days ? candle.open_us / (4 * day_us) * 4 * day_us : candle.open_us;
    if (rows.empty() || rows.back().open_us != open)
      rows.push_back({.open_us = open, .end_us = four_days ? open + 4 * day_us : candle.end_us});
    rows.back().add(candle);
  };
  for (auto const& candle : source_.history().candles(symbol, span)) take(candle);
  take(market_->candle(symbol, span));
  auto const decimals = at->price_decimals;
  Reply reply{.body = "["};
  for (auto const& row : rows) {
    auto& out = reply.body;
    out += out.size() == 1 ? "[" : ",[";
    append(out, row.end_us / 1000);
    for (auto const price : {row.open, row.high, row.low, row.close}) out += ',' + number(price, decimals);
    out += ']';
    if (truth_ == nullptr) continue;
    auto& line = truth_->line("candles");
    append_common(line, source_name, at->unified, row.open_us);
    line += R"(,"interval":")" + std::string{interval} + R"(","open":")" + plain(row.open, decimals) + R"(","high":")" +
            plain(row.high, decimals) + R"(","low":")" + plain(row.low, decimals) + R"(","close":")" +
            plain(row.close, decimals) + "\"}";
    truth_->end();
  }
  reply.body += ']';
  return reply;
}

Reply CoingeckoMarketVenue::global() {
  std::map<std::string, std::pair<Wide, Wide>> totals;  // Currency -> market cap, volume.
  for (std::size_t symbol = 0; symbol < figures_.size(); ++symbol) {
    auto& total = totals[in_lower(source_.symbols()[symbol].quote)];
    total.first += figures_[symbol].market_cap;
    total.second += figures_[symbol].volume;
  }
  Reply reply{.body = R"({"data":{)"};
  auto& out = reply.body;
  for (auto const& [name, count] : {std::pair<std::string, int>{"active_cryptocurrencies", 17397},
                                    {"upcoming_icos", 0},
                                    {"ongoing_icos", 49},
                                    {"ended_icos", 3376},
                                    {"markets", 1476}}) {
    out += (out.back() == '{' ? "\"" : ",\"") + name + "\":" + std::to_string(count);
    put_stat(name, std::to_string(count), "count");
  }
  for (bool const cap : {true, false}) {
    std::string const name = cap ? "total_market_cap" : "total_volume";
    out += ",\"" + name + "\":{";
    for (auto const& [currency, total] : totals) {
      std::string upper = currency;
      for (auto& letter : upper)
        if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
      std::string value;
      append_padded(value, (cap ? total.first : total.second) * 100, 2, 2);
      out += (out.back() == '{' ? "\"" : ",\"") + currency + "\":" + value;
      put_stat(name + '.' + currency, value, upper);
    }
    out += '}';
  }
  out += R"(,"market_cap_percentage":{)";
  for (std::size_t symbol = 0; symbol < figures_.size(); ++symbol) {
    auto const& about = source_.symbols()[symbol];
    auto const* const coin = find_coin(about.base);
    auto const total = totals[in_lower(about.quote)].first;
    if (about.quote != source_.symbols()[0].quote || total == 0) continue;
    auto const key = in_lower(std::string{coin != nullptr ? coin->base : std::string_view{about.base}});
    auto const share = plain(static_cast<std::int64_t>(Wide{figures_[symbol].market_cap} * 10'000'000'000 / total), 8);
    out += (out.back() == '{' ? "\"" : ",\"") + key + "\":" + share;
    put_stat("market_cap_percentage." + key, share, "percent");
  }
  auto const& first = figures_[0];
  auto const change = plain((first.price - first.open) * 1'000'000 / first.open, 4);
  out += R"(},"market_cap_change_percentage_24h_usd":)" + change + R"(,"updated_at":)" +
         std::to_string(refreshed_us_ / 1'000'000) + "}}";
  put_stat("market_cap_change_percentage_24h_usd", change, "percent");
  return reply;
}

Reply CoingeckoMarketVenue::list() {
  Reply reply{.body = "["};
  std::vector<std::string> seen;
  for (auto const& about : source_.symbols()) {
    if (std::ranges::contains(seen, about.base)) continue;
    seen.push_back(about.base);
    auto const* const coin = find_coin(about.base);
    reply.body += (seen.size() == 1 ? R"({"id":")" : R"(,{"id":")") + about.base + R"(","symbol":")" +
                  in_lower(std::string{coin != nullptr ? coin->base : std::string_view{about.base}}) + R"(","name":")" +
                  about.base + "\"}";
  }
  reply.body += ']';
  return reply;
}

/// `day`: with the day's high and low.
void CoingeckoMarketVenue::put_ticker(std::size_t symbol, std::int64_t time_us, bool cap, bool volume, bool day) {
  auto const& about = source_.symbols()[symbol];
  auto const& figures = figures_[symbol];
  auto& out = truth_->line("tickers");
  append_common(out, source_name, about.unified, time_us);
  auto const field = [&](std::string_view name, std::string const& value) {
    out += ",\"";
    out += name;
    out += "\":\"" + value + '"';
  };
  field("last", plain(figures.price, about.price_decimals));
  if (day) field("high", plain(figures.high, about.price_decimals));
  if (day) field("low", plain(figures.low, about.price_decimals));
  if (volume) field("quote_volume", std::to_string(figures.volume));
  if (cap) field("market_cap", std::to_string(figures.market_cap));
  out += '}';
  truth_->end_once();
}

void CoingeckoMarketVenue::put_stat(std::string const& name, std::string const& value, std::string_view unit) {
  if (truth_ == nullptr) return;
  auto& out = truth_->line("stats");
  append_common(out, source_name, "global", refreshed_us_ / 1'000'000 * 1'000'000);
  out += R"(,"name":")" + name + R"(","value":")" + value + R"(","unit":")" + std::string{unit} + "\"}";
  truth_->end_once();
}

// ---------------------------------------------------------------------------------------------------- recordings

class CoingeckoRecordingVenue : public CoingeckoVenue {
 public:
  CoingeckoRecordingVenue(Recording const& recording, VenueOptions const& options)
      : CoingeckoVenue{options}, recording_{recording} {}

 private:
  Reply answer(std::string_view path, std::string_view, Now const&) override {
    std::string endpoint{path};
    // A recorded body does not say which coin it is about: it answers for any.
    if (path.starts_with("coins/") && path.find('/', 6) != std::string_view::npos)
      endpoint = "coins/{id}" + std::string{path.substr(path.find('/', 6))};
    for (auto const& key : {std::string{path}, endpoint})
      if (auto const body = recording_.answer(key, 0)) return {.body = std::string{*body}};
    recording_.say_unanswered(path);
    return path.starts_with("coins/") && path != "coins/markets" && path != "coins/list" ? refuse(404, "coin not found")
                                                                                         : not_found();
  }
  Recording const& recording_;
};

}  // namespace

std::unique_ptr<Venue> make_coingecko(Source& source, VenueOptions const& options) {
  return std::make_unique<CoingeckoMarketVenue>(source, options);
}

std::unique_ptr<Venue> make_coingecko(Recording const& recording, VenueOptions const& options) {
  return std::make_unique<CoingeckoRecordingVenue>(recording, options);
}

Recording::Dialect coingecko_dialect() {
  return {.provider = source_name,
          .stream_of = [](std::string_view) -> std::string { return ""; },
          .endpoint_of_file = [](std::string_view name) -> std::string {
            struct Known {
              std::string_view file, endpoint;
            };
            constexpr std::array known{Known{"rest-GetMarkets", "coins/markets"},
                                       Known{"rest-GetPrices", "simple/price"},
                                       Known{"rest-GetOhlc", "coins/{id}/ohlc"},
                                       Known{"rest-GetGlobalData", "global"},
                                       Known{"rest-GetAssets", "coins/list"},
                                       Known{"rest-GetMarketChart", "coins/{id}/market_chart"},
                                       Known{"oas-example-coins-markets", "coins/markets"},
                                       Known{"oas-example-coins-id-ohlc", "coins/{id}/ohlc"},
                                       Known{"oas-example-global", "global"},
                                       Known{"oas-example-coins-list", "coins/list"}};
            for (auto const& one : known)
              if (name == std::string{one.file} + ".json") return std::string{one.endpoint};
            return "";
          },
          .endpoint_of_line = [](std::string_view, std::string_view, std::string_view) -> std::string { return ""; },
          .foreign = [](std::string_view) { return false; }};
}

std::optional<MarketSymbol> coingecko_symbol(std::string_view word) {
  auto id = word.substr(0, word.find('/'));
  auto const currency = id.size() == word.size() ? std::string_view{"USD"} : word.substr(id.size() + 1);
  if (id.size() == word.size())
    if (auto const at = std::ranges::find(coin_names, id, &CoinName::base); at != coin_names.end()) id = at->id;
  auto const in_id = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  auto const in_currency = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (id.empty() || currency.empty() || !std::ranges::all_of(id, in_id) || !std::ranges::all_of(currency, in_currency)) return {};
  auto const* const name = find_coin(id);
  return MarketSymbol{.unified = std::string{id} + '/' + std::string{currency},
                      .native = std::string{id} + '/' + std::string{currency},
                      .base = std::string{id},
                      .quote = std::string{currency},
                      .price_decimals = name != nullptr ? name->decimals : 4,
                      .amount_decimals = 2,
                      .price = name != nullptr ? name->price : 123'456,
                      .amount = 5'000};
}

}  // namespace penstock::simulate
