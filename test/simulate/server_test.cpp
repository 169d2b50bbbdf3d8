#include "support.hpp"

#include "streaming/fault.hpp"

#include <atomic>

using namespace penstock;
using namespace penstock::simulate;
using namespace penstock::simulate::test;

namespace {

constexpr auto quiet = 700ms;  // Longer than what the server waits before it sends.

std::string const streams =
    "btcusdt@trade/ethusdt@trade/btcusdt@bookTicker/btcusdt@depth@100ms/ethusdt@depth@100ms/btcusdt@kline_1m/ethusdt@kline_5m/"
    "btcusdt@aggTrade/btcusdt@depth10";

/// One made-up Binance with its truth.
struct Binance {
  explicit Binance(std::int64_t length, ServerOptions const& options = {}, SourceOptions other = {})
      : truth_path{"truth.jsonl"},
        truth{std::make_unique<Truth>(truth_path.text())},
        source{[&] {
          auto made = market_of(symbols(binance_symbol, {"BTC", "ETH"}), length);
          made.from_start = other.from_start;
          return made;
        }()},
        venue{make_binance(source, {.name = "binance", .truth = truth.get()})},
        running{options, {venue.get()}, truth.get()} {}

  std::string http() const { return running.address("http") + "/binance"; }
  std::string websocket() const { return running.address("ws") + "/binance"; }

  TemporaryPath truth_path;
  std::unique_ptr<Truth> truth;
  Source source;
  std::unique_ptr<simulate::Venue> venue;
  Running running;
  TestClient client;
};

/// Everything of a stream until it is quiet.
std::vector<std::string> all_frames(TestClient& client, std::string const& url) {
  std::vector<std::string> frames;
  auto socket = client.open(url);
  REQUIRE(socket->state() == http::Websocket::State::open);
  client.receive(*socket, quiet, [&](std::string_view frame) {
    frames.emplace_back(frame);
    return true;
  });
  return frames;
}

std::size_t count(std::vector<std::string> const& frames, std::string_view part) {
  return static_cast<std::size_t>(std::ranges::count_if(frames, [&](std::string const& frame) { return frame.contains(part); }));
}

}  // namespace

TEST_CASE("binance: what a client received and decoded is the truth, record by record") {
  Binance binance{30'000};
  Decoder decoder{*find_provider("binance")};
  auto const info = binance.client.fetch(binance.http() + "/api/v3/exchangeInfo");
  REQUIRE(info.status == 200);
  decoder.answer(info.body, "exchangeInfo", "", "exchangeInfo");
  auto const frames = all_frames(binance.client, binance.websocket() + "/stream?streams=" + streams);
  for (auto const& frame : frames) decoder.frame(frame);
  for (auto const* question :
       {"depth?symbol=BTCUSDT&limit=5000", "klines?symbol=ETHUSDT&interval=1m", "historicalTrades?symbol=BTCUSDT&limit=1000",
        "trades?symbol=ETHUSDT", "aggTrades?symbol=BTCUSDT&limit=1000"}) {
    CAPTURE(question);
    auto const url = binance.http() + "/api/v3/" + question;
    auto const reply = binance.client.fetch(url);
    REQUIRE(reply.status == 200);
    auto const path = std::string_view{question}.substr(0, std::string_view{question}.find('?'));
    auto const channel = path == "historicalTrades" ? "trade" : path == "aggTrades" ? "aggTrade" : path;
    decoder.answer(reply.body, channel, url.contains("BTCUSDT") ? "BTCUSDT" : "ETHUSDT", url);
  }
  binance.running.stop();
  CHECK(decoder.rejected() == 0);
  auto const truth = read_truth(binance.truth_path.text());
  CHECK(truth.repeated == 0);
  CHECK(truth.records.size() > 10'000);
  check_equal(truth.records, decoder.records());
}

TEST_CASE("binance: lines of the truth are canonical records, spelled and ordered as append_json does") {
  Binance binance{3'000};
  binance.client.fetch(binance.http() + "/api/v3/exchangeInfo");
  all_frames(binance.client, binance.websocket() + "/stream?streams=" + streams);
  binance.running.stop();
  std::ifstream file{binance.truth_path.text()};
  std::set<std::string> kinds;
  for (std::string line; std::getline(file, line);) {
    auto const kind = line.substr(9, line.find('"', 9) - 9);
    kinds.insert(kind);
    auto record = line.substr(line.find(R"("record":)") + 9);
    record.pop_back();
    // What every record has and a truth leaves out.
    auto const own = record.find("\",", record.find(R"("symbol":")") + 10) + 1;
    auto const timed = record.substr(own).starts_with(R"(,"time":)");
    auto const after = timed ? own + 37 : own;
    record.insert(after, (timed ? "" : R"(,"time":"2024-08-08T23:54:13.000000Z")") +
                             std::string{R"(,"received_at":"2024-08-08T23:54:13.000000Z")"});
    auto const parsed = parse_record(kind, record);
    REQUIRE_MESSAGE(parsed.has_value(), record);
    std::string again;
    append_json(again, *parsed);
    REQUIRE(again == record);
  }
  CHECK(kinds == std::set<std::string>{"books", "candles", "instruments", "tickers", "trades"});
}

TEST_CASE("binance: bookTicker is the book at that update id, and the book follows from snapshot and updates") {
  Binance binance{20'000, {}, {.from_start = true}};
  auto const snapshot = binance.client.fetch(binance.http() + "/api/v3/depth?symbol=BTCUSDT&limit=5000");
  auto const frames = all_frames(binance.client, binance.websocket() + "/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker");
  simdjson::dom::parser parser;
  std::map<double, std::string, std::greater<>> bids;
  std::map<double, std::string> asks;
  auto const apply = [](auto& side, simdjson::dom::array levels) {
    for (simdjson::dom::array const level : levels) {
      std::string const price{std::string_view{level.at(0)}}, amount{std::string_view{level.at(1)}};
      if (std::stod(amount) == 0)
        side.erase(std::stod(price));
      else
        side[std::stod(price)] = amount + " at " + price;
    }
  };
  simdjson::dom::element whole = parser.parse(snapshot.body);
  std::int64_t last = whole["lastUpdateId"].get_int64();
  apply(bids, whole["bids"].get_array());
  apply(asks, whole["asks"].get_array());
  std::map<std::int64_t, std::pair<std::string, std::string>> tickers;
  std::size_t compared = 0, chained = 0;
  for (auto const& frame : frames) {
    whole = parser.parse(frame)["data"];
    if (std::int64_t from = 0; whole["U"].get(from) == simdjson::SUCCESS) {
      std::int64_t const to = whole["u"].get_int64();
      if (to <= last) continue;
      if (++chained > 1) REQUIRE(from == last + 1);
      REQUIRE(from <= last + 1);
      last = to;
      apply(bids, whole["b"].get_array());
      apply(asks, whole["a"].get_array());
      REQUIRE(bids.begin()->first < asks.begin()->first);
      if (auto const at = tickers.find(to); at != tickers.end()) {
        ++compared;
        CHECK(at->second.first == bids.begin()->second);
        CHECK(at->second.second == asks.begin()->second);
      }
      tickers.clear();
    } else {
      auto const text = [&](char const* amount, char const* price) {
        return std::string{std::string_view{whole[amount]}} + " at " + std::string{std::string_view{whole[price]}};
      };
      tickers[whole["u"].get_int64()] = {text("B", "b"), text("A", "a")};
    }
  }
  CHECK(chained > 100);
  CHECK(compared > 20);
}

TEST_CASE("binance: the same seed and start give the same bytes, on any connection from the start") {
  Binance binance{5'000, {}, {.from_start = true}};
  auto const url = binance.websocket() + "/stream?streams=" + streams;
  auto const first = all_frames(binance.client, url), second = all_frames(binance.client, url);
  Binance other{5'000};
  auto const third = all_frames(other.client, other.websocket() + "/stream?streams=" + streams);
  CHECK(first.size() > 4'000);
  CHECK(first == second);
  CHECK(first == third);
  binance.running.stop();
  CHECK(read_truth(binance.truth_path.text()).repeated == 0);
}

TEST_CASE("binance: who comes late has missed it, and can fetch the trades") {
  Binance binance{5'000};
  auto const url = binance.websocket() + "/ws/btcusdt@trade";
  auto const first = all_frames(binance.client, url);
  CHECK(first.size() > 500);
  CHECK(first[0].starts_with(R"({"e":"trade")"));  // Bare: no stream around it.
  CHECK(all_frames(binance.client, url).empty());
  simdjson::dom::parser parser;
  std::int64_t const id = parser.parse(first[10])["t"].get_int64();
  auto const reply =
      binance.client.fetch(binance.http() + "/api/v3/historicalTrades?symbol=BTCUSDT&limit=3&fromId=" + std::to_string(id));
  simdjson::dom::array const trades = parser.parse(reply.body).get_array();
  CHECK(trades.size() == 3);
  CHECK(trades.at(0)["id"].get_int64().value() == id);
  CHECK(trades.at(2)["id"].get_int64().value() == id + 2);
}

TEST_CASE("binance: subscriptions are acknowledged, listed, taken back; nonsense is refused by code") {
  Binance binance{2'000};
  auto socket = binance.client.open(binance.websocket() + "/stream");
  std::vector<std::string> answers;
  auto const ask = [&](std::string const& text) {
    std::string answer;
    socket->send(text);
    binance.client.receive(*socket, 5s, [&](std::string_view frame) {
      if (!frame.contains("\"stream\"")) answer = frame;
      return answer.empty();
    });
    return answer;
  };
  CHECK(ask(R"({"method":"SUBSCRIBE","params":["btcusdt@trade","ethusdt@depth@100ms"],"id":1})") == R"({"result":null,"id":1})");
  CHECK(ask(R"({"method":"LIST_SUBSCRIPTIONS","id":"two"})") ==
        R"({"result":["btcusdt@trade","ethusdt@depth@100ms"],"id":"two"})");
  CHECK(ask(R"({"method":"UNSUBSCRIBE","params":["btcusdt@trade"],"id":3})") == R"({"result":null,"id":3})");
  CHECK(ask(R"({"method":"SUBSCRIBE","params":["nix@trade"],"id":4})") ==
        R"({"code":2,"msg":"Invalid request: unknown stream nix@trade","id":4})");
  CHECK(ask("{bad").starts_with(R"({"code":3,)"));
  std::size_t trades = 0, updates = 0;
  binance.client.receive(*socket, quiet, [&](std::string_view frame) {
    trades += frame.contains("@trade") ? 1 : 0;
    updates += frame.contains("ethusdt@depth@100ms") ? 1 : 0;
    return true;
  });
  CHECK(trades == 0);
  CHECK(updates > 10);
}

TEST_CASE("binance: REST says its weight, refuses what is wrong, and throttles over the limit") {
  auto const source_options = market_of(symbols(binance_symbol, {"BTC"}), 1'000);
  Source source{source_options};
  auto const venue = make_binance(source, {.name = "binance", .weight_per_minute = 300});
  Running running{{}, {venue.get()}};
  TestClient client;
  auto const base = running.address("http") + "/binance/api/v3/";
  auto const header = [](http::Reply const& reply, std::string_view name) {
    auto const at = std::ranges::find(reply.headers, name, &Header::first);
    return at == reply.headers.end() ? "" : at->second;
  };
  auto const depth = client.fetch(base + "depth?symbol=BTCUSDT&limit=5000");
  CHECK(depth.status == 200);
  CHECK(header(depth, "x-mbx-used-weight-1m") == "250");
  auto const wrong = client.fetch(base + "klines?symbol=NIXUSDT&interval=1m");
  CHECK(wrong.status == 400);
  CHECK(wrong.body == R"({"code":-1121,"msg":"Invalid symbol."})");
  CHECK(client.fetch(base + "klines?symbol=BTCUSDT&interval=7m").body.starts_with(R"({"code":-1120)"));
  CHECK(client.fetch(base + "depth").body.starts_with(R"({"code":-1102)"));
  CHECK(client.fetch(base + "nix").status == 404);
  CHECK(client.fetch(running.address("http") + "/other").status == 404);
  auto throttled = client.fetch(base + "depth?symbol=BTCUSDT&limit=5000");
  if (throttled.status == 200)
    throttled = client.fetch(base + "depth?symbol=BTCUSDT&limit=5000");  // A new minute began in between.
  CHECK(throttled.status == 429);
  CHECK(!header(throttled, "retry-after").empty());
}

TEST_CASE("faults: dropped frames are not in the truth until they are fetched; the same seed drops the same") {
  ServerOptions options;
  options.faults.drop = 0.1;
  std::vector<std::string> frames[2];
  for (auto& into : frames) {
    Binance binance{5'000, options};
    into = all_frames(binance.client, binance.websocket() + "/stream?streams=btcusdt@trade");
    simdjson::dom::parser parser;
    std::int64_t const first = parser.parse(into.front())["data"]["t"].get_int64();
    std::int64_t const last = parser.parse(into.back())["data"]["t"].get_int64();
    auto const sent = static_cast<std::int64_t>(into.size());
    CHECK(sent < last - first + 1);
    CHECK(sent > (last - first + 1) * 8 / 10);
    for (auto from = first; from <= last; from += 1000)
      CHECK(binance.client
                .fetch(binance.http() + "/api/v3/historicalTrades?symbol=BTCUSDT&limit=1000&fromId=" + std::to_string(from))
                .status == 200);
    binance.running.stop();
    auto const truth = read_truth(binance.truth_path.text());
    CHECK(truth.repeated == 0);
    CHECK(static_cast<std::int64_t>(truth.records.size()) >= last - first + 1);
  }
  CHECK(frames[0] == frames[1]);
}

TEST_CASE("faults: frames that are cut short are counted in the truth, and what is left is no JSON") {
  ServerOptions options;
  options.faults.malformed = 0.05;
  Binance binance{5'000, options};
  auto const frames = all_frames(binance.client, binance.websocket() + "/stream?streams=" + streams);
  binance.running.stop();
  simdjson::dom::parser parser;
  auto const broken = static_cast<std::size_t>(
      std::ranges::count_if(frames, [&](std::string const& frame) { return parser.parse(frame).error() != simdjson::SUCCESS; }));
  auto const truth = read_truth(binance.truth_path.text());
  CHECK(broken > 50);
  CHECK(truth.malformed == broken);
  CHECK(truth.records.size() ==
        frames.size() - broken - (count(frames, "@kline") > 0 ? frames.size() - broken - truth.records.size() : 0));
}

TEST_CASE("faults: a frame that is served again is damaged again, in the same way") {
  ServerOptions options;
  options.faults.malformed = 0.05;
  options.faults.drop = 0.05;
  Binance binance{2'000, options, {.from_start = true}};
  auto const first = all_frames(binance.client, binance.websocket() + "/stream?streams=btcusdt@trade");
  auto const second = all_frames(binance.client, binance.websocket() + "/stream?streams=btcusdt@trade");
  CHECK(first.size() > 500);
  CHECK(first == second);
}

TEST_CASE("faults: repeated and overtaken frames are all there, and a stream keeps its order") {
  std::string const all = "/stream?streams=btcusdt@trade/btcusdt@bookTicker/ethusdt@trade";
  ServerOptions options;
  Binance whole{3'000, options};
  auto const wanted = all_frames(whole.client, whole.websocket() + all);
  options.faults.duplicate = 0.05;
  options.faults.reorder = 0.05;
  Binance binance{3'000, options};
  auto const frames = all_frames(binance.client, binance.websocket() + all);
  binance.running.stop();
  auto const of = [](std::vector<std::string> const& from, std::string_view stream) {
    std::vector<std::string> kept;
    for (auto const& frame : from)
      if (frame.contains(stream) && (kept.empty() || kept.back() != frame)) kept.push_back(frame);
    return kept;
  };
  CHECK(frames.size() > wanted.size() + 50);
  CHECK(of(frames, "") != of(wanted, ""));
  for (auto const* stream : {"btcusdt@trade", "btcusdt@bookTicker", "ethusdt@trade"}) {
    CAPTURE(stream);
    CHECK(of(frames, stream) == of(wanted, stream));
  }
  CHECK(read_truth(binance.truth_path.text()).records.size() >= wanted.size());
}

TEST_CASE("faults: each n-th request is throttled or fails, the others do not") {
  ServerOptions options;
  options.faults.throttle = 3;
  options.faults.error = 4;
  Binance binance{100, options};
  std::vector<int> statuses;
  for (int request = 0; request < 8; ++request) statuses.push_back(binance.client.fetch(binance.http() + "/api/v3/ping").status);
  CHECK(statuses == std::vector<int>{200, 200, 429, 500, 200, 429, 200, 500});
}

TEST_CASE("faults: a cut connection delivers what was sent before, without a good-bye; a closed one says it") {
  for (bool const polite : {false, true}) {
    CAPTURE(polite);
    ServerOptions options;
    (polite ? options.faults.close : options.faults.disconnect) = 600ms;
    Binance binance{1'000'000'000, options};
    auto socket = binance.client.open(binance.websocket() + "/stream?streams=btcusdt@trade");
    std::size_t frames = 0;
    binance.client.receive(*socket, 10s, [&](std::string_view) {
      ++frames;
      return true;
    });
    CHECK(socket->state() == http::Websocket::State::closed);
    binance.running.stop();
    CHECK(frames > 0);
    auto const truth = read_truth(binance.truth_path.text());
    CHECK(truth.records.size() == frames);
  }
}

TEST_CASE("faults: a shutdown is announced before it happens") {
  ServerOptions options;
  options.faults.shutdown = 300ms;
  Binance binance{1'000, options};
  auto const frames = all_frames(binance.client, binance.websocket() + "/stream?streams=btcusdt@trade");
  CHECK(count(frames, R"({"stream":"!serverShutdown","data":{"e":"serverShutdown","E":)") == 1);
}

TEST_CASE("server: a client that does not read costs no memory and does not hold up the others") {
  Binance binance{1'000'000'000};
  auto idle = binance.client.open(binance.websocket() + "/stream?streams=btcusdt@trade/btcusdt@bookTicker");
  std::size_t frames = 0;
  TestClient other;
  auto busy = other.open(binance.websocket() + "/stream?streams=btcusdt@trade/btcusdt@bookTicker");
  other.receive(*busy, 10s, [&](std::string_view) { return ++frames < 200'000; });
  CHECK(frames == 200'000);
}

TEST_CASE("server: a port in use is one clear line") {
  Source source{market_of(symbols(binance_symbol, {"BTC"}), 10)};
  auto const venue = make_binance(source, {.name = "binance"});
  Server const first{{}, {venue.get()}, nullptr};
  CHECK_THROWS_WITH_AS((Server{{.port = first.port()}, {venue.get()}, nullptr}), doctest::Contains("name another --port"), Fault);
}

TEST_CASE("server: it stops at once, with clients connected and streams running") {
  Binance binance{1'000'000'000};
  auto socket = binance.client.open(binance.websocket() + "/stream?streams=btcusdt@trade");
  std::size_t frames = 0;
  binance.client.receive(*socket, 10s, [&](std::string_view) { return ++frames < 1000; });
  auto const began = std::chrono::steady_clock::now();
  binance.running.stop();
  CHECK(std::chrono::steady_clock::now() - began < 2s);
}

TEST_CASE("server: asked to, it ends when every client has had everything, and says good-bye") {
  Source source{market_of(symbols(binance_symbol, {"BTC"}), 2'000)};
  auto const venue = make_binance(source, {.name = "binance"});
  Server server{{.exit_after_end = true}, {venue.get()}, nullptr};
  std::atomic<bool> ended = false;
  std::jthread const thread{[&](std::stop_token const& stop) {
    server.run(stop);
    ended = !stop.stop_requested();
    ended.notify_all();
  }};
  TestClient client;
  auto socket = client.open("ws://127.0.0.1:" + std::to_string(server.port()) + "/binance/ws/btcusdt@trade");
  std::size_t frames = 0;
  client.receive(*socket, 10s, [&](std::string_view) { return ++frames > 0; });
  CHECK(frames > 500);
  CHECK(socket->state() == http::Websocket::State::closed);
  ended.wait(false);
  CHECK(ended);
}

TEST_CASE("truth: an older file stays until the new one begins") {
  TemporaryPath const path{"old.jsonl"};
  std::ofstream{path.text()} << "old\n";
  Truth truth{path.text()};
  CHECK(std::filesystem::file_size(path.text()) == 4);
  truth.clear();
  truth.line("trades") += "{}";
  truth.end();
  truth.flush();
  std::ifstream file{path.text()};
  CHECK(std::string{std::istreambuf_iterator<char>{file}, {}} == "{\"kind\":\"trades\",\"record\":{}}\n");
}

TEST_CASE("hyperliquid: what a client received and decoded is the truth, record by record") {
  TemporaryPath const path{"truth.jsonl"};
  auto truth = std::make_unique<Truth>(path.text());
  Source source{market_of(symbols(hyperliquid_symbol, {"BTC", "SOL"}), 40'000)};
  auto const venue = make_hyperliquid(source, {.name = "hyperliquid", .truth = truth.get()});
  Running running{{}, {venue.get()}, truth.get()};
  TestClient client;
  Decoder decoder{*find_provider("hyperliquid")};
  auto const info = running.address("http") + "/hyperliquid/info";
  auto const meta = client.fetch(info, R"({"type":"meta"})");
  decoder.answer(meta.body, "meta", "", info + R"( {"type":"meta"})");
  auto socket = client.open(running.address("ws") + "/hyperliquid/ws");
  for (auto const* coin : {"BTC", "SOL"}) {
    for (auto const* type : {"trades", "l2Book", "bbo"})
      socket->send(R"({"method":"subscribe","subscription":{"type":")" + std::string{type} + R"(","coin":")" + coin + "\"}}");
    socket->send(R"({"method":"subscribe","subscription":{"type":"candle","coin":")" + std::string{coin} +
                 R"(","interval":"1m"}})");
  }
  std::vector<std::string> frames;
  client.receive(*socket, quiet, [&](std::string_view frame) {
    frames.emplace_back(frame);
    decoder.frame(frame);
    return true;
  });
  for (auto const& [body, channel] :
       {std::pair{R"({"type":"recentTrades","coin":"BTC"})", "trades"},
        {R"({"type":"l2Book","coin":"SOL"})", "l2Book"},
        {R"({"type":"candleSnapshot","req":{"coin":"BTC","interval":"1m","startTime":0}})", "candleSnapshot"}}) {
    auto const reply = client.fetch(info, body);
    CHECK(reply.status == 200);
    decoder.answer(reply.body, channel, "BTC", info + ' ' + body);
  }
  running.stop();
  CHECK(frames[0] == "Websocket connection established.");
  CHECK(frames[1] ==
        R"({"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{"type":"trades","coin":"BTC"}}})");
  auto const backfill =
      std::ranges::find_if(frames, [](std::string const& frame) { return frame.starts_with(R"({"channel":"trades")"); });
  simdjson::dom::parser parser;
  simdjson::dom::array const first_trades = parser.parse(*backfill)["data"].get_array();
  CHECK(first_trades.size() == 30);
  CHECK(decoder.rejected() == 0);
  auto const written = read_truth(path.text());
  CHECK(written.repeated == 0);
  CHECK(written.records.size() > 5'000);
  check_equal(written.records, decoder.records());
}

TEST_CASE("hyperliquid: wrong questions get its own errors") {
  Source source{market_of(symbols(hyperliquid_symbol, {"BTC"}), 1'000)};
  auto const venue = make_hyperliquid(source, {.name = "hyperliquid", .weight_per_minute = 1'000'000});
  Running running{{}, {venue.get()}};
  TestClient client;
  auto const info = running.address("http") + "/hyperliquid/info";
  CHECK(client.fetch(info, "nix").status == 422);
  CHECK(client.fetch(info, "nix").body.starts_with("Failed to deserialize the JSON body"));
  CHECK(client.fetch(info, R"({"type":"nix"})").status == 422);
  CHECK(client.fetch(info, R"({"type":"l2Book","coin":"NIX"})").body == "null");
  auto socket = client.open(running.address("ws") + "/hyperliquid/ws");
  socket->send(R"({"method":"ping"})");
  socket->send("nix");
  socket->send(R"({"method":"subscribe","subscription":{"type":"trades","coin":"NIX"}})");
  socket->send(R"({"method":"subscribe","subscription":{"type":"bbo","coin":"BTC"}})");
  socket->send(R"({"method":"subscribe","subscription":{"type":"bbo","coin":"BTC"}})");
  std::vector<std::string> frames;
  client.receive(*socket, 5s, [&](std::string_view frame) {
    frames.emplace_back(frame);
    return frames.size() < 6;
  });
  REQUIRE(frames.size() == 6);
  CHECK(frames[1] == R"({"channel":"pong"})");
  CHECK(frames[2] == R"({"channel":"error","data":"Error parsing JSON into valid websocket request: nix"})");
  CHECK(frames[3] == R"({"channel":"error","data":"Invalid subscription {\"type\":\"trades\",\"coin\":\"NIX\"}"})");
  CHECK(frames[4].starts_with(R"({"channel":"subscriptionResponse")"));
  CHECK(frames[5].starts_with(R"({"channel":"error","data":"Already subscribed)"));
}

TEST_CASE("coingecko: what a client received and decoded is the truth, record by record") {
  TemporaryPath const path{"truth.jsonl"};
  auto truth = std::make_unique<Truth>(path.text());
  auto options = market_of(symbols(coingecko_symbol, {"BTC", "ethereum/USD", "pepe", "bitcoin/EUR"}), 1'000'000);
  options.history = 20'000;
  Source source{options};
  auto const venue = make_coingecko(source, {.name = "coingecko", .truth = truth.get()});
  Running running{{}, {venue.get()}, truth.get()};
  TestClient client;
  Decoder decoder{*find_provider("coingecko")};
  auto const base = running.address("http") + "/coingecko/api/v3/";
  for (int round = 0; round < 5; ++round)
    for (auto const& [question, channel] :
         {std::pair{"simple/"
                    "price?ids=bitcoin,pepe,nix&vs_currencies=usd,eur&include_market_cap=true&include_24hr_vol=true&include_last_"
                    "updated_at=true",
                    "simple/price"},
          {"coins/markets?vs_currency=usd&ids=bitcoin,ethereum,pepe&per_page=250&page=1", "coins/markets"},
          {"coins/bitcoin/ohlc?vs_currency=usd&days=1", "ohlc"},
          {"coins/pepe/ohlc?vs_currency=usd&days=30", "ohlc"},
          {"global", "global"}}) {
      CAPTURE(question);
      auto const reply = client.fetch(base + question);
      REQUIRE(reply.status == 200);
      decoder.answer(reply.body, channel, "", base + question);
    }
  CHECK(client.fetch(base + "simple/price?ids=pepe&vs_currencies=usd").body.contains("e-06"));
  CHECK(client.fetch(base + "coins/nix/ohlc?vs_currency=usd&days=1").status == 404);
  CHECK(client.fetch(base + "coins/bitcoin/ohlc?vs_currency=usd&days=3").status == 400);
  CHECK(client.fetch(base + "coins/markets").status == 400);
  CHECK(client.fetch(base + "simple/price?ids=nix&vs_currencies=usd").body == "{}");
  running.stop();
  CHECK(decoder.rejected() == 0);
  auto const written = read_truth(path.text());
  CHECK(written.repeated == 0);
  // The question without last_updated_at above was not decoded.
  Records compared = written.records;
  std::erase_if(compared, [](auto const& entry) { return entry.first.starts_with("tickers") && !entry.second.contains("time"); });
  check_equal(compared, decoder.records());
}

TEST_CASE("truth: numbers are new once, in any order, and far behind they are old") {
  Seen seen;
  CHECK(seen.add(10));
  CHECK(!seen.add(10));
  CHECK(seen.add(12));
  CHECK(seen.ranges() == 2);
  CHECK(seen.add(11));
  CHECK(seen.ranges() == 1);
  CHECK(seen.add(9));
  CHECK(!seen.add(9));
  CHECK(seen.ranges() == 1);
  for (std::int64_t number = 20; number < 10 * Seen::reach; number += Seen::reach / 4) CHECK(seen.add(number));
  CHECK(seen.ranges() < 12);
  CHECK(!seen.add(15));
}

TEST_CASE("truth: a file that cannot be written says so") {
  CHECK_THROWS_WITH_AS(Truth{"/nonexistent/truth.jsonl"}, doctest::Contains("/nonexistent/truth.jsonl"), UsageError);
}
