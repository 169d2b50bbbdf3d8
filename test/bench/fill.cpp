// fill BROKERS TOPIC COUNT SYMBOLS [CHANNEL]: frames of Binance's channel trade, kline or bookTicker with a publisher's headers,
// COUNT of them over SYMBOLS symbols (BTCUSDT, S1USDT, S2USDT, …), trade ids strictly +1 per symbol, a candle ten times before
// the next; the first record is their exchangeInfo. Prints how many and in how many seconds.
#include "test/bench/bare.hpp"

#include "streaming/time.hpp"

#include <vector>

namespace {

constexpr long candle_updates = 10;

// What the transformer learns the symbols from, as GET /api/v3/exchangeInfo answers it.
std::string exchange_info(std::vector<std::string> const& natives) {
  std::string body = R"({"timezone":"UTC","serverTime":0,"rateLimits":[],"exchangeFilters":[],"symbols":[)";
  for (auto const& native : natives) {
    if (body.back() == '}') body += ',';
    body +=
        R"({"symbol":")" + native + R"(","status":"TRADING","baseAsset":")" + native.substr(0, native.size() - 4) +
        R"(","quoteAsset":"USDT","filters":[{"filterType":"PRICE_FILTER","tickSize":"0.01"},{"filterType":"LOT_SIZE","stepSize":"0.00001"}]})";
  }
  return body + "]}";
}

class Frames {
 public:
  Frames(rd_kafka_t* producer, std::string topic) : producer_{producer}, topic_{std::move(topic)} {}

  void send(char const* channel, std::string const& symbol, std::string const& request, penstock::Time received_at,
            std::string_view payload) {
    auto* headers = rd_kafka_headers_new(8);
    auto const add = [&](char const* name, std::string const& value) {
      rd_kafka_header_add(headers, name, -1, value.data(), static_cast<ssize_t>(value.size()));
    };
    add("channel", channel);
    add("symbol", symbol);
    add("request", request);
    add("received_at", penstock::to_text(received_at));
    add("origin", "live");
    add("publisher", "bench");
    add("connection", "bench-1");
    add("ordinal", std::to_string(ordinal_++));
    std::string const key = symbol.empty() ? channel : symbol;
    bare::produce(producer_, topic_.c_str(), key, payload, headers);
    if (ordinal_ % 1000 == 0) rd_kafka_poll(producer_, 0);
  }

 private:
  rd_kafka_t* producer_;
  std::string topic_;
  long ordinal_ = 0;
};

/// The at-th frame of its symbol; `milliseconds`: its time.
int write_frame(char* to, std::size_t size, std::string const& channel, char const* symbol, long at, long milliseconds) {
  char price[32];
  std::snprintf(price, sizeof price, "%ld.%02ld000000", 61000 + at % 1000, at % 100);
  if (channel == "trade")
    return std::snprintf(
        to, size,
        R"({"stream":"%s@trade","data":{"e":"trade","E":%ld,"s":"%s","t":%ld,"p":"%s","q":"0.%05ld000","T":%ld,"m":%s,"M":true}})",
        symbol, milliseconds + 1, symbol, 1'000'000 + at, price, 1 + at * 7919 % 99999, milliseconds,
        at % 2 == 0 ? "true" : "false");
  if (channel == "bookTicker")
    return std::snprintf(
        to, size, R"({"stream":"%s@bookTicker","data":{"u":%ld,"s":"%s","b":"%s","B":"0.%05ld000","a":"%s","A":"1.%05ld000"}})",
        symbol, 1'000'000 + at, symbol, price, 1 + at % 99999, price, 1 + at * 7919 % 99999);
  long const opened = 1'723'161'240'000 + at / candle_updates * 60'000;
  return std::snprintf(
      to, size,
      R"({"stream":"%s@kline_1m","data":{"e":"kline","E":%ld,"s":"%s","k":{"t":%ld,"T":%ld,"s":"%s","i":"1m","f":1,"L":2,"o":"61000.00000000","c":"%s","h":"62000.00000000","l":"61000.00000000","v":"%ld.50000000","n":%ld,"x":%s,"q":"%ld.00000000","V":"1.0","Q":"1.0","B":"0"}}})",
      symbol, opened + 1, symbol, opened, opened + 59'999, symbol, price, 10 + at % candle_updates, 100 + at % candle_updates,
      at % candle_updates == candle_updates - 1 ? "true" : "false", 61'000 * (10 + at % candle_updates));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) bare::die("usage: fill BROKERS TOPIC COUNT SYMBOLS [trade|kline|bookTicker]");
  std::string const topic = argv[2], channel = argc > 5 ? argv[5] : "trade";
  long const count = std::atol(argv[3]), symbols = std::atol(argv[4]);
  auto* producer = bare::producer(argv[1]);
  auto const start = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  auto const began = bare::seconds();
  std::vector<std::string> natives;
  for (long symbol = 0; symbol < symbols; ++symbol)
    natives.push_back(symbol == 0 ? std::string{"BTCUSDT"} : "S" + std::to_string(symbol) + "USDT");
  Frames frames{producer, topic};
  frames.send("exchangeInfo", "", "https://api.binance.com/api/v3/exchangeInfo", start, exchange_info(natives));
  for (long at = 1; at < count; ++at) {
    auto const& native = natives[static_cast<std::size_t>((at - 1) % symbols)];
    auto const milliseconds = start.time_since_epoch().count() / 1000 + at / 100;
    char frame[700];
    auto const length = write_frame(frame, sizeof frame, channel, native.c_str(), (at - 1) / symbols, milliseconds);
    frames.send(channel.c_str(), native, "wss://stream.binance.com:9443/stream?streams=btcusdt@trade",
                start + std::chrono::microseconds{at * 10}, {frame, static_cast<std::size_t>(length)});
  }
  if (rd_kafka_flush(producer, 120'000) != RD_KAFKA_RESP_ERR_NO_ERROR) bare::die("flush timed out");
  std::printf("%ld %.3f\n", count, bare::seconds() - began);
  rd_kafka_destroy(producer);
}
