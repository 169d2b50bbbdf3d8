// produce BROKERS FROM TO COUNT: the bare limit of a publisher: COUNT records of FROM with their keys and headers, all in memory
// before the clock starts, are produced to TO (made with 4 partitions where it is missing) by one idempotent producer and
// acknowledged. Prints records a second, and the CPU seconds from the first to the last.
#include "test/bench/bare.hpp"

#include <vector>

namespace {

std::vector<rd_kafka_message_t*> read(rd_kafka_t* consumer, char const* topic, std::size_t count) {
  std::vector<rd_kafka_message_t*> messages;
  for (auto const give_up = bare::seconds() + 120; messages.size() < count;) {
    if (bare::seconds() > give_up) bare::die(std::string{topic} + " has fewer records");
    auto* message = rd_kafka_consumer_poll(consumer, 100);
    if (message == nullptr) continue;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) bare::die(rd_kafka_message_errstr(message));
    messages.push_back(message);
  }
  return messages;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) bare::die("usage: produce BROKERS FROM TO COUNT");
  auto* producer = bare::producer(argv[1]);
  bare::create_topic(producer, argv[3]);
  bare::begin_producing(producer, argv[3]);
  auto* consumer = bare::reader(argv[1], argv[2]);
  auto const messages = read(consumer, argv[2], static_cast<std::size_t>(std::atol(argv[4])));
  auto const began = bare::seconds();
  auto const cpu_began = bare::cpu_seconds();
  for (std::size_t at = 0; at < messages.size(); ++at) {
    auto* message = messages[at];
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_detach_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) headers = nullptr;
    bare::produce(producer, argv[3], *message, headers);
    if (at % 1000 == 0) rd_kafka_poll(producer, 0);
  }
  if (rd_kafka_flush(producer, 120'000) != RD_KAFKA_RESP_ERR_NO_ERROR) bare::die("flush timed out");
  auto const took = bare::seconds() - began;
  std::printf("%.0f %.3f\n", static_cast<double>(messages.size()) / took, bare::cpu_seconds() - cpu_began);
  for (auto* message : messages) rd_kafka_message_destroy(message);
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
  rd_kafka_destroy(producer);
}
