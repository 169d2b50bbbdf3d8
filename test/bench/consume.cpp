// consume BROKERS TOPIC COUNT penstock|bare: how fast one reader takes COUNT records that are there already: penstock's consumer,
// with their headers, or a bare loop that looks at none. Prints records a second.
#include "test/bench/bare.hpp"

#include "streaming/kafka/kafka.hpp"

#include <memory>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t at_once = 5'000;
constexpr int wait_ms = 20;

/// poll() says how many came.
template <class Poll>
void measure(long count, Poll poll) {
  long done = 0;
  std::printf("%.0f\n", bare::rate_until(count, 0, 0, [&] { return done += poll(); }));
}

void with_penstock(std::string const& brokers, std::string const& topic, long count) {
  auto const consumer = penstock::kafka::make_consumer({.brokers = brokers}, {.group = "bench-" + std::to_string(getpid())});
  consumer->subscribe({topic}, nullptr);
  std::vector<penstock::Delivery> deliveries;
  measure(count, [&] {
    deliveries.clear();
    consumer->poll(deliveries, at_once, std::chrono::milliseconds{wait_ms});
    return static_cast<long>(deliveries.size());
  });
}

void bare_loop(std::string const& brokers, std::string const& topic, long count) {
  auto* consumer = bare::reader(brokers, topic);
  auto* queue = rd_kafka_queue_get_consumer(consumer);
  std::vector<rd_kafka_message_t*> batch(at_once);
  measure(count, [&] {
    auto const got = rd_kafka_consume_batch_queue(queue, wait_ms, batch.data(), batch.size());
    for (ssize_t at = 0; at < got; ++at) {
      auto* message = batch[static_cast<std::size_t>(at)];
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) bare::die(rd_kafka_message_errstr(message));
      rd_kafka_message_destroy(message);
    }
    return static_cast<long>(got);
  });
  rd_kafka_queue_destroy(queue);
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
}

}  // namespace

int main(int argc, char** argv) {
  std::string_view const who = argc == 5 ? argv[4] : "";
  if (who == "penstock")
    with_penstock(argv[1], argv[2], std::atol(argv[3]));
  else if (who == "bare")
    bare_loop(argv[1], argv[2], std::atol(argv[3]));
  else
    bare::die("usage: consume BROKERS TOPIC COUNT penstock|bare");
}
