// pass BROKERS FROM TO COUNT: the bare limit of a transformer: consumes COUNT records and produces each payload and key to
// TO (made with 4 partitions where it is missing) unchanged, without transactions and without headers. Prints records, seconds,
// records a second.
#include "test/bench/bare.hpp"

#include <vector>

int main(int argc, char** argv) {
  if (argc < 5) bare::die("usage: pass BROKERS FROM TO COUNT");
  std::string const brokers = argv[1], to = argv[3];
  long const count = std::atol(argv[4]);
  auto* producer = bare::producer(brokers);
  bare::create_topic(producer, to.c_str());
  bare::begin_producing(producer, to.c_str());
  auto* consumer = bare::reader(brokers, argv[2]);
  auto* queue = rd_kafka_queue_get_consumer(consumer);
  std::vector<rd_kafka_message_t*> batch(10'000);
  long done = 0;
  double began = 0;
  while (done < count) {
    auto const got = rd_kafka_consume_batch_queue(queue, 20, batch.data(), batch.size());
    for (ssize_t at = 0; at < got; ++at) {
      auto* message = batch[static_cast<std::size_t>(at)];
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) bare::die(rd_kafka_message_errstr(message));
      if (began == 0) began = bare::seconds();
      while (true) {
        auto const error = rd_kafka_producev(
            producer, RD_KAFKA_V_TOPIC(to.c_str()), RD_KAFKA_V_KEY(message->key, message->key_len),
            RD_KAFKA_V_VALUE(message->payload, message->len), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) break;
        if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) bare::die(rd_kafka_err2str(error));
        rd_kafka_poll(producer, 5);
      }
      rd_kafka_message_destroy(message);
      ++done;
    }
    rd_kafka_poll(producer, 0);
  }
  if (rd_kafka_flush(producer, 120'000) != RD_KAFKA_RESP_ERR_NO_ERROR) bare::die("flush timed out");
  auto const took = bare::seconds() - began;
  std::printf("%ld %.3f %.0f\n", done, took, static_cast<double>(done) / took);
  rd_kafka_queue_destroy(queue);
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
  rd_kafka_destroy(producer);
}
