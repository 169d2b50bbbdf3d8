// forget BROKERS TOPIC...: deletes topics, and returns when they are gone; one that is not there is gone already.
#include "test/bench/bare.hpp"

#include <algorithm>
#include <string_view>
#include <thread>
#include <vector>

namespace {

bool is_there(rd_kafka_t* client, std::string_view name) {
  rd_kafka_metadata_t const* metadata = nullptr;
  if (auto const error = rd_kafka_metadata(client, 1, nullptr, &metadata, 10'000)) bare::die(rd_kafka_err2str(error));
  bool const found = std::any_of(metadata->topics, metadata->topics + metadata->topic_cnt,
                                 [&](auto const& topic) { return topic.topic == name; });
  rd_kafka_metadata_destroy(metadata);
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) bare::die("usage: forget BROKERS TOPIC...");
  auto* client = bare::producer(argv[1]);
  std::vector<rd_kafka_DeleteTopic_t*> topics;
  for (int at = 2; at < argc; ++at) topics.push_back(rd_kafka_DeleteTopic_new(argv[at]));
  auto* queue = rd_kafka_queue_new(client);
  rd_kafka_DeleteTopics(client, topics.data(), topics.size(), nullptr, queue);
  if (auto* event = rd_kafka_queue_poll(queue, 30'000)) rd_kafka_event_destroy(event);
  for (int at = 2; at < argc; ++at)
    for (auto const give_up = bare::seconds() + 30; is_there(client, argv[at]);) {
      if (bare::seconds() > give_up) bare::die(std::string{argv[at]} + " is still there after 30 s");
      std::this_thread::sleep_for(std::chrono::milliseconds{20});
    }
  rd_kafka_queue_destroy(queue);
  rd_kafka_DeleteTopic_destroy_array(topics.data(), topics.size());
  rd_kafka_destroy(client);
}
