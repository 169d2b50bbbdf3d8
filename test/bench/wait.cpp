// wait BROKERS GROUP TOPIC COUNT [FROM]: waits until the group's committed offsets of the topic add up to COUNT. Prints how many
// records a second were committed between the first progress seen, at FROM or later, and the last: start-up is not counted.
#include "test/bench/bare.hpp"

#include <thread>

int main(int argc, char** argv) {
  if (argc < 5) bare::die("usage: wait BROKERS GROUP TOPIC COUNT [FROM]");
  std::string const topic = argv[3];
  long const count = std::atol(argv[4]), from = argc > 5 ? std::atol(argv[5]) : 0;
  auto* consumer = bare::client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", argv[1]}, {"group.id", argv[2]}});
  auto const partitions = bare::partitions_of(consumer, topic);
  long first = 0, last = 0;
  double began = 0, ended = bare::seconds();
  for (auto const give_up = bare::seconds() + 300; last < count;) {
    if (bare::seconds() > give_up) bare::die("not done after 300 s: " + std::to_string(last) + " of " + std::to_string(count));
    auto const now = bare::committed(consumer, topic, partitions);
    if (now > last) {
      ended = bare::seconds();
      if (began == 0 && now >= from) began = ended, first = now;
      last = now;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }
  if (began == 0 || last == first) bare::die("all of it came in one step: use more records");
  std::printf("%.0f\n", static_cast<double>(last - first) / (ended - began));
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
}
