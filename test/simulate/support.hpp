/// For the tests of the simulator: a server with one venue on a thread of its own, a real client, truth files as data.
#pragma once

#include "agents/provider.hpp"
#include "agents/simulate/binance.hpp"
#include "agents/simulate/coingecko.hpp"
#include "agents/simulate/hyperliquid.hpp"
#include "agents/simulate/server.hpp"
#include "streaming/http/client.hpp"

#include <doctest/doctest.h>
#include <simdjson.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <thread>

namespace penstock::simulate::test {

using namespace std::chrono_literals;

inline std::vector<MarketSymbol> symbols(std::optional<MarketSymbol> (*make)(std::string_view),
                                         std::vector<std::string> const& words) {
  std::vector<MarketSymbol> all;
  for (auto const& word : words) all.push_back(make(word).value());
  return all;
}

inline SourceOptions market_of(std::vector<MarketSymbol> symbols, std::int64_t length, std::uint64_t seed = 7) {
  return {.seed = seed,
          .symbols = std::move(symbols),
          .start = parse_time("2024-08-08T23:54:13Z"),
          .step_ns = 2'000'000,
          .as_fast_as_read = true,
          .length = length,
          .history = 500};
}

/// A file name that is gone with the test.
class TemporaryPath {
 public:
  explicit TemporaryPath(std::string const& name) {
    static int number = 0;
    auto const file = "penstock-" + std::to_string(::getpid()) + '-' + std::to_string(++number) + '-' + name;
    path_ = (std::filesystem::temp_directory_path() / file).string();
  }
  ~TemporaryPath() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string const& text() const { return path_; }

 private:
  std::string path_;
};

/// Serves until it dies.
class Running {
 public:
  Running(ServerOptions const& options, std::vector<Venue*> const& venues, Truth* truth = nullptr)
      : server_{options, venues, truth}, thread_{[this](std::stop_token const& stop) { server_.run(stop); }} {}
  void stop() {
    thread_.request_stop();
    thread_.join();
  }
  std::string address(std::string const& scheme) const { return scheme + "://127.0.0.1:" + std::to_string(server_.port()); }

 private:
  Server server_;
  std::jthread thread_;
};

struct Received {
  std::string request;
  http::Reply reply;
};

/// One thread's client.
class TestClient {
 public:
  http::Reply fetch(std::string const& url, std::string const& body = {}) {
    std::optional<http::Reply> reply;
    client_->request({.post = !body.empty(), .url = url, .body = body}, [&](http::Reply got) { reply = std::move(got); });
    while (!reply) client_->run(100ms);
    return *reply;
  }
  std::unique_ptr<http::Websocket> open(std::string const& url) {
    auto socket = client_->connect(url, {});
    while (socket->state() == http::Websocket::State::connecting) client_->run(100ms);
    return socket;
  }
  /// Hands frames to `each` until it says false, the socket is closed, or nothing came for `silence`.
  void receive(http::Websocket& socket, std::chrono::milliseconds silence, std::function<bool(std::string_view)> const& each) {
    auto heard = std::chrono::steady_clock::now();
    while (true) {
      while (auto const frame = socket.receive()) {
        heard = std::chrono::steady_clock::now();
        if (!each(*frame)) return;
      }
      if (socket.state() == http::Websocket::State::closed || std::chrono::steady_clock::now() - heard > silence) return;
      client_->run(20ms);
    }
  }

 private:
  std::unique_ptr<http::Client> client_ = http::make_client();
};

/// A record as its fields: name -> JSON text.
using Fields = std::map<std::string, std::string, std::less<>>;

inline Fields fields_of(simdjson::dom::object record) {
  Fields fields;
  for (auto const [name, value] : record) fields.emplace(name, simdjson::minify(value));
  return fields;
}

inline Fields fields_of(MarketRecord const& record) {
  std::string json;
  append_json(json, record);
  simdjson::dom::parser parser;
  return fields_of(parser.parse(json).get_object());
}

/// What makes two records the same one (design, table of kinds).
inline std::string identity(std::string_view kind, Fields const& fields) {
  std::string key{kind};
  auto const add = [&](std::string_view name) {
    auto const at = fields.find(name);
    key += ' ' + (at == fields.end() ? "" : at->second);
  };
  add("symbol");
  if (kind == "trades") add("id");
  if (kind == "candles") add("interval"), add("time");
  if (kind == "books") add("type");
  if (kind == "tickers" || kind == "books") {
    add("sequence");
    if (!fields.contains("sequence"))
      for (auto const& [name, value] : fields)
        if (name != "received_at" && name != "closed") key += ' ' + value;
  }
  if (kind == "stats") add("name"), add("time");
  return key;
}

using Records = std::map<std::string, Fields>;

struct TruthFile {
  Records records;  ///< by identity; of later_wins the last
  std::size_t lines = 0;
  std::size_t malformed = 0;
  std::size_t repeated = 0;  ///< lines of an append kind whose identity was there
};

inline TruthFile read_truth(std::string const& path) {
  TruthFile truth;
  std::ifstream file{path};
  simdjson::dom::parser parser;
  for (std::string line; std::getline(file, line);) {
    ++truth.lines;
    simdjson::dom::element const whole = parser.parse(line);
    std::string_view kind;
    if (whole["kind"].get(kind) != simdjson::SUCCESS) {
      CHECK(whole["malformed"]["source"].error() == simdjson::SUCCESS);
      ++truth.malformed;
      continue;
    }
    auto fields = fields_of(whole["record"].get_object());
    auto const key = identity(kind, fields);
    if (truth.records.contains(key) && conflict_of(kind) == Conflict::append) ++truth.repeated;
    truth.records[key] = std::move(fields);
  }
  return truth;
}

/// What a publisher and a decoder make of what a client received.
class Decoder {
 public:
  explicit Decoder(Provider const& provider) : provider_{provider} {}

  void frame(std::string_view bytes) {
    auto const reaction = provider_.react(bytes);
    add(bytes, reaction.channel, reaction.symbol, "");
  }
  void answer(std::string_view body, std::string_view channel, std::string_view symbol, std::string_view request) {
    add(body, channel, symbol, request);
  }
  Records const& records() const { return records_; }
  std::size_t rejected() const { return rejected_; }

 private:
  void add(std::string_view bytes, std::string_view channel, std::string_view symbol, std::string_view request) {
    // Symbols of a provider with a catalogue come out native: the test's own catalogue is made of the instruments.
    provider_.decode({.value = bytes, .channel = channel, .symbol = symbol, .request = request, .received_at = received_at},
                     decoded_);
    rejected_ += decoded_.rejected.size() + (decoded_.frame ? 1 : 0);
    for (auto& item : decoded_.items) {
      if (auto const* instrument = std::get_if<Instrument>(&item.record))
        unified_[instrument->native_symbol] = instrument->symbol;
      else if (provider_.symbols_from_catalogue())
        common_of(item.record).symbol = unified_.at(common_of(item.record).symbol);
      auto fields = fields_of(item.record);
      if (common_of(item.record).time == received_at) fields.erase("time");
      auto& kept = records_[identity(kind_of(item.record), fields)];
      if (kept.empty() || conflict_of(kind_of(item.record)) == Conflict::later_wins) kept = std::move(fields);
    }
  }

  static constexpr Time received_at{Duration{4'000'000'000'000'000}};
  Provider const& provider_;
  Decoded decoded_;
  Records records_;
  std::map<std::string, std::string> unified_;
  std::size_t rejected_ = 0;
};

/// Both ways: the same identities, and every key that the truth says has the same text.
inline void check_equal(Records const& truth, Records const& received) {
  CHECK(truth.size() == received.size());
  std::size_t shown = 0;
  for (auto const& [key, fields] : truth) {
    auto const at = received.find(key);
    if (at == received.end()) {
      if (++shown < 5) FAIL_CHECK("in the truth, not received: " << key);
      continue;
    }
    for (auto const& [name, value] : fields) {
      auto const found = at->second.find(name);
      if (found != at->second.end() && found->second == value) continue;
      if (++shown < 5)
        FAIL_CHECK(key << ": " << name << " is " << value << " in the truth and "
                       << (found == at->second.end() ? "absent" : found->second));
    }
    for (auto const& [name, value] : at->second)
      if (!fields.contains(name) && name != "received_at" && name != "time" && name != "closed" && ++shown < 5)
        FAIL_CHECK(key << ": " << name << " is " << value << " but not in the truth");
  }
  for (auto const& [key, fields] : received)
    if (!truth.contains(key) && ++shown < 5) FAIL_CHECK("received, not in the truth: " << key);
}

}  // namespace penstock::simulate::test
