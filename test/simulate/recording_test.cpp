#include "support.hpp"

#include "streaming/fault.hpp"

#include <cstdlib>

using namespace penstock;
using namespace penstock::simulate;
using namespace penstock::simulate::test;

namespace {

void write(std::string const& path, std::string_view text) { std::ofstream{path} << text; }

std::string samples() {
  auto const* const folder = std::getenv("PENSTOCK_TEST_RECORDINGS");
  return folder == nullptr ? "" : folder;
}

constexpr std::string_view lines =
    R"({"dir":"config","raw":{"x":[1]}}
{"dir":"recv","ts":100.5,"raw":{"result":null,"id":1}}
{"dir":"recv","ts":100.5,"raw":{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate", "U":1}}}
{"dir":"http","ts":100.6,"url":"https://x/api/v3/depth?symbol=BTCUSDT&limit=1000","raw":{"lastUpdateId":7,"bids":[],"asks":[]}}
{"dir":"recv","ts":100.7,"raw":{"stream":"btcusdt@trade","data":{"e":"trade","p":"1.10"}}}
{"dir":"recv","ts":100.75,"raw":{"lastUpdateId":9,"bids":[],"asks":[]}}
{"dir":"recv","ts":100.8,"raw":{"stream":"ethusdt@trade","data":{"e":"trade","p":"2.20"}}}
)";

struct Replay {
  Replay(Recording::Dialect const& dialect, std::vector<std::string> const& words, double speed, bool loop = false)
      : recording{dialect, words} {
    recording.speed = speed;
    recording.loop = loop;
    auto const make =
        dialect.provider == "binance"
            ? static_cast<std::unique_ptr<simulate::Venue> (*)(Recording const&, VenueOptions const&)>(make_binance)
        : dialect.provider == "hyperliquid"
            ? static_cast<std::unique_ptr<simulate::Venue> (*)(Recording const&, VenueOptions const&)>(make_hyperliquid)
            : static_cast<std::unique_ptr<simulate::Venue> (*)(Recording const&, VenueOptions const&)>(make_coingecko);
    venue = make(recording, {.name = std::string{dialect.provider}});
    running.emplace(ServerOptions{}, std::vector<simulate::Venue*>{venue.get()});
  }
  std::string http() const { return running->address("http") + '/' + std::string{venue->name()}; }
  std::string websocket() const { return running->address("ws") + '/' + std::string{venue->name()}; }

  Recording recording;
  std::unique_ptr<simulate::Venue> venue;
  std::optional<Running> running;
  TestClient client;
};

std::vector<std::string> frames_of(TestClient& client, http::Websocket& socket, std::size_t most = 1'000'000'000) {
  std::vector<std::string> frames;
  client.receive(socket, 1500ms, [&](std::string_view frame) {
    frames.emplace_back(frame);
    return frames.size() < most;
  });
  return frames;
}

}  // namespace

TEST_CASE("recording: frames go to who subscribed to their stream, byte for byte, again on each connection") {
  TemporaryPath const path{"lines.jsonl"};
  write(path.text(), lines);
  Replay replay{binance_dialect(), {path.text()}, 0};
  for (int connection = 0; connection < 2; ++connection) {
    // Asked for as depth, recorded as depth@100ms: the same channel.
    auto socket = replay.client.open(replay.websocket() + "/stream?streams=btcusdt@depth/btcusdt@trade");
    CHECK(frames_of(replay.client, *socket) ==
          std::vector<std::string>{R"({"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate", "U":1}})",
                                   R"({"stream":"btcusdt@trade","data":{"e":"trade","p":"1.10"}})"});
  }
  auto bare = replay.client.open(replay.websocket() + "/ws/ethusdt@trade");
  CHECK(frames_of(replay.client, *bare) == std::vector<std::string>{R"({"e":"trade","p":"2.20"})"});
}

TEST_CASE("recording: a snapshot inside answers the depth question, the latest one that has come; the rest is refused") {
  TemporaryPath const path{"lines.jsonl"};
  write(path.text(), lines);
  Replay replay{binance_dialect(), {path.text()}, 0};
  auto const url = replay.http() + "/api/v3/depth?symbol=BTCUSDT&limit=5000";
  CHECK(replay.client.fetch(url).body == R"({"lastUpdateId":7,"bids":[],"asks":[]})");
  auto socket = replay.client.open(replay.websocket() + "/stream?streams=btcusdt@trade");
  frames_of(replay.client, *socket);
  CHECK(replay.client.fetch(url).body == R"({"lastUpdateId":9,"bids":[],"asks":[]})");
  auto const other = replay.client.fetch(replay.http() + "/api/v3/depth?symbol=ETHUSDT");
  CHECK(other.status == 400);
  CHECK(other.body.contains("-1121"));
}

TEST_CASE("recording: its own pace is kept, and a speed makes it faster; looped it begins again") {
  TemporaryPath const path{"lines.jsonl"};
  write(path.text(), lines);
  Replay slow{binance_dialect(), {path.text()}, 1};
  auto const began = std::chrono::steady_clock::now();
  auto socket = slow.client.open(slow.websocket() + "/stream?streams=ethusdt@trade");
  CHECK(frames_of(slow.client, *socket, 1).size() == 1);
  CHECK(std::chrono::steady_clock::now() - began >= 300ms);
  Replay looped{binance_dialect(), {path.text()}, 100, true};
  auto again = looped.client.open(looped.websocket() + "/stream?streams=ethusdt@trade");
  CHECK(frames_of(looped.client, *again, 5).size() == 5);
}

TEST_CASE("recording: a body answers an endpoint by its file's name or by word; a folder gives what the provider knows") {
  TemporaryPath const folder{"recordings"};
  std::filesystem::create_directory(folder.text());
  write(folder.text() + "/rest-exchangeInfo-2021.json", R"({"symbols" : []})");
  write(folder.text() + "/rest-depth-ltcbtc-2021-10.json", R"({"lastUpdateId":3})");
  write(folder.text() + "/other.json", "[]");
  write(folder.text() + "/notes.txt", "no");
  write(folder.text() + "/ws.jsonl", lines);
  write(folder.text() + "/ws-futures.jsonl",
        R"({"dir":"recv","ts":1,"raw":{"stream":"ltcbtc@depth","data":{"e":"depthUpdate","pu":4}}})");
  Replay replay{binance_dialect(), {folder.text(), "/api/v3/klines=" + folder.text() + "/other.json"}, 0};
  CHECK(replay.client.fetch(replay.http() + "/api/v3/exchangeInfo").body == R"({"symbols" : []})");
  CHECK(replay.client.fetch(replay.http() + "/api/v3/depth?symbol=LTCBTC&limit=100").body == R"({"lastUpdateId":3})");
  CHECK(replay.client.fetch(replay.http() + "/api/v3/klines?symbol=BTCUSDT").body == "[]");
  CHECK(replay.recording.frames().size() == 3);
}

TEST_CASE("recording: files that are missing, empty of this provider, or no recording say what to name") {
  TemporaryPath const path{"bad.jsonl"};
  CHECK_THROWS_WITH_AS((Recording{binance_dialect(), {"/nonexistent"}}), doctest::Contains("/nonexistent"), UsageError);
  write(path.text(), "not json\n");
  CHECK_THROWS_WITH_AS((Recording{binance_dialect(), {path.text()}}), doctest::Contains("line 1"), UsageError);
  write(path.text(), "");
  CHECK_THROWS_WITH_AS((Recording{binance_dialect(), {path.text()}}), doctest::Contains("holds nothing of binance"), UsageError);
}

TEST_CASE("recordings of Binance: all 27,229 messages arrive byte for byte, in order") {
  if (samples().empty()) {
    MESSAGE("skipped: PENSTOCK_TEST_RECORDINGS is not set");
    return;
  }
  auto const path = samples() + "/binance/ws-spot-btcusdt-depth100ms-bookTicker-trade-1.jsonl";
  std::vector<std::string> expected;
  std::string snapshot;
  std::ifstream file{path};
  for (std::string line; std::getline(file, line);) {
    // The file's lines are {"dir":…,"ts_ns":…,"raw":<message>}.
    auto message = line.substr(line.find(R"("raw":)") + 6);
    message.pop_back();
    (message.starts_with(R"({"lastUpdateId")") ? snapshot : expected.emplace_back()) = message;
  }
  CHECK(expected.size() == 27'228);
  Replay replay{binance_dialect(), {path}, 0};
  CHECK(replay.client.fetch(replay.http() + "/api/v3/depth?symbol=BTCUSDT&limit=5000").body == snapshot);
  auto socket = replay.client.open(replay.websocket() + "/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@trade");
  CHECK(frames_of(replay.client, *socket) == expected);
}

TEST_CASE("recordings: each provider's folder is read, and its answers are the files") {
  if (samples().empty()) {
    MESSAGE("skipped: PENSTOCK_TEST_RECORDINGS is not set");
    return;
  }
  auto const whole = [](std::string const& path) {
    std::ifstream file{path};
    return std::string{std::istreambuf_iterator<char>{file}, {}};
  };
  Replay hyperliquid{hyperliquid_dialect(), {samples()}, 0};
  CHECK(hyperliquid.client.fetch(hyperliquid.http() + "/info", R"({"type":"meta"})").body ==
        whole(samples() + "/hyperliquid/info-meta.json"));
  CHECK(hyperliquid.client.fetch(hyperliquid.http() + "/info", R"({"type":"l2Book","coin":"DYDX"})").body ==
        whole(samples() + "/hyperliquid/info-l2Book.json"));
  CHECK(hyperliquid.client.fetch(hyperliquid.http() + "/info", R"({"type":"l2Book","coin":"BTC"})").body == "null");
  auto socket = hyperliquid.client.open(hyperliquid.websocket() + "/ws");
  socket->send(R"({"method":"subscribe","subscription":{"type":"trades","coin":"BTC"}})");
  socket->send(R"({"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC"}})");
  auto const frames = frames_of(hyperliquid.client, *socket);
  CHECK(std::ranges::count_if(frames, [](std::string const& frame) { return frame.starts_with(R"({"channel":"trades")"); }) == 9);
  CHECK(std::ranges::count_if(frames, [](std::string const& frame) { return frame.starts_with(R"({"channel":"l2Book")"); }) ==
        46);

  Replay coingecko{coingecko_dialect(), {samples()}, 0};
  auto const ask = [&](std::string const& path) { return coingecko.client.fetch(coingecko.http() + "/api/v3/" + path).body; };
  CHECK(ask("coins/markets?vs_currency=usd") == whole(samples() + "/coingecko/rest-GetMarkets.json"));
  CHECK(ask("simple/price?ids=ethereum&vs_currencies=usd") == whole(samples() + "/coingecko/rest-GetPrices.json"));
  CHECK(ask("coins/bitcoin/ohlc?vs_currency=usd&days=1") == whole(samples() + "/coingecko/rest-GetOhlc.json"));
  CHECK(ask("global") == whole(samples() + "/coingecko/rest-GetGlobalData.json"));

  Recording const binance{binance_dialect(), {samples()}};
  MESSAGE("binance: " << binance.summary());
  CHECK(binance.frames().size() == 27'228 + 11'357 + 265);
  CHECK(binance.answer("api/v3/depth NKNUSDT", 0).has_value());
  CHECK(binance.answer("api/v3/depth ZILUSDT", 0).has_value());
  CHECK(binance.answer("api/v3/exchangeInfo", 0).has_value());
}
