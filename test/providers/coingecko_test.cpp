#include "streaming/fault.hpp"
#include "support.hpp"

#include <algorithm>

using namespace penstock;
using namespace penstock::test;
using namespace std::chrono_literals;

namespace {

Provider const& coingecko() { return provider("coingecko"); }
Frame frame(std::size_t at) { return documented_frames("coingecko")[at]; }

std::vector<std::string> urls(Subscription const& subscription) {
  std::vector<std::string> result;
  for (auto const& poll : coingecko().polls(subscription)) result.push_back(poll.request.url);
  return result;
}

}  // namespace

TEST_CASE("coingecko: each documented body gives exactly these records") {
  auto const head = [](std::string_view symbol, std::string_view time) {
    return R"({"source":"coingecko","symbol":")" + std::string{symbol} + R"(","time":")" + std::string{time} +
           R"(","received_at":"2024-08-08T23:54:14.500000Z",)";
  };
  auto const figure = [&](int index, std::string_view name, std::string_view value, std::string_view unit) {
    return std::to_string(index) + " stats/1 " + head("global", "2024-08-08T23:53:20.000000Z") + R"("name":")" +
           std::string{name} + R"(","value":")" + std::string{value} + R"(","unit":")" + std::string{unit} + "\"}\n";
  };
  std::vector<std::string> const expected{
      "0 tickers/1 " + head("bitcoin/USD", "2024-08-08T23:54:10.000000Z") +
          R"("last":"76975","quote_volume":"33235034316.25","market_cap":"1555886872303.5"})"
          "\n" +
          "1 tickers/1 " + head("bitcoin/EUR", "2024-08-08T23:54:10.000000Z") +
          R"("last":"66000.10"})"
          "\n" +
          "2 tickers/1 " + head("pepe/USD", received) +
          R"("last":"0.000000012"})"
          "\n",
      "0 tickers/1 " + head("bitcoin/USD", "2024-08-08T23:54:01.599000Z") +
          R"("last":"77671","high":"78419","low":"76696","quote_volume":"33235034316","market_cap":"1555886872303"})"
          "\n" +
          "1 tickers/1 " + head("ethereum/USD", received) +
          R"("last":"2600.5"})"
          "\n",
      "0 candles/1 " + head("bitcoin/USD", "2024-08-08T23:00:00.000000Z") +
          R"("interval":"30m","open":"61800","high":"61900.5","low":"61700","close":"61850","closed":true})"
          "\n" +
          "1 candles/1 " + head("bitcoin/USD", "2024-08-08T23:30:00.000000Z") +
          R"("interval":"30m","open":"61850","high":"61850","low":"61837","close":"61840.0","closed":false})"
          "\n",
      figure(0, "active_cryptocurrencies", "17397", "count") + figure(1, "upcoming_icos", "0", "count") +
          figure(2, "ongoing_icos", "49", "count") + figure(3, "ended_icos", "3376", "count") +
          figure(4, "markets", "1476", "count") + figure(5, "total_market_cap.btc", "34570737.199462704", "BTC") +
          figure(6, "total_market_cap.usd", "2700165213128150", "USD") +
          figure(7, "total_volume.usd", "95133256404.37308", "USD") +
          figure(8, "market_cap_percentage.btc", "57.9539332566265", "percent") +
          figure(9, "market_cap_change_percentage_24h_usd", "-1.6081983639177684", "percent"),
      "0 tickers/1 " + head("bitcoin/USD", "2024-08-08T23:54:01.599000Z") +
          R"("last":"61837.25","high":"62215","low":"60060","quote_volume":"20154184933.5","market_cap":"1220651251183"})"
          "\n" +
          "1 tickers/1 " + head("pepe/USD", "2024-08-08T23:53:58.000000Z") +
          R"("last":"0.0000075","low":"0.0000071234567890123456789","quote_volume":"0"})"
          "\n"};
  check_documented_frames(coingecko(), expected);
}

TEST_CASE("coingecko: one bad record of many is rejected by its index") {
  auto const prices = decode(coingecko(), with(frame(0), R"("eur":66000.10)", R"("eur":"66000.10")"));
  CHECK(prices.items.size() == 2);
  REQUIRE(prices.rejected.size() == 1);
  CHECK(prices.rejected[0].index == 1);
  CHECK(prices.rejected[0].reject == Reject{"wrong-type", "eur: a number was expected, found \"66000.10\""});

  auto const times = decode(coingecko(), with(frame(0), "1723161250", "\"now\""));
  CHECK(times.items.size() == 1);
  CHECK(times.rejected.size() == 2);

  auto const coin = decode(coingecko(), with(frame(0), R"({"usd":1.2e-08})", "7"));
  CHECK(coin.items.size() == 2);
  REQUIRE(coin.rejected.size() == 1);
  CHECK(coin.rejected[0].index == 2);

  auto const markets = decode(coingecko(), with(frame(1), R"("id":"bitcoin",)", ""));
  REQUIRE(markets.items.size() == 1);
  CHECK(markets.items[0].index == 1);
  CHECK(markets.rejected[0].reject == Reject{"missing-field", "id"});

  auto const candles = decode(coingecko(), with(frame(2), "61900.5", "null"));
  CHECK(candles.items.size() == 1);
  CHECK(candles.rejected[0].reject == Reject{"missing-field", "high"});

  auto const figures = decode(coingecko(), with(frame(3), R"({"btc":57.9539332566265})", "7"));
  CHECK(figures.items.size() == 9);
  REQUIRE(figures.rejected.size() == 1);
  CHECK(figures.rejected[0].index == 8);
}

TEST_CASE("coingecko: null is absent, and a coin about which nothing is said gives no record") {
  CHECK(decode(coingecko(), with(frame(0), R"({"usd":1.2e-08})", R"({"usd":null,"usd_market_cap":null})")).items.size() == 2);
  CHECK(decode(coingecko(), with(frame(0), R"({"usd":1.2e-08})", "{}")).items.size() == 2);
  CHECK(decode(coingecko(), with(frame(1), R"("current_price":2600.5)", R"("current_price":null)")).items.size() == 1);
  CHECK(decode(coingecko(), with(frame(3), R"("usd":95133256404.37308)", R"("usd":null)")).items.size() == 9);
}

TEST_CASE("coingecko: numbers keep their spelling, exponents are written out") {
  auto const decoded = decode(coingecko(), with(frame(1), "77671", "1.50E-3"));
  CHECK(std::get<Ticker>(decoded.items.at(0).record).last.text() == "0.00150");
}

TEST_CASE("coingecko: the width of candles follows from the request") {
  for (auto const& [query, interval, open] : {std::tuple{"vs_currency=usd&days=1", "30m", "2024-08-08T23:00:00.000000Z"},
                                              {"days=2&vs_currency=usd", "30m", "2024-08-08T23:00:00.000000Z"},
                                              {"vs_currency=usd&days=7", "4h", "2024-08-08T19:30:00.000000Z"},
                                              {"vs_currency=usd&days=30", "4h", "2024-08-08T19:30:00.000000Z"},
                                              {"vs_currency=usd&days=90", "4d", "2024-08-04T23:30:00.000000Z"},
                                              {"vs_currency=usd&days=max", "4d", "2024-08-04T23:30:00.000000Z"},
                                              {"vs_currency=usd&days=7&interval=hourly", "1h", "2024-08-08T22:30:00.000000Z"},
                                              {"vs_currency=usd&days=180&interval=daily", "1d", "2024-08-07T23:30:00.000000Z"}}) {
    CAPTURE(query);
    auto candles = frame(2);
    candles.request = "https://api.coingecko.com/api/v3/coins/bitcoin/ohlc?" + std::string{query};
    auto const decoded = decode(coingecko(), candles);
    REQUIRE(decoded.items.size() == 2);
    CHECK(std::get<Candle>(decoded.items[0].record).interval == interval);
    CHECK(to_text(common_of(decoded.items[0].record).time) == open);
  }
  auto nameless = frame(2);
  for (auto const& [request, reject] : {std::pair{"https://x/coins/bitcoin/ohlc?vs_currency=usd", "missing-field days"},
                                        {"https://x/coins/bitcoin/ohlc?days=1", "missing-field vs_currency"},
                                        {"https://x/coins/ohlc?vs_currency=usd&days=1", "missing-field id"},
                                        {"", "missing-field id"}}) {
    nameless.request = request;
    CHECK(reject_of(coingecko(), nameless) == reject);
  }
}

TEST_CASE("coingecko: each documented error has its answer") {
  struct Case {
    int status;
    std::vector<Header> headers;
    char const *body, *kind;
    std::chrono::milliseconds wait{};
  };
  for (auto const& [status, headers, body, kind, wait] :
       {Case{200, {}, R"({"bitcoin":{"usd":1}})", "ok"},
        Case{200, {}, R"({"error-coin":{"usd":1}})", "ok"},
        Case{200, {}, R"({"error":{"usd":1}})", "ok"},
        Case{200, {}, "{}", "empty"},
        Case{200, {}, " [ ]\n", "empty"},
        Case{200, {}, R"([{}])", "empty"},
        Case{200, {}, "busy", "broken"},
        Case{429, {}, R"({"status":{"error_code":429,"error_message":"You've exceeded the Rate Limit."}})", "throttled", 60s},
        Case{429, {{"retry-after", "17"}}, "Throttled", "throttled", 17s},
        Case{200, {}, R"({"status":{"error_code":429,"error_message":"…"}})", "throttled", 60s},
        Case{404, {}, R"({"error":"coin not found"})", "refused"},
        Case{200, {}, R"({"error":"coin not found"})", "refused"},
        Case{400, {}, R"({"error":{"status":{"error_code":10010,"error_message":"If you are using Pro API key…"}}})", "refused"},
        Case{400, {}, R"({"status":{"error_code":10011,"error_message":"…"}})", "refused"},
        Case{401, {}, R"({"status":{"error_code":10002,"error_message":"API Key Missing"}})", "refused"},
        Case{401, {}, R"({"error_code":10005,"error_message":"…"})", "refused"},
        Case{401, {}, "", "refused"},
        Case{400, {}, R"({"error":"Missing parameter vs_currency"})", "refused"},
        Case{403, {}, "blocked", "refused"},
        Case{403, {}, "error code: 1020", "throttled", 5min},
        Case{408, {}, "", "broken"},
        Case{500, {}, "", "broken"},
        Case{503, {}, R"({"status":{"error_code":503}})", "broken"},
        Case{0, {}, "no route", "broken"}}) {
    CAPTURE(status);
    CAPTURE(body);
    auto const answer = coingecko().classify({}, {status, headers, body});
    CHECK(word(answer.kind) == kind);
    CHECK(answer.wait == wait);
  }
  CHECK(coingecko()
            .classify({}, {400, {}, R"({"error":{"status":{"error_code":10010}}})"})
            .detail.find("https://pro-api.coingecko.com") != std::string::npos);
}

TEST_CASE("coingecko: coins are asked for in as few requests as possible, and no pair that was not wanted") {
  Subscription subscription{.symbols = {"bitcoin/USD", "ethereum/USD", "bitcoin/EUR", "pepe/USD", "bitcoin/USD"},
                            .channels = {"simple/price", "coins/markets", "ohlc", "global"}};
  std::string const api = "https://api.coingecko.com/api/v3/";
  std::string const figures = "&include_market_cap=true&include_24hr_vol=true&include_last_updated_at=true&precision=full";
  CHECK(
      urls(subscription) ==
      std::vector<std::string>{api + "simple/price?ids=bitcoin&vs_currencies=eur,usd" + figures,
                               api + "simple/price?ids=ethereum,pepe&vs_currencies=usd" + figures,
                               api + "coins/markets?vs_currency=eur&ids=bitcoin&per_page=250&page=1&precision=full",
                               api + "coins/markets?vs_currency=usd&ids=bitcoin,ethereum,pepe&per_page=250&page=1&precision=full",
                               api + "coins/bitcoin/ohlc?vs_currency=usd&days=1&precision=full",
                               api + "coins/ethereum/ohlc?vs_currency=usd&days=1&precision=full",
                               api + "coins/bitcoin/ohlc?vs_currency=eur&days=1&precision=full",
                               api + "coins/pepe/ohlc?vs_currency=usd&days=1&precision=full", api + "global"});

  Subscription many{.symbols = {}, .channels = {"coins/markets"}};
  for (int at = 0; at < 251; ++at) many.symbols.push_back("coin-" + std::to_string(at) + "/USD");
  CHECK(urls(many).size() == 2);
}

TEST_CASE("coingecko: the key goes into the header that its host wants, never into the address") {
  Subscription subscription{.symbols = {"bitcoin/USD"}, .channels = {"global"}};
  CHECK(coingecko().polls(subscription).at(0).request.headers.empty());
  subscription.api_key = "KEY";
  CHECK(coingecko().polls(subscription).at(0).request.headers == std::vector<Header>{{"x-cg-demo-api-key", "KEY"}});
  subscription.http_url = "https://pro-api.coingecko.com/api/v3";
  auto const request = coingecko().polls(subscription).at(0).request;
  CHECK(request.headers == std::vector<Header>{{"x-cg-pro-api-key", "KEY"}});
  CHECK(request.text().find("KEY") == std::string::npos);
}

TEST_CASE("coingecko: symbols that are no coins are refused with the form they should have") {
  for (auto const* symbol :
       {"bitcoin", "bitcoin/usd", "Bitcoin/USD", "/USD", "bitcoin/", "bit coin/USD", "a&b/USD", "bitcoin/USD/EUR"}) {
    CAPTURE(symbol);
    CHECK(coingecko().native_symbol(symbol) == "");
    try {
      coingecko().check({.symbols = {symbol}, .channels = {"global"}});
      FAIL_CHECK("not refused");
    } catch (UsageError const& error) {
      CHECK(std::string_view{error.what()}.find("bitcoin/USD") != std::string_view::npos);
    }
  }
  CHECK(coingecko().native_symbol("bitcoin/USD") == "bitcoin/usd");
  CHECK(coingecko().streams({.symbols = {"bitcoin/USD"}, .channels = {"global"}}).empty());
}
