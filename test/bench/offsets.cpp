// offsets BROKERS: answers questions about offsets, one line each, until stdin ends: "end TOPIC" with the sum of the topic's
// ends, "committed GROUP TOPIC" with the sum of what the group has committed there.
#include "test/bench/bare.hpp"

#include <iostream>
#include <map>
#include <sstream>
#include <thread>

namespace {

/// A partition that was just made has no leader yet: asked again.
std::int64_t end_of(rd_kafka_t* client, std::string const& topic, int partition) {
  for (auto const give_up = bare::seconds() + 20;; std::this_thread::sleep_for(std::chrono::milliseconds{50})) {
    std::int64_t low = 0, high = 0;
    auto const error = rd_kafka_query_watermark_offsets(client, topic.c_str(), partition, &low, &high, 10'000);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return high;
    if (bare::seconds() > give_up) bare::die(topic + ": " + rd_kafka_err2str(error));
  }
}

std::int64_t end(rd_kafka_t* client, std::string const& topic, int partitions) {
  std::int64_t sum = 0;
  for (int partition = 0; partition < partitions; ++partition) sum += end_of(client, topic, partition);
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) bare::die("usage: offsets BROKERS");
  auto* asking = bare::producer(argv[1]);
  std::map<std::string, rd_kafka_t*> groups;
  std::map<std::string, int> partitions;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words{line};
    std::string what, group, topic;
    words >> what;
    if (what == "committed") words >> group;
    words >> topic;
    auto& count = partitions[topic];
    if (count == 0) count = bare::partitions_of(asking, topic);
    if (what == "end") {
      std::cout << end(asking, topic, count) << std::endl;
      continue;
    }
    auto& member = groups[group];
    if (member == nullptr) member = bare::client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", argv[1]}, {"group.id", group}});
    std::cout << bare::committed(member, topic, count) << std::endl;
  }
  for (auto const& [name, member] : groups) rd_kafka_destroy(member);
  rd_kafka_destroy(asking);
}
