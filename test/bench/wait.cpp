// wait BROKERS GROUP TOPIC COUNT [FROM]: waits until the group's committed offsets of the topic add up to COUNT. Prints how many
// records a second were committed between the first progress seen, at FROM or later, and the last: start-up is not counted.
#include "test/bench/bare.hpp"

int main(int argc, char** argv) {
  if (argc < 5) bare::die("usage: wait BROKERS GROUP TOPIC COUNT [FROM]");
  std::string const topic = argv[3];
  long const count = std::atol(argv[4]), from = argc > 5 ? std::atol(argv[5]) : 0;
  auto* consumer = bare::client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", argv[1]}, {"group.id", argv[2]}});
  auto const partitions = bare::partitions_of(consumer, topic);
  std::printf("%.0f\n", bare::rate_until(count, from, 20, [&] { return bare::committed(consumer, topic, partitions); }));
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
}
