// wait BROKERS GROUP TOPIC COUNT: waits until the group's committed offsets of the topic add up to COUNT. Prints how many
// records a second were committed between the first and the last progress seen: start-up is not counted.
#include "test/bench/bare.hpp"

#include <algorithm>
#include <thread>

namespace {

long committed(rd_kafka_t* consumer, std::string const& topic, int partitions) {
  auto* list = rd_kafka_topic_partition_list_new(partitions);
  for (int partition = 0; partition < partitions; ++partition) rd_kafka_topic_partition_list_add(list, topic.c_str(), partition);
  if (auto const error = rd_kafka_committed(consumer, list, 5'000)) bare::die(rd_kafka_err2str(error));
  long sum = 0;
  for (int at = 0; at < list->cnt; ++at) sum += static_cast<long>(std::max<std::int64_t>(0, list->elems[at].offset));
  rd_kafka_topic_partition_list_destroy(list);
  return sum;
}

int partitions_of(rd_kafka_t* client, std::string const& name) {
  auto* topic = rd_kafka_topic_new(client, name.c_str(), nullptr);
  rd_kafka_metadata_t const* metadata = nullptr;
  if (auto const error = rd_kafka_metadata(client, 0, topic, &metadata, 10'000)) bare::die(rd_kafka_err2str(error));
  auto const count = metadata->topics[0].partition_cnt;
  rd_kafka_metadata_destroy(metadata);
  rd_kafka_topic_destroy(topic);
  return count;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) bare::die("usage: wait BROKERS GROUP TOPIC COUNT");
  std::string const topic = argv[3];
  long const count = std::atol(argv[4]);
  auto* consumer = bare::client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", argv[1]}, {"group.id", argv[2]}});
  auto const partitions = partitions_of(consumer, topic);
  long first = 0, last = 0;
  double began = 0, ended = bare::seconds();
  for (auto const give_up = bare::seconds() + 300; last < count;) {
    if (bare::seconds() > give_up) bare::die("not done after 300 s: " + std::to_string(last) + " of " + std::to_string(count));
    auto const now = committed(consumer, topic, partitions);
    if (now > last) {
      ended = bare::seconds();
      if (began == 0) began = ended, first = now;
      last = now;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }
  if (last == first) bare::die("all of it came in one step: use more records");
  std::printf("%.0f\n", static_cast<double>(last - first) / (ended - began));
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
}
