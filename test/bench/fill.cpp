// fill BROKERS TOPIC COUNT SYMBOLS [BAD_EVERY]: Binance trade frames with a publisher's headers, COUNT of them over
// SYMBOLS symbols (BTCUSDT, S1USDT, S2USDT, …), ids strictly +1 per symbol; the first record is their exchangeInfo. Every
// BAD_EVERY-th has a price that is none. Prints how many and in how many seconds.
#include "test/bench/bare.hpp"

#include "streaming/time.hpp"

#include <vector>

namespace {

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
    while (true) {
      auto const error = rd_kafka_producev(producer_, RD_KAFKA_V_TOPIC(topic_.c_str()), RD_KAFKA_V_KEY(key.data(), key.size()),
                                           RD_KAFKA_V_VALUE(const_cast<char*>(payload.data()), payload.size()),
                                           RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR) break;
      if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) bare::die(rd_kafka_err2str(error));
      rd_kafka_poll(producer_, 10);
    }
    if (ordinal_ % 1000 == 0) rd_kafka_poll(producer_, 0);
  }

 private:
  rd_kafka_t* producer_;
  std::string topic_;
  long ordinal_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) bare::die("usage: fill BROKERS TOPIC COUNT SYMBOLS [BAD_EVERY]");
  std::string const topic = argv[2];
  long const count = std::atol(argv[3]), symbols = std::atol(argv[4]), bad_every = argc > 5 ? std::atol(argv[5]) : 0;
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
    bool const bad = bad_every > 0 && at % bad_every == bad_every - 1;
    char frame[512], price[32];
    std::snprintf(price, sizeof price, "%ld.%02ld000000", 61000 + at % 1000, at % 100);
    int const length = std::snprintf(
        frame, sizeof frame,
        R"({"stream":"%s@trade","data":{"e":"trade","E":%ld,"s":"%s","t":%ld,"p":"%s","q":"0.%05ld000","T":%ld,"m":%s,"M":true}})",
        "btcusdt", milliseconds + 1, native.c_str(), 1'000'000 + (at - 1) / symbols, bad ? "none" : price, 1 + at % 99999,
        milliseconds, at % 2 == 0 ? "true" : "false");
    frames.send("trade", native, "wss://stream.binance.com:9443/stream?streams=btcusdt@trade",
                start + std::chrono::microseconds{at * 10}, {frame, static_cast<std::size_t>(length)});
  }
  if (rd_kafka_flush(producer, 120'000) != RD_KAFKA_RESP_ERR_NO_ERROR) bare::die("flush timed out");
  std::printf("%ld %.3f\n", count, bare::seconds() - began);
  rd_kafka_destroy(producer);
}
