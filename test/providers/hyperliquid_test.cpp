#include "streaming/fault.hpp"
#include "support.hpp"

#include <algorithm>

using namespace penstock;
using namespace penstock::test;
using namespace std::chrono_literals;

namespace {

Provider const& hyperliquid() { return provider("hyperliquid"); }
Frame frame(std::size_t at) { return documented_frames("hyperliquid")[at]; }

Subscription wanted(std::vector<std::string> symbols, std::vector<std::string> channels) {
  return {.symbols = std::move(symbols), .channels = std::move(channels), .intervals = {"1m", "1M"}};
}

}  // namespace

TEST_CASE("hyperliquid: each documented frame gives exactly these records") {
  auto const head = [](std::string_view symbol, std::string_view time) {
    return R"({"source":"hyperliquid","symbol":")" + std::string{symbol} + R"(","time":")" + std::string{time} +
           R"(","received_at":"2024-08-08T23:54:14.500000Z",)";
  };
  std::vector<std::string> const expected{
      "0 trades/1 " + head("BTC", "2024-08-08T23:54:14.873000Z") +
          R"("id":"121451470284048","side":"buy","price":"105056.0","amount":"0.00219"})"
          "\n" +
          "1 trades/1 " + head("BTC", "2024-08-08T23:54:14.873000Z") +
          R"("id":"181211126211835","side":"sell","price":"105055.0","amount":"0.00036"})"
          "\n",
      "0 trades/1 " + head("BTC", "2024-08-08T23:54:13.000000Z") +
          R"("id":"300003","side":"sell","price":"104320.0","amount":"0.01500"})"
          "\n",
      "0 books/1 " + head("BTC", "2024-08-08T23:54:13.893000Z") +
          R"("type":"snapshot","bids":[["105055.0","3.03622"],["105054.0","0.1428"]],"asks":[["105056.0","1.5"]]})"
          "\n",
      "0 books/1 " + head("DYDX", "2024-08-08T23:54:13.000000Z") +
          R"("type":"snapshot","bids":[["2.111","134.4"]],"asks":[["2.1124","352.3"]]})"
          "\n",
      "0 tickers/1 " + head("BTC", "2024-08-08T23:54:14.000000Z") +
          R"("bid":"61837.0","bid_amount":"0.5"})"
          "\n",
      "0 candles/1 " + head("BTC", "2024-08-08T23:54:00.000000Z") +
          R"("interval":"1m","open":"61800.0","high":"61840.0","low":"61799.0","close":"61837.0","volume":"12.5","trades":77,"closed":false})"
          "\n",
      "0 candles/1 " + head("kPEPE", "2024-08-08T23:53:00.000000Z") +
          R"("interval":"1M","open":"0.001601","high":"0.001616","low":"0.001601","close":"0.001604","volume":"520665683.0","trades":709,"closed":true})"
          "\n",
      "0 instruments/1 " + head("BTC/USDC:USDC", received) +
          R"("class":"swap","native_symbol":"BTC","base":"BTC","quote":"USDC","settle":"USDC","amount_step":"0.00001","active":true})"
          "\n" +
          "1 instruments/1 " + head("kPEPE/USDC:USDC", received) +
          R"("class":"swap","native_symbol":"kPEPE","base":"kPEPE","quote":"USDC","settle":"USDC","amount_step":"1","active":false})"
          "\n",
      "ignored\n",
      "0 trades/1 " + head("BTC", "2024-08-08T23:54:14.873000Z") +
          R"("id":"121451470284048","side":"buy","price":"61837.0","amount":"0.0021"})"
          "\n",
      "0 trades/1 " + head("BTC", "2024-08-08T23:54:13.000000Z") +
          R"("id":"300003","side":"sell","price":"61836.5","amount":"1"})"
          "\n" +
          "1 trades/1 " + head("BTC", "2024-08-08T23:54:13.000000Z") +
          R"("id":"300002","side":"buy","price":"61836.0","amount":"0.5"})"
          "\n"};
  check_documented_frames(hyperliquid(), expected);
}

TEST_CASE("hyperliquid: one bad trade of many is rejected by its index") {
  for (auto const& [from, to, reject] :
       {std::tuple{R"("side":"B")", R"("side":"X")", Reject{"out-of-range", "side: X is neither A nor B"}},
        {R"("px":"105056.0",)", "", Reject{"missing-field", "px"}},
        {R"("px":"105056.0")", R"("px":105056.0)", Reject{"wrong-type", "px: text was expected, found 105056.0"}},
        {R"(121451470284048)", R"(-1)", Reject{"out-of-range", "tid: -1"}},
        {R"("coin":"BTC",)", "", Reject{"missing-field", "coin"}},
        {R"(1723161254873)", R"(99999999999999999)", Reject{"time-out-of-range", "time: 99999999999999999"}}}) {
    CAPTURE(from);
    auto const decoded = decode(hyperliquid(), with(frame(0), from, to));
    REQUIRE(decoded.items.size() == 1);
    CHECK(decoded.items[0].index == 1);
    REQUIRE(decoded.rejected.size() == 1);
    CHECK(decoded.rejected[0].index == 0);
    CHECK(decoded.rejected[0].reject == reject);
    CHECK(!decoded.frame);
  }
  auto const meta = decode(hyperliquid(), with(frame(7), R"("szDecimals":5)", R"("szDecimals":99)"));
  CHECK(meta.items.size() == 1);
  REQUIRE(meta.rejected.size() == 1);
  CHECK(meta.rejected[0].reject == Reject{"out-of-range", "szDecimals: 99"});
}

TEST_CASE("hyperliquid: frames with one record are rejected as a whole") {
  auto const book = frame(2), ticker = frame(4), candle = frame(5);
  CHECK(reject_of(hyperliquid(), with(book, R"(,[{"n":13,"px":"105056.0","sz":"1.5"}])", "")) == "missing-field levels");
  CHECK(reject_of(hyperliquid(), with(book, R"([{"n":13,"px":"105056.0","sz":"1.5"}])", "[],[]"))
            .starts_with("out-of-range levels"));
  CHECK(reject_of(hyperliquid(), with(book, R"(,"time":1723161253893)", "")) == "missing-field time");
  CHECK(reject_of(hyperliquid(), with(book, R"("sz":"0.1428")", R"("size":"0.1428")")) == "missing-field sz");
  CHECK(reject_of(hyperliquid(), with(ticker, ",null]", "]")) == "missing-field bbo");
  CHECK(reject_of(hyperliquid(), with(ticker, ",null]", ",7]")).starts_with("wrong-type bbo"));
  CHECK(reject_of(hyperliquid(), with(candle, R"("T":1723161299999,)", "")) == "missing-field T");
  CHECK(reject_of(hyperliquid(), with(candle, R"("n":77)", R"("n":"77")")).starts_with("wrong-type n"));
  CHECK(reject_of(hyperliquid(), {"trades", "BTC", "", R"({"channel":"trades"})"}) == "missing-field data");
  CHECK(reject_of(hyperliquid(), {"meta", "", "", "{}"}) == "missing-field universe");
}

TEST_CASE("hyperliquid: an empty market has a ticker without prices and a book without levels") {
  CHECK(shown(hyperliquid(), with(frame(4), R"({"px":"61837.0","sz":"0.5","n":3})", "null")).find("bid") == std::string::npos);
  auto const book = decode(
      hyperliquid(), {"l2Book", "X", "", R"({"channel":"l2Book","data":{"coin":"X","time":1723161253893,"levels":[[],[]]}})"});
  CHECK(book.items.size() == 1);
}

TEST_CASE("hyperliquid: a running candle is closed once its interval is over when it is received") {
  auto candle = frame(5);
  candle.received_at = "2024-08-08T23:54:59.999999Z";
  CHECK(!std::get<Candle>(decode(hyperliquid(), candle).items[0].record).closed);
  candle.received_at = "2024-08-08T23:55:00Z";
  CHECK(std::get<Candle>(decode(hyperliquid(), candle).items[0].record).closed);
}

TEST_CASE("hyperliquid: a frame says its channel and symbol, and what it asks of the connection") {
  struct Case {
    char const *bytes, *channel, *symbol;
    Reaction::Action action = Reaction::Action::none;
  };
  using enum Reaction::Action;
  for (auto const& [bytes, channel, symbol, action] :
       {Case{"Websocket connection established.", "control", ""}, Case{R"({"channel":"pong"})", "control", ""},
        Case{R"({"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{"type":"trades","coin":"BTC"}}})",
             "control", ""},
        Case{R"({"channel":"error","data":"Invalid subscription {\"type\":\"tardes\"}"})", "control", "", refused},
        Case{R"({"channel":"error","data":"Already subscribed: {\"type\":\"trades\"}"})", "control", ""},
        Case{R"({"channel":"trades","data":[{"coin":"kPEPE","side":"A"}]})", "trades", "kPEPE"},
        Case{R"({"data":[{"coin":"BTC","side":"A"}],"channel":"trades"})", "trades", "BTC"},
        Case{R"({"channel":"trades","data":[]})", "trades", ""},
        Case{R"({"channel":"l2Book","data":{"coin":"BTC"}})", "l2Book", "BTC"},
        Case{R"({"channel":"bbo","data":{"coin":"BTC"}})", "bbo", "BTC"},
        Case{R"({"channel":"candle","data":{"t":1,"T":2,"s":"BTC","i":"1m"}})", "candle", "BTC"},
        Case{R"({"channel":"allMids","data":{}})", "unknown", ""}, Case{"{", "unknown", ""}, Case{"", "control", ""}}) {
    CAPTURE(bytes);
    auto const reaction = hyperliquid().react(bytes);
    CHECK(reaction.channel == channel);
    CHECK(reaction.symbol == symbol);
    CHECK(reaction.action == action);
    CHECK(reaction.answer.empty() == (action != refused));
  }
}

TEST_CASE("hyperliquid: a refused subscription is quoted whole") {
  auto const said = hyperliquid().react(R"({"channel":"error","data":"Invalid subscription {\"type\":\"tardes\"}"})").answer;
  CHECK(said.contains(R"(Invalid subscription {"type":"tardes"};)"));
}

TEST_CASE("hyperliquid: each documented error has its answer") {
  struct Case {
    int status;
    char const *body, *kind;
  };
  for (auto const& [status, body, kind] :
       {Case{200, R"({"universe":[]})", "ok"}, Case{200, R"([{"coin":"BTC"}])", "ok"}, Case{200, "[]", "empty"},
        Case{200, "null", "refused"}, Case{200, "upstream says no", "broken"}, Case{429, "", "throttled"},
        Case{429, R"({"code":429,"msg":"rate limited"})", "throttled"},
        Case{422, "Failed to deserialize the JSON body into the target type", "refused"}, Case{400, "null", "refused"},
        Case{404, R"({"code":404,"msg":"not found"})", "refused"}, Case{500, "null", "broken"}, Case{502, "<html>", "broken"},
        Case{0, "timeout", "broken"}}) {
    CAPTURE(status);
    CAPTURE(body);
    Request request;
    request.symbol = "NOCOIN";
    auto const answer = hyperliquid().classify(request, {status, {}, body});
    CHECK(word(answer.kind) == kind);
    if (status == 200 && answer.kind == Answer::Kind::refused) CHECK(answer.detail.find("NOCOIN") != std::string::npos);
  }
}

TEST_CASE("hyperliquid: one connection subscribes step by step and keeps itself alive") {
  auto const streams = hyperliquid().streams(wanted({"BTC/USDC:USDC", "kPEPE/USDC:USDC"}, {"trades", "candle", "meta"}));
  REQUIRE(streams.size() == 1);
  CHECK(streams[0].url == "wss://api.hyperliquid.xyz/ws");
  CHECK(streams[0].subscribe ==
        std::vector<std::string>{R"({"method":"subscribe","subscription":{"type":"trades","coin":"BTC"}})",
                                 R"({"method":"subscribe","subscription":{"type":"candle","coin":"BTC","interval":"1m"}})",
                                 R"({"method":"subscribe","subscription":{"type":"candle","coin":"BTC","interval":"1M"}})",
                                 R"({"method":"subscribe","subscription":{"type":"trades","coin":"kPEPE"}})",
                                 R"({"method":"subscribe","subscription":{"type":"candle","coin":"kPEPE","interval":"1m"}})",
                                 R"({"method":"subscribe","subscription":{"type":"candle","coin":"kPEPE","interval":"1M"}})"});
  CHECK(streams[0].keep_alive == R"({"method":"ping"})");
  CHECK(streams[0].keep_alive_every == 30s);
  CHECK(streams[0].silence_max > 30s);
  CHECK(std::chrono::minutes{1} / streams[0].subscribe_pause < 2000);
  CHECK(hyperliquid().streams(wanted({"BTC/USDC:USDC"}, {"meta"})).empty());
}

TEST_CASE("hyperliquid: what is polled") {
  auto const polls = hyperliquid().polls(wanted({"BTC/USDC:USDC"}, {"trades"}));
  REQUIRE(polls.size() == 1);
  CHECK(polls[0].request.text() == R"(https://api.hyperliquid.xyz/info {"type":"meta"})");
  CHECK(polls[0].request.method == Request::Method::post);
  CHECK(polls[0].before_stream);
  auto const all = hyperliquid().polls(wanted({"BTC/USDC:USDC"}, {"l2BookSnapshot", "candleSnapshot"}));
  REQUIRE(all.size() == 4);
  CHECK(all[1].request.body == R"({"type":"l2Book","coin":"BTC"})");
  CHECK(all[1].request.weight == 2);
  CHECK(all[3].request.body ==
        R"({"type":"candleSnapshot","req":{"coin":"BTC","interval":"1M","startTime":0,"endTime":9999999999999}})");
}

TEST_CASE("hyperliquid: a gap in the trades is answered with the recent ones") {
  Gap gap;
  gap.symbol = "BTC/USDC:USDC";
  gap.channel = "trades";
  gap.from_time = at("2024-08-08T23:00:00Z");
  gap.to_time = at("2024-08-08T23:30:00Z");
  auto const subscription = wanted({"BTC/USDC:USDC"}, {"trades"});
  auto const trades = hyperliquid().backfill(gap, subscription);
  REQUIRE(trades.size() == 1);
  CHECK(trades[0].body == R"({"type":"recentTrades","coin":"BTC"})");
  CHECK(trades[0].channel == "trades");
  CHECK(trades[0].symbol == "BTC");
  CHECK(trades[0].origin == Origin::backfill);
  gap.channel = "l2Book";
  CHECK(hyperliquid().backfill(gap, subscription).at(0).origin == Origin::snapshot);
  gap.channel = "candle";
  CHECK(hyperliquid().backfill(gap, subscription).at(0).body ==
        R"({"type":"candleSnapshot","req":{"coin":"BTC","interval":"1m","startTime":1723158000000,"endTime":1723159800000}})");
  gap.channel = "bbo";
  CHECK(hyperliquid().backfill(gap, subscription).empty());
  CHECK(hyperliquid().continuity("trades").kind == Continuity::Kind::reconnect);
  CHECK(hyperliquid().continuity("l2Book").kind == Continuity::Kind::none);
}

TEST_CASE("hyperliquid: symbols that are no perpetuals are refused with the form they should have") {
  for (auto const* symbol : {"@107", "PURR/USDC", "BTC", "BTC/USDT:USDT", "/USDC:USDC", "a\"b/USDC:USDC", "BTC/USDC"}) {
    CAPTURE(symbol);
    CHECK(hyperliquid().native_symbol(symbol) == "");
    try {
      hyperliquid().check(wanted({symbol}, {"trades"}));
      FAIL_CHECK("not refused");
    } catch (UsageError const& error) {
      std::string const said = error.what();
      CHECK(said.find("COIN/USDC:USDC") != said.npos);
      if (std::string_view{symbol} == "@107" || std::string_view{symbol} == "PURR/USDC")
        CHECK(said.find("not in the catalogue of perpetuals") != said.npos);
    }
  }
  CHECK(hyperliquid().native_symbol("kPEPE/USDC:USDC") == "kPEPE");
}
