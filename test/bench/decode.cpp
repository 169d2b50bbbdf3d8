// How fast Binance trade frames are decoded, beside a bare simdjson loop that copies the frame into padded memory and
// reads the same fields. One thread. Prints both in frames/s, and the median ratio of five pairs that take turns.
#include "agents/provider.hpp"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace penstock;

constexpr std::size_t frames_made = 10'000;
constexpr std::size_t rounds = 60;
constexpr std::size_t pairs = 5;

/// A walk of prices, with ids and times that grow.
std::vector<std::string> make_frames() {
  std::vector<std::string> frames;
  std::uint64_t state = 7;
  std::int64_t cents = 6'183'764;
  for (std::size_t at = 0; at < frames_made; ++at) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    auto const random = state >> 33U;
    cents += static_cast<std::int64_t>(random % 201) - 100;
    auto const time = 1'723'161'255'207 + static_cast<std::int64_t>(at) * 3;
    std::array<char, 400> frame;
    auto const size = std::snprintf(
        frame.data(), frame.size(),
        R"({"stream":"btcusdt@trade","data":{"e":"trade","E":%lld,"s":"BTCUSDT","t":%lld,"p":"%lld.%02lld000000","q":"0.%05llu000","T":%lld,"m":%s,"M":true}})",
        static_cast<long long>(time + 1), static_cast<long long>(3'742'119'215 + at), static_cast<long long>(cents / 100),
        static_cast<long long>(cents % 100), static_cast<unsigned long long>(random % 100'000), static_cast<long long>(time),
        random % 2 == 0 ? "true" : "false");
    frames.emplace_back(frame.data(), static_cast<std::size_t>(size));
  }
  return frames;
}

double per_second(std::size_t frames, std::chrono::steady_clock::time_point began) {
  return static_cast<double>(frames) / std::chrono::duration<double>{std::chrono::steady_clock::now() - began}.count();
}

/// Frames a second; `sum` keeps the compiler from leaving the work out.
double run_bare(std::vector<std::string> const& frames, std::uint64_t& sum) {
  constexpr std::size_t capacity = 4096;
  simdjson::ondemand::parser parser;
  auto const buffer = std::make_unique<char[]>(capacity);
  auto const began = std::chrono::steady_clock::now();
  for (std::size_t round = 0; round < rounds; ++round)
    for (auto const& frame : frames) {
      std::memcpy(buffer.get(), frame.data(), frame.size());
      auto document = parser.iterate(buffer.get(), frame.size(), capacity);
      auto data = document["data"];
      std::string_view const symbol = data["s"];
      std::int64_t const id = data["t"];
      std::string_view const price = data["p"];
      std::string_view const amount = data["q"];
      std::int64_t const time = data["T"];
      bool const maker = data["m"];
      sum += symbol.size() + static_cast<std::uint64_t>(id) + price.size() + amount.size() + static_cast<std::uint64_t>(time) +
             (maker ? 1U : 0U);
    }
  return per_second(frames.size() * rounds, began);
}

double run_decode(std::vector<std::string> const& frames, std::uint64_t& sum) {
  auto const& binance = *find_provider("binance");
  Decoded decoded;
  RawRecord raw{.channel = "trade", .symbol = "BTCUSDT", .received_at = Time{std::chrono::seconds{1'723'161'260}}};
  auto const began = std::chrono::steady_clock::now();
  for (std::size_t round = 0; round < rounds; ++round)
    for (auto const& frame : frames) {
      raw.value = frame;
      binance.decode(raw, decoded);
      if (decoded.items.size() != 1) std::abort();
      sum += std::get<Trade>(decoded.items[0].record).price.text().size();
    }
  return per_second(frames.size() * rounds, began);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

int main() {
  auto const frames = make_frames();
  std::uint64_t sum = 0;
  std::vector<double> bare, decoded, ratios;
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    bare.push_back(run_bare(frames, sum));
    decoded.push_back(run_decode(frames, sum));
    ratios.push_back(decoded.back() / bare.back());
  }
  std::printf("decode: bare simdjson %.0f frames/s, penstock %.0f frames/s, ratio %.2f (median of %zu pairs; at least 0.50)\n",
              median(bare), median(decoded), median(ratios), pairs);
  return sum == 0 ? 1 : 0;
}
