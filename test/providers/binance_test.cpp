#include "streaming/fault.hpp"
#include "support.hpp"

#include <algorithm>

using namespace penstock;
using namespace penstock::test;
using namespace std::chrono_literals;

namespace {

Provider const& binance() { return provider("binance"); }
Frame frame(std::size_t at) { return documented_frames("binance")[at]; }

Subscription wanted(std::vector<std::string> symbols, std::vector<std::string> channels) {
  return {.symbols = std::move(symbols), .channels = std::move(channels), .intervals = {"1m", "1M"}};
}

Gap gap(std::string channel, std::optional<std::int64_t> from, std::optional<std::int64_t> to, std::string symbol = "BTC/USDT") {
  Gap result;
  result.source = "binance";
  result.symbol = std::move(symbol);
  result.channel = std::move(channel);
  result.from_sequence = from;
  result.to_sequence = to;
  result.from_time = at("2024-08-08T23:00:00Z");
  result.to_time = at("2024-08-08T23:30:00Z");
  return result;
}

}  // namespace

TEST_CASE("binance: each documented frame gives exactly these records") {
  auto const head = [](std::string_view symbol, std::string_view time) {
    return R"({"source":"binance","symbol":")" + std::string{symbol} + R"(","time":")" + std::string{time} +
           R"(","received_at":"2024-08-08T23:54:14.500000Z",)";
  };
  std::vector<std::string> const expected{
      "0 trades/1 " + head("BTCUSDT", "2024-08-08T23:54:15.207000Z") +
          R"("id":"3742119215","side":"sell","price":"61837.64000000","amount":"0.00093000"})"
          "\n",
      "0 trades/1 " + head("BTCUSDT", "2024-08-08T23:54:15.208000Z") +
          R"("id":"3742119216","side":"buy","price":"0.10","amount":"1"})"
          "\n",
      "0 trades/1 " + head("ZILUSDT", "2021-04-05T18:33:23.471000Z") +
          R"("id":"a17562310","side":"buy","price":"0.21448000","amount":"52.30000000"})"
          "\n",
      "0 tickers/1 " + head("ZILUSDT", received) +
          R"("sequence":499822861,"bid":"0.21437000","bid_amount":"2800.00000000","ask":"0.21449000","ask_amount":"11400.00000000"})"
          "\n",
      "0 books/1 " + head("BTCUSDT", "2024-08-08T23:54:15.208000Z") +
          R"("type":"update","sequence":50093239202,"previous_sequence":50093239188,"bids":[["61737.63000000","0.00000000"],["61730.17000000","0.00000000"]],"asks":[["61837.64000000","1.54698000"]]})"
          "\n",
      "0 books/1 " + head("BTCUSDT", "2024-08-08T23:54:15.308000Z") +
          R"("type":"update","sequence":50093239203,"previous_sequence":50093239202,"bids":[],"asks":[["61837.64000000","1.5"]]})"
          "\n",
      "0 books/1 " + head("BTCUSDT", received) +
          R"("type":"snapshot","sequence":160,"bids":[["0.0024","10"]],"asks":[["0.0026","100"]]})"
          "\n",
      "0 books/1 " + head("BTCUSDT", received) +
          R"("type":"snapshot","sequence":1027024,"bids":[["4.00000000","431.00000000"]],"asks":[["4.00000200","12.00000000"]]})"
          "\n",
      "0 candles/1 " + head("BNBBTC", "2022-12-31T19:43:00.000000Z") +
          R"("interval":"1m","open":"0.0010","high":"0.0025","low":"0.0010","close":"0.0020","volume":"1000","quote_volume":"1.0000","trades":100,"closed":false})"
          "\n",
      "0 candles/1 " + head("BTCUSDT", "2024-08-08T23:53:00.000000Z") +
          R"("interval":"1m","open":"61800.00","high":"61850.10","low":"61799.00","close":"61837.64","volume":"12.5","quote_volume":"772970.5","trades":617,"closed":true})"
          "\n" +
          "1 candles/1 " + head("BTCUSDT", "2024-08-08T23:54:00.000000Z") +
          R"("interval":"1m","open":"61837.64","high":"61840.00","low":"61830.00","close":"61837.65","volume":"1.5","quote_volume":"92756.4","trades":42,"closed":false})"
          "\n",
      "0 trades/1 " + head("BTCUSDT", "2017-07-12T13:19:09.590000Z") +
          R"("id":"28457","side":"sell","price":"4.00000100","amount":"12.00000000"})"
          "\n" +
          "1 trades/1 " + head("BTCUSDT", "2017-07-12T13:19:09.591000Z") +
          R"("id":"28458","side":"buy","price":"4.00000200","amount":"1.00000000"})"
          "\n",
      "0 trades/1 " + head("BTCUSDT", "2017-06-30T03:35:09.153000Z") +
          R"("id":"a26129","side":"sell","price":"0.01633102","amount":"4.70443515"})"
          "\n",
      "0 instruments/1 " + head("ETH/BTC", received) +
          R"("class":"spot","native_symbol":"ETHBTC","base":"ETH","quote":"BTC","price_tick":"0.00001000","amount_step":"0.00010000","active":true})"
          "\n" +
          "1 instruments/1 " + head("LUNA/USDT", received) +
          R"("class":"spot","native_symbol":"LUNAUSDT","base":"LUNA","quote":"USDT","active":false})"
          "\n",
      "ignored\n"};
  check_documented_frames(binance(), expected);
}

TEST_CASE("binance: a bad field is named, with the right reason") {
  auto const trade = frame(0), depth = frame(4), kline = frame(8);
  CHECK(reject_of(binance(), with(trade, R"("p":"61837.64000000",)", "")) == "missing-field p");
  CHECK(reject_of(binance(), with(trade, R"("t":3742119215,)", "")) == "missing-field t");
  CHECK(reject_of(binance(), with(trade, R"("T":1723161255207,)", "")) == "missing-field T");
  CHECK(reject_of(binance(), with(trade, R"(,"m":true)", "")) == "missing-field m");
  CHECK(reject_of(binance(), with(trade, R"("s":"BTCUSDT",)", "")) == "missing-field s");
  CHECK(reject_of(binance(), with(trade, R"("data":{)", R"("other":{)")) == "missing-field t");
  CHECK(reject_of(binance(), with(trade, R"("61837.64000000")", "61837.64")) ==
        "wrong-type p: text was expected, found 61837.64");
  CHECK(reject_of(binance(), with(trade, R"("61837.64000000")", "null")) == "wrong-type p: text was expected, found null");
  CHECK(reject_of(binance(), with(trade, R"("61837.64000000")", R"("61837,64")")) ==
        "wrong-type p: not a decimal number: 61837,64");
  CHECK(reject_of(binance(), with(trade, R"("61837.64000000")", R"("")")) == "wrong-type p: not a decimal number: ");
  CHECK(reject_of(binance(), with(trade, "61837.64000000", "1" + std::string(100, '0'))).starts_with("out-of-range p"));
  CHECK(reject_of(binance(), with(trade, "61837.64000000", "1e101")).starts_with("out-of-range p"));
  CHECK(reject_of(binance(), with(trade, R"("m":true)", R"("m":1)")) == "wrong-type m: true or false was expected, found 1");
  CHECK(reject_of(binance(), with(trade, "3742119215", R"("3742119215")")) ==
        "wrong-type t: an integer was expected, found \"3742119215\"");
  CHECK(reject_of(binance(), with(trade, "3742119215", "1.5")) == "wrong-type t: an integer was expected, found 1.5");
  CHECK(reject_of(binance(), with(trade, "3742119215", "9223372036854775808")) == "out-of-range t: 9223372036854775808");
  CHECK(reject_of(binance(), with(trade, "3742119215", "99999999999999999999999")) == "out-of-range t: 99999999999999999999999");
  CHECK(reject_of(binance(), with(trade, "3742119215", "-1")) == "out-of-range t: -1");
  CHECK(reject_of(binance(), with(trade, "1723161255207", "-1")) == "time-out-of-range T: -1");
  CHECK(reject_of(binance(), with(trade, "1723161255207", "9223372036854775807")) == "time-out-of-range T: 9223372036854775807");
  CHECK(reject_of(binance(), with(depth, R"("u":50093239202,)", "")) == "missing-field u");
  CHECK(reject_of(binance(), with(depth, R"("U":50093239189,)", "")) == "missing-field U");
  CHECK(reject_of(binance(), with(depth, "50093239202", "5")).starts_with("out-of-range u"));
  CHECK(reject_of(binance(), with(depth, R"(["61730.17000000","0.00000000"])", R"(["61730.17000000"])"))
            .starts_with("missing-field b"));
  CHECK(reject_of(binance(), with(depth, R"(["61730.17000000","0.00000000"])", "7")).starts_with("wrong-type b"));
  CHECK(reject_of(binance(), with(kline, R"("x":false)", R"("x":null)")).starts_with("wrong-type x"));
  CHECK(reject_of(binance(), with(kline, R"("i":"1m")", R"("i":"one minute")")) == "out-of-range interval: one minute");
  CHECK(reject_of(binance(), {"trade", "", "", "hello"}).starts_with("malformed"));
  CHECK(reject_of(binance(), {"trade", "", "", ""}).starts_with("malformed"));
  CHECK(reject_of(binance(), {"trade", "", "", "[[[["}).starts_with("missing-field symbol"));
  CHECK(reject_of(binance(), {"trade", "BTCUSDT", "", "[[[["}).starts_with("malformed"));
  CHECK(reject_of(binance(), {"liquidations", "", "", "{}"}) == "unknown-channel liquidations");
  CHECK(reject_of(binance(), {"depth", "", "", R"({"lastUpdateId":1,"bids":[],"asks":[]})"}) == "missing-field symbol");
  CHECK(reject_of(binance(), {"klines", "BTCUSDT", "", "[]"}) == "missing-field interval");
  auto trailing = trade;
  trailing.bytes += "{}";
  CHECK(reject_of(binance(), trailing).starts_with("malformed"));
}

TEST_CASE("binance: ids and times at their extremes are kept exactly") {
  auto const trade = frame(0);
  auto const decoded =
      decode(binance(), with(with(trade, "3742119215", "9223372036854775807"), "1723161255207", "253402300799999"));
  REQUIRE(decoded.items.size() == 1);
  auto const& record = std::get<Trade>(decoded.items[0].record);
  CHECK(record.id == "9223372036854775807");
  CHECK(to_text(record.time) == "9999-12-31T23:59:59.999000Z");
  auto const zero = decode(binance(), with(with(trade, "3742119215", "0"), "1723161255207", "0"));
  REQUIRE(zero.items.size() == 1);
  CHECK(std::get<Trade>(zero.items[0].record).id == "0");
  CHECK(to_text(std::get<Trade>(zero.items[0].record).time) == "1970-01-01T00:00:00.000000Z");
}

TEST_CASE("binance: keys in another order, unknown keys and white space change nothing") {
  auto const usual = shown(binance(), frame(0));
  Frame other = frame(0);
  other.bytes =
      "\n {\"data\" : {\"m\":true, "
      "\"T\":1723161255207,\"new\":{\"a\":[1,{\"p\":\"7\"}]},\n\"q\":\"0.00093000\",\"p\":\"61837.64000000\",\"t\":3742119215,"
      "\"s\":\"BTCUSDT\"}, \"stream\":\"btcusdt@trade\"} \n";
  CHECK(shown(binance(), other) == usual);
}

TEST_CASE("binance: an empty side of the best prices is left out, not zero") {
  auto const text = shown(binance(), with(with(frame(3), "0.21437000", "0.00000000"), "2800.00000000", "0.00000000"));
  CHECK(text.find("bid") == text.npos);
  CHECK(text.find(R"("ask":"0.21449000")") != text.npos);
}

TEST_CASE("binance: one bad record of many is rejected by its index and the others stay") {
  auto const trades = decode(binance(), with(frame(10), R"("id":28457,)", R"("id":"x",)"));
  REQUIRE(trades.items.size() == 1);
  CHECK(trades.items[0].index == 1);
  REQUIRE(trades.rejected.size() == 1);
  CHECK(trades.rejected[0].index == 0);
  CHECK(trades.rejected[0].reject.reason == "wrong-type");
  CHECK(!trades.frame);

  auto const instruments = decode(binance(), with(frame(12), R"("quoteAsset":"BTC",)", ""));
  REQUIRE(instruments.items.size() == 1);
  CHECK(instruments.items[0].index == 1);
  REQUIRE(instruments.rejected.size() == 1);
  CHECK(instruments.rejected[0].reject == Reject{"missing-field", "quoteAsset"});

  auto const candles = decode(binance(), with(frame(9), R"([1723161240000,)", R"([null,)"));
  REQUIRE(candles.items.size() == 1);
  REQUIRE(candles.rejected.size() == 1);
  CHECK(candles.rejected[0].index == 1);

  auto const cut = decode(binance(), with(frame(10), R"("isBestMatch":true}])", R"("isBestMatch":true]])"));
  CHECK(cut.items.empty());
  CHECK(cut.rejected.empty());
  REQUIRE(cut.frame);
  CHECK(cut.frame->reason == "malformed");
}

TEST_CASE("binance: a candle by REST is closed once its interval is over when it is received") {
  auto candles = frame(9);
  candles.received_at = "2024-08-08T23:54:59.999999Z";
  CHECK(!std::get<Candle>(decode(binance(), candles).items[1].record).closed);
  candles.received_at = "2024-08-08T23:55:00Z";
  CHECK(std::get<Candle>(decode(binance(), candles).items[1].record).closed);
}

TEST_CASE("binance: a REST body's symbol and interval come from the request") {
  Frame candles = frame(9);
  candles.symbol = "";
  candles.request = "https://api.binance.com/api/v3/klines?interval=1M&symbol=ETHUSDT";
  auto const decoded = decode(binance(), candles);
  REQUIRE(decoded.items.size() == 2);
  CHECK(common_of(decoded.items[0].record).symbol == "ETHUSDT");
  CHECK(std::get<Candle>(decoded.items[0].record).interval == "1M");
}

TEST_CASE("binance: a frame says its channel and symbol, and what it asks of the connection") {
  struct Case {
    char const *bytes, *channel, *symbol;
    Reaction::Action action = Reaction::Action::none;
  };
  using enum Reaction::Action;
  for (auto const& [bytes, channel, symbol, action] :
       {Case{R"({"stream":"btcusdt@depth@100ms","data":{}})", "depth", "BTCUSDT"},
        Case{R"({"stream":"btcusdt@depth","data":{}})", "depth", "BTCUSDT"},
        Case{R"({"stream":"btcusdt@depth20@100ms","data":{}})", "depth20", "BTCUSDT"},
        Case{R"({"stream":"btcusdt@kline_1m","data":{}})", "kline", "BTCUSDT"},
        Case{R"({ "stream" : "1000satsusdt@aggTrade", "data":{}})", "aggTrade", "1000SATSUSDT"},
        Case{R"({"data":{"e":"trade","s":"BTCUSDT"},"stream":"btcusdt@trade"})", "trade", "BTCUSDT"},
        Case{R"({"e":"trade","E":1,"s":"BTCUSDT","t":1})", "trade", "BTCUSDT"},
        Case{R"({"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1})", "depth", "BTCUSDT"},
        Case{R"({"e":"kline","E":1,"s":"BTCUSDT","k":{}})", "kline", "BTCUSDT"},
        Case{R"({"u":1,"s":"BTCUSDT","b":"1"})", "bookTicker", "BTCUSDT"},
        Case{R"({"lastUpdateId":160,"bids":[]})", "depth", ""},
        Case{R"({"result":null,"id":1})", "control", ""},
        Case{R"({"result":["btcusdt@trade"],"id":3})", "control", ""},
        Case{R"({"code":2,"msg":"Invalid request: unknown stream","id":1})", "control", "", refused},
        Case{R"({"error":{"code":3,"msg":"Invalid JSON"},"id":null})", "control", "", refused},
        Case{R"({"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}})", "control", "", reconnect},
        Case{R"({"e":"serverShutdown","E":1})", "control", "", reconnect},
        Case{R"({"e":"somethingNew","s":"BTCUSDT"})", "unknown", "BTCUSDT"},
        Case{"", "unknown", ""},
        Case{"hello", "unknown", ""},
        Case{"{", "unknown", ""},
        Case{R"({"stream":")", "unknown", ""},
        Case{R"({"stream":"@","data":1})", "unknown", ""},
        Case{R"({"stream":"x","data":1})", "unknown", ""}}) {
    CAPTURE(bytes);
    auto const reaction = binance().react(bytes);
    CHECK(reaction.channel == channel);
    CHECK(reaction.symbol == symbol);
    CHECK(reaction.action == action);
    CHECK(reaction.answer.empty() == (action != refused));
  }
}

TEST_CASE("binance: each documented error has its answer") {
  struct Case {
    int status;
    std::vector<Header> headers;
    char const *body, *kind;
    std::chrono::milliseconds wait{};
  };
  for (auto const& [status, headers, body, kind, wait] :
       {Case{200, {}, R"({"lastUpdateId":1})", "ok"},
        Case{200, {}, R"([{"id":1}])", "ok"},
        Case{200, {}, R"([[1,"2"]])", "ok"},
        Case{200, {}, " [ ] ", "empty"},
        Case{200, {}, "<html>maintenance</html>", "broken"},
        Case{200, {}, "", "broken"},
        Case{429, {{"retry-after", "7"}}, R"({"code":-1003,"msg":"Too many requests"})", "throttled", 7s},
        Case{429, {}, "", "throttled"},
        Case{418, {{"retry-after", "259200"}}, R"({"code":-1003,"msg":"Way too many requests; IP banned"})", "throttled", 72h},
        Case{429, {{"retry-after", "-5"}}, "", "throttled"},
        Case{429, {{"retry-after", "99999999999999999999"}}, "", "throttled"},
        Case{403, {}, "<html>403 Forbidden</html>", "throttled", 5min},
        Case{400, {}, R"({"code":-1121,"msg":"Invalid symbol."})", "refused"},
        Case{400, {}, R"({"code":-1100,"msg":"Illegal characters found in parameter"})", "refused"},
        Case{400, {}, R"({"code":-1220,"msg":"Symbol status mismatch"})", "refused"},
        Case{400, {}, R"({"code":-1003,"msg":"Too many requests"})", "throttled"},
        Case{400, {}, R"({"code":-1007,"msg":"Timeout waiting for response"})", "broken"},
        Case{404, {}, "not found", "refused"},
        Case{451, {}, "restricted location", "refused"},
        Case{500, {}, "", "broken"},
        Case{503, {}, R"({"code":-1001,"msg":"Internal error"})", "broken"},
        Case{502, {}, "<html>", "broken"},
        Case{0, {}, "could not resolve host", "broken"},
        Case{302, {}, "", "broken"}}) {
    CAPTURE(status);
    CAPTURE(body);
    auto const answer = binance().classify({}, {status, headers, body});
    CHECK(word(answer.kind) == kind);
    CHECK(answer.wait == wait);
  }
  CHECK(binance().classify({}, {200, {{"x-mbx-used-weight", "99"}, {"x-mbx-used-weight-1m", "1234"}}, "{}"}).budget_used == 1234);
  CHECK(!binance().classify({}, {200, {{"x-mbx-used-weight-1m", "many"}}, "{}"}).budget_used);
  auto const refused = binance().classify({}, {400, {}, R"({"code":-1121,"msg":"Invalid symbol."})"});
  CHECK(refused.detail == "code -1121: Invalid symbol. Take a symbol that Binance lists out of publish.binance.symbols");
}

TEST_CASE("binance: streams are asked for by URL, over as many connections as the limits need") {
  auto const one =
      binance().streams(wanted({"BTC/USDT", "ETH/USDT"}, {"trade", "depth", "kline", "bookTicker", "aggTrade", "exchangeInfo"}));
  REQUIRE(one.size() == 1);
  CHECK(one[0].url ==
        "wss://stream.binance.com:9443/stream?streams=btcusdt@trade/btcusdt@depth@100ms/btcusdt@kline_1m/btcusdt@kline_1M/"
        "btcusdt@bookTicker/btcusdt@aggTrade/"
        "ethusdt@trade/ethusdt@depth@100ms/ethusdt@kline_1m/ethusdt@kline_1M/ethusdt@bookTicker/ethusdt@aggTrade");
  CHECK(one[0].subscribe.empty());
  CHECK(one[0].lifetime_max == 23h + 30min);
  CHECK(one[0].silence_max > 0ms);
  CHECK(binance().streams(wanted({"BTC/USDT"}, {"klines", "exchangeInfo"})).empty());

  std::vector<std::string> symbols;
  for (int at = 0; at < 1030; ++at) symbols.push_back("A" + std::to_string(at) + "/B");
  auto const many = binance().streams(wanted(symbols, {"trade"}));
  CHECK(many.size() > 1);
  std::size_t total = 0;
  for (auto const& stream : many) {
    auto const streams = 1 + static_cast<std::size_t>(std::ranges::count(stream.url.substr(stream.url.find('?')), '/'));
    CHECK(streams <= 1024);
    CHECK(stream.url.size() < 8000);
    total += streams;
  }
  CHECK(total == 1030);

  auto elsewhere = wanted({"BTC/USDT"}, {"trade"});
  elsewhere.websocket_url = "ws://127.0.0.1:7000/binance";
  CHECK(binance().streams(elsewhere).at(0).url == "ws://127.0.0.1:7000/binance/stream?streams=btcusdt@trade");
}

TEST_CASE("binance: the catalogue is asked for first, whatever the channels, and only for the symbols") {
  auto const polls = binance().polls(wanted({"BTC/USDT", "ETH/USDT"}, {"trade"}));
  REQUIRE(polls.size() == 1);
  CHECK(polls[0].request.url == "https://api.binance.com/api/v3/exchangeInfo?symbols=%5B%22BTCUSDT%22,%22ETHUSDT%22%5D");
  CHECK(polls[0].request.channel == "exchangeInfo");
  CHECK(polls[0].request.weight == 20);
  CHECK(polls[0].before_stream);
  CHECK(polls[0].every == 1h);

  auto more = wanted({"BTC/USDT"}, {"klines", "trades"});
  more.http_url = "http://127.0.0.1:7000";
  more.poll_interval = 3s;
  auto const all = binance().polls(more);
  REQUIRE(all.size() == 4);
  CHECK(all[1].request.url == "http://127.0.0.1:7000/api/v3/trades?symbol=BTCUSDT&limit=1000");
  CHECK(all[1].request.symbol == "BTCUSDT");
  CHECK(all[1].every == 3s);
  CHECK(all[1].request.weight == 25);
  CHECK(all[3].request.url == "http://127.0.0.1:7000/api/v3/klines?symbol=BTCUSDT&interval=1M&limit=10");
  CHECK(all[0].every == 1h);

  std::vector<std::string> symbols;
  for (int at = 0; at < 450; ++at) symbols.push_back("A" + std::to_string(at) + "/B");
  CHECK(binance().polls(wanted(symbols, {"trade"})).size() == 3);
}

TEST_CASE("binance: a hole in the trades is fetched exactly, a hole in the book by a snapshot") {
  auto const subscription = wanted({"BTC/USDT"}, {"trade", "depth"});
  auto const trades = binance().backfill(gap("trade", 1000, 3499), subscription);
  REQUIRE(trades.size() == 3);
  CHECK(trades[0].url == "https://api.binance.com/api/v3/historicalTrades?symbol=BTCUSDT&fromId=1000&limit=1000");
  CHECK(trades[1].url == "https://api.binance.com/api/v3/historicalTrades?symbol=BTCUSDT&fromId=2000&limit=1000");
  CHECK(trades[2].url == "https://api.binance.com/api/v3/historicalTrades?symbol=BTCUSDT&fromId=3000&limit=500");
  CHECK(trades[0].origin == Origin::backfill);
  CHECK(trades[0].channel == "trade");
  CHECK(trades[0].symbol == "BTCUSDT");
  CHECK(binance().backfill(gap("aggTrade", 5, 5), subscription).at(0).url ==
        "https://api.binance.com/api/v3/aggTrades?symbol=BTCUSDT&fromId=5&limit=1");
  CHECK(binance().backfill(gap("trade", 0, 10'000'000), subscription).size() == 200);
  CHECK(binance().backfill(gap("trade", 0, INT64_MAX), subscription).size() == 200);
  CHECK(binance().backfill(gap("trade", INT64_MAX - 1, INT64_MAX), subscription).size() == 1);
  CHECK(binance().backfill(gap("trade", {}, {}), subscription).empty());
  CHECK(binance().backfill(gap("trade", 10, 9), subscription).empty());

  auto const book = binance().backfill(gap("depth", 5, 9), subscription);
  REQUIRE(book.size() == 1);
  CHECK(book[0].url == "https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=5000");
  CHECK(book[0].origin == Origin::snapshot);
  CHECK(book[0].channel == "depth");
  CHECK(book[0].weight == 250);

  auto const candles = binance().backfill(gap("kline", {}, {}), subscription);
  REQUIRE(candles.size() == 2);
  CHECK(candles[0].url ==
        "https://api.binance.com/api/v3/"
        "klines?symbol=BTCUSDT&interval=1m&startTime=1723158000000&endTime=1723159800000&limit=1000");
  CHECK(binance().backfill(gap("*", {}, {}, "*"), subscription).empty());
  CHECK(binance().backfill(gap("bookTicker", {}, {}), subscription).empty());
}

TEST_CASE("binance: symbols and channels that it cannot have are refused with the form they should have") {
  auto const said = [](Subscription const& subscription) -> std::string {
    try {
      binance().check(subscription);
    } catch (UsageError const& error) {
      return error.what();
    }
    return "";
  };
  CHECK(said(wanted({"BTC/USDT", "1000SATS/USDT"}, {"trade", "kline"})) == "");
  for (auto const* symbol : {"BTCUSDT", "btc/usdt", "BTC/USDT:USDT", "BTC/", "/USDT", "", "BTC/US DT", "BTC/USDT/X"}) {
    CAPTURE(symbol);
    auto const text = said(wanted({symbol}, {"trade"}));
    CHECK(text.find("BASE/QUOTE") != text.npos);
    CHECK(binance().native_symbol(symbol) == "");
  }
  auto const channel = said(wanted({"BTC/USDT"}, {"trdae"}));
  CHECK(channel.find("did you mean 'trade'") != channel.npos);
  CHECK(channel.find("bookTicker") != channel.npos);
  auto intervals = wanted({"BTC/USDT"}, {"kline"});
  intervals.intervals = {"7m"};
  CHECK(said(intervals).find("1m, 5m, 1h, 1d, 1w, 1M") != std::string::npos);
  intervals.channels = {"trade"};
  CHECK(said(intervals) == "");
  CHECK(binance().native_symbol("BTC/USDT") == "BTCUSDT");
}

TEST_CASE("binance: holes are seen in trade ids and in the book's chain") {
  CHECK(binance().continuity("trade").kind == Continuity::Kind::ids);
  CHECK(binance().continuity("aggTrade").kind == Continuity::Kind::ids);
  CHECK(binance().continuity("depth").kind == Continuity::Kind::book);
  CHECK(binance().continuity("bookTicker").kind == Continuity::Kind::none);
  CHECK(binance().continuity("trades").kind == Continuity::Kind::none);
}
