/// The least that a librdkafka program needs, for limits to measure against. Dies on any error.
#pragma once

#include <librdkafka/rdkafka.h>

#pragma GCC diagnostic ignored "-Wold-style-cast"  // RD_KAFKA_V_… are made of them.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <utility>

#include <sys/resource.h>

namespace bare {

[[noreturn]] inline void die(std::string const& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

inline rd_kafka_t* client(rd_kafka_type_t type, std::initializer_list<std::pair<char const*, std::string>> properties) {
  char error[512];
  auto* conf = rd_kafka_conf_new();
  for (auto const& [name, value] : properties)
    if (rd_kafka_conf_set(conf, name, value.c_str(), error, sizeof error) != RD_KAFKA_CONF_OK) die(error);
  auto* handle = rd_kafka_new(type, conf, error, sizeof error);
  if (handle == nullptr) die(error);
  return handle;
}

inline rd_kafka_t* producer(std::string const& brokers) {
  return client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", brokers},
                                    {"enable.idempotence", "true"},
                                    {"compression.codec", "lz4"},
                                    {"linger.ms", "5"},
                                    {"message.max.bytes", "20000000"},  // A catalogue of thousands of symbols is one message.
                                    {"queue.buffering.max.messages", "1000000"},
                                    {"queue.buffering.max.kbytes", "1048576"}});
}

/// With 4 partitions; one that is there stays.
inline void create_topic(rd_kafka_t* client, char const* name) {
  char error[256];
  auto* topic = rd_kafka_NewTopic_new(name, 4, 1, error, sizeof error);
  auto* queue = rd_kafka_queue_new(client);
  rd_kafka_CreateTopics(client, &topic, 1, nullptr, queue);
  if (auto* event = rd_kafka_queue_poll(queue, 30'000)) rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(queue);
  rd_kafka_NewTopic_destroy(topic);
}

inline int partitions_of(rd_kafka_t* client, std::string const& name) {
  auto* topic = rd_kafka_topic_new(client, name.c_str(), nullptr);
  rd_kafka_metadata_t const* metadata = nullptr;
  if (auto const error = rd_kafka_metadata(client, 0, topic, &metadata, 10'000)) die(rd_kafka_err2str(error));
  auto const count = metadata->topics[0].partition_cnt;
  rd_kafka_metadata_destroy(metadata);
  rd_kafka_topic_destroy(topic);
  return count;
}

/// What the group has committed of the topic, over all its partitions.
inline long committed(rd_kafka_t* member, std::string const& topic, int partitions) {
  auto* list = rd_kafka_topic_partition_list_new(partitions);
  for (int partition = 0; partition < partitions; ++partition) rd_kafka_topic_partition_list_add(list, topic.c_str(), partition);
  if (auto const error = rd_kafka_committed(member, list, 10'000)) die(topic + ": " + rd_kafka_err2str(error));
  long sum = 0;
  for (int at = 0; at < list->cnt; ++at)
    if (list->elems[at].offset > 0) sum += static_cast<long>(list->elems[at].offset);
  rd_kafka_topic_partition_list_destroy(list);
  return sum;
}

/// Of this process, all threads.
inline double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  auto const of = [](timeval const& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; };
  return of(used.ru_utime) + of(used.ru_stime);
}

inline double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace bare
