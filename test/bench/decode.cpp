// decode PROVIDER CHANNEL [SECONDS]: how fast the frames of a channel become canonical JSON, beside a bare simdjson loop that
// copies the frame into padded memory and reads the same fields. One thread. Prints records a second of CPU time, so that other
// programs on the machine count as little as they can: decoded and encoded, decoded only, bare. With SECONDS only the first, for
// so long: for a profiler.
#include "agents/provider.hpp"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <format>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace penstock;
namespace json = simdjson::ondemand;

constexpr std::size_t records_made = 10'000;
constexpr double measured = 1.2;

/// Of one channel: its frames, and what a bare loop reads of one (a sum, so that the compiler leaves nothing out).
struct Market {
  RawRecord raw;
  std::size_t records_per_frame;
  std::function<std::string(std::size_t)> frame;  ///< that begins with this record
  std::uint64_t (*read)(json::document&);
};

/// Prices and amounts that walk, the same each time.
struct Tick {
  explicit Tick(std::size_t at) : random{(at * 6364136223846793005U + 1442695040888963407U) >> 33U} {}
  std::uint64_t random;
  std::string price() const { return std::format("{}.{:02}", 61'000 + random % 997, random % 100); }
  std::string amount() const { return std::format("0.{:05}", random % 100'000); }
  bool even() const { return random % 2 == 0; }
};

std::uint64_t read_binance(json::document& document) {
  auto data = document["data"];
  std::string_view const symbol = data["s"];
  std::int64_t const id = data["t"];
  std::string_view const price = data["p"], amount = data["q"];
  std::int64_t const time = data["T"];
  bool const maker = data["m"];
  return symbol.size() + static_cast<std::uint64_t>(id + time) + price.size() + amount.size() + (maker ? 1U : 0U);
}

std::uint64_t read_hyperliquid(json::document& document) {
  std::uint64_t sum = 0;
  for (auto trade : document["data"].get_array()) {
    std::string_view const coin = trade["coin"], side = trade["side"], price = trade["px"], amount = trade["sz"];
    std::int64_t const time = trade["time"], id = trade["tid"];
    sum += coin.size() + side.size() + price.size() + amount.size() + static_cast<std::uint64_t>(time + id);
  }
  return sum;
}

std::uint64_t read_coingecko_markets(json::document& document) {
  std::uint64_t sum = 0;
  for (auto coin : document.get_array()) {
    auto fields = coin.get_object();
    std::string_view const id = fields["id"], last = fields["current_price"].raw_json_token(),
                           market_cap = fields["market_cap"].raw_json_token(), volume = fields["total_volume"].raw_json_token(),
                           high = fields["high_24h"].raw_json_token(), low = fields["low_24h"].raw_json_token(),
                           time = fields["last_updated"];
    sum += id.size() + last.size() + market_cap.size() + volume.size() + high.size() + low.size() + time.size();
  }
  return sum;
}

std::uint64_t read_coingecko_prices(json::document& document) {
  std::uint64_t sum = 0;
  for (auto coin : document.get_object()) {
    std::string_view const id = coin.unescaped_key();
    auto fields = coin.value();
    // Prices are kept as they are written.
    std::string_view const last = fields["usd"].raw_json_token(), market_cap = fields["usd_market_cap"].raw_json_token(),
                           volume = fields["usd_24h_vol"].raw_json_token();
    std::int64_t const time = fields["last_updated_at"];
    sum += id.size() + last.size() + market_cap.size() + volume.size() + static_cast<std::uint64_t>(time);
  }
  return sum;
}

constexpr std::int64_t start_ms = 1'723'161'255'207;

std::string binance_frame(std::size_t at) {
  Tick const tick{at};
  auto const time = start_ms + static_cast<std::int64_t>(at) * 3;
  return std::format(
      R"({{"stream":"btcusdt@trade","data":{{"e":"trade","E":{},"s":"BTCUSDT","t":{},"p":"{}000000","q":"{}000","T":{},"m":{},"M":true}}}})",
      time + 1, 3'742'119'215 + at, tick.price(), tick.amount(), time, tick.even());
}

std::string hyperliquid_frame(std::size_t first) {
  std::string frame = R"({"channel":"trades","data":[)";
  for (auto at = first; at < first + 4; ++at) {
    Tick const tick{at};
    frame += std::format(
        R"({}{{"coin":"BTC","side":"{}","px":"{}","sz":"{}","time":{},"hash":"0x{:064x}","tid":{},"users":["0x{:040x}","0x{:040x}"]}})",
        at == first ? "" : ",", tick.even() ? 'A' : 'B', tick.price(), tick.amount(),
        start_ms + static_cast<std::int64_t>(at) * 3, tick.random, 118'000'000'000'000 + at, tick.random, tick.random / 7);
  }
  return frame + "]}";
}

std::string coingecko_markets(std::size_t first) {
  std::string body = "[";
  for (auto at = first; at < first + 100; ++at) {
    Tick const tick{at};
    body += at == first ? "" : ",";
    body += std::format(
        R"({{"id":"coin-{0}","symbol":"c{0}","name":"Coin {0}","image":"https://assets.coingecko.com/coins/images/{0}/large/coin-{0}.png?{1}",)"
        R"("current_price":{2},"market_cap":15{1},"market_cap_rank":{3},"fully_diluted_valuation":16{1},"total_volume":3{1},)"
        R"("high_24h":{4},"low_24h":{5},)",
        at - first, tick.random, tick.price(), at - first + 1, 62'000 + tick.random % 900, 60'000 + tick.random % 900);
    body += std::format(
        R"("price_change_24h":-747.{0:09},"price_change_percentage_24h":-0.{1:05},"market_cap_change_24h":-18{0},)"
        R"("market_cap_change_percentage_24h":-1.{1:05},"circulating_supply":19{1}.0,"total_supply":21000000.0,"max_supply":21000000.0,)"
        R"("ath":108786,"ath_change_percentage":-22.{1:05},"ath_date":"2025-01-20T09:11:54.494Z","atl":67.81,)"
        R"("atl_change_percentage":122885.{1:05},"atl_date":"2013-07-06T00:00:00.000Z","roi":null,)"
        R"("last_updated":"2024-08-08T23:54:{2:02}.{3:03}Z"}})",
        tick.random % 1'000'000'000, tick.random % 100'000, tick.random % 60, tick.random % 1000);
  }
  return body + "]";
}

std::string coingecko_prices(std::size_t first) {
  std::string body = "{";
  for (auto at = first; at < first + 100; ++at) {
    Tick const tick{at};
    body += std::format(R"({}"coin-{}":{{"usd":{},"usd_market_cap":15{}.{:06},"usd_24h_vol":3{}.{:05},"last_updated_at":{}}})",
                        at == first ? "" : ",", at - first, tick.price(), tick.random, tick.random % 1'000'000, tick.random,
                        tick.random % 100'000, start_ms / 1000);
  }
  return body + "}";
}

Market market_of(std::string_view provider, std::string_view channel) {
  Time const received_at{std::chrono::seconds{1'723'161'260}};
  if (provider == "binance" && channel == "trade")
    return {{.channel = channel, .symbol = "BTCUSDT", .received_at = received_at}, 1, binance_frame, read_binance};
  if (provider == "hyperliquid" && channel == "trades")
    return {{.channel = channel, .symbol = "BTC", .received_at = received_at}, 4, hyperliquid_frame, read_hyperliquid};
  if (provider == "coingecko" && channel == "coins/markets")
    return {{.channel = channel,
             .request = "https://api.coingecko.com/api/v3/coins/markets?vs_currency=usd",
             .received_at = received_at},
            100,
            coingecko_markets,
            read_coingecko_markets};
  if (provider == "coingecko" && channel == "simple/price")
    return {{.channel = channel, .request = "https://api.coingecko.com/api/v3/simple/price", .received_at = received_at},
            100,
            coingecko_prices,
            read_coingecko_prices};
  std::fprintf(stderr, "there are no frames of %s's channel %s here\n", std::string{provider}.c_str(),
               std::string{channel}.c_str());
  std::exit(2);
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// Records a second of each way to take a frame. They take turns, a round of a few milliseconds over all frames each, so that
/// what slows the machine down meanwhile slows them all, until all together took long enough.
template <class... Each>
std::array<double, sizeof...(Each)> rates(std::vector<std::string> const& frames, double at_least, Each... each) {
  std::array<double, sizeof...(Each)> took{};
  std::size_t rounds = 0;
  auto const time = [&](double& of_it, auto const& take) {
    auto const began = cpu_seconds();
    for (auto const& frame : frames) take(frame);
    of_it += cpu_seconds() - began;
  };
  for (; std::ranges::fold_left(took, 0.0, std::plus{}) < at_least; ++rounds) {
    auto* of_it = took.data();
    (time(*of_it++, each), ...);
  }
  for (auto& seconds : took) seconds = static_cast<double>(records_made * rounds) / seconds;
  return took;
}

}  // namespace

int main(int count, char** arguments) {
  auto const* provider = count == 3 || count == 4 ? find_provider(arguments[1]) : nullptr;
  if (provider == nullptr) {
    std::fputs("usage: decode PROVIDER CHANNEL [SECONDS]\n", stderr);
    return 2;
  }
  auto market = market_of(provider->name(), arguments[2]);
  std::vector<std::string> frames;
  std::size_t longest = 0;
  for (std::size_t at = 0; at < records_made; at += market.records_per_frame) {
    frames.push_back(market.frame(at));
    longest = std::max(longest, frames.back().size());
  }

  std::uint64_t sum = 0;
  json::parser parser;
  auto const capacity = longest + simdjson::SIMDJSON_PADDING;
  auto const buffer = std::make_unique<char[]>(capacity);
  auto const bare = [&](std::string const& frame) {
    std::memcpy(buffer.get(), frame.data(), frame.size());
    auto document = parser.iterate(buffer.get(), frame.size(), capacity);
    sum += market.read(document.value_unsafe());
  };
  Decoded decoded;
  std::string out;
  auto const decode = [&](std::string const& frame) {
    market.raw.value = frame;
    provider->decode(market.raw, decoded);
    if (decoded.items.size() != market.records_per_frame) std::abort();
  };
  auto const encode = [&](std::string const& frame) {
    decode(frame);
    for (auto const& item : decoded.items) {
      out.clear();
      append_json(out, item.record);
      sum += out.size();
    }
  };
  bare(frames[0]), encode(frames[0]);  // Memory is made.
  if (count == 4) {
    std::printf("%.0f\n", rates(frames, std::atof(arguments[3]), encode)[0]);
    return 0;
  }
  auto const [encoded, only_decoded, limit] = rates(frames, measured, encode, decode, bare);
  std::printf("%.0f %.0f %.0f\n", encoded, only_decoded, limit);
  return sum == 0 ? 1 : 0;
}
