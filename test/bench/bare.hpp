/// The least that a librdkafka program needs, for limits to measure against. Dies on any error.
#pragma once

#include <librdkafka/rdkafka.h>

#pragma GCC diagnostic ignored "-Wold-style-cast"  // RD_KAFKA_V_… are made of them.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <initializer_list>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <sys/resource.h>
#include <unistd.h>

namespace bare {

[[noreturn]] inline void die(std::string const& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

/// A property without a value is left at its default.
inline rd_kafka_t* client(rd_kafka_type_t type, std::initializer_list<std::pair<char const*, std::string>> properties) {
  char error[512];
  auto* conf = rd_kafka_conf_new();
  for (auto const& [name, value] : properties)
    if (!value.empty() && rd_kafka_conf_set(conf, name, value.c_str(), error, sizeof error) != RD_KAFKA_CONF_OK) die(error);
  auto* handle = rd_kafka_new(type, conf, error, sizeof error);
  if (handle == nullptr) die(error);
  return handle;
}

/// With `transactional_id`: for transactions.
inline rd_kafka_t* producer(std::string const& brokers, std::string const& transactional_id = "") {
  return client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", brokers},
                                    {"transactional.id", transactional_id},
                                    {"enable.idempotence", "true"},
                                    {"compression.codec", "lz4"},
                                    {"linger.ms", "5"},
                                    {"message.max.bytes", "20000000"},  // A catalogue of thousands of symbols is one message.
                                    {"queue.buffering.max.messages", "1000000"},
                                    {"queue.buffering.max.kbytes", "1048576"}});
}

/// One that reads a topic from its start, in a group of its own.
inline rd_kafka_t* reader(std::string const& brokers, std::string const& topic) {
  auto* consumer =
      client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", brokers},
                                 {"group.id", "bare-" + std::to_string(getpid()) + '-' + std::to_string(std::time(nullptr))},
                                 {"auto.offset.reset", "earliest"},
                                 {"enable.auto.commit", "false"},
                                 {"fetch.queue.backoff.ms", "2"}});
  rd_kafka_poll_set_consumer(consumer);
  auto* topics = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(topics, topic.c_str(), RD_KAFKA_PARTITION_UA);
  if (rd_kafka_subscribe(consumer, topics) != RD_KAFKA_RESP_ERR_NO_ERROR) die("subscribe failed");
  rd_kafka_topic_partition_list_destroy(topics);
  return consumer;
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

/// One record to the topic. Before the first is out a producer asks for the leader, and for a number of its own, while the queue
/// fills: 0.3 to 0.6 s, which are start-up, and so not counted here, either.
inline void begin_producing(rd_kafka_t* producer, char const* topic) {
  auto const error =
      rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) die(rd_kafka_err2str(error));
  if (rd_kafka_flush(producer, 30'000) != RD_KAFKA_RESP_ERR_NO_ERROR) die("flush timed out");
}

/// Waits where the queue is full. `headers` are taken over; nullptr: none.
inline void produce(rd_kafka_t* producer, char const* topic, std::string_view key, std::string_view value,
                    rd_kafka_headers_t* headers = nullptr) {
  while (true) {
    auto const error =
        rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(const_cast<char*>(key.data()), key.size()),
                          RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return;
    if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) die(rd_kafka_err2str(error));
    rd_kafka_poll(producer, 5);
  }
}

/// The same of one that was consumed.
inline void produce(rd_kafka_t* producer, char const* topic, rd_kafka_message_t const& message,
                    rd_kafka_headers_t* headers = nullptr) {
  produce(producer, topic, {static_cast<char const*>(message.key), message.key_len},
          {static_cast<char const*>(message.payload), message.len}, headers);
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

/// Asks every so many milliseconds until the answer is `count`. How much came in a second between the first progress seen, at
/// `from` or later, and the last: start-up is not counted.
template <class Ask>
double rate_until(long count, long from, int every, Ask ask) {
  long first = 0, last = 0;
  double began = 0, ended = seconds();
  for (auto const give_up = seconds() + 300; last < count;) {
    if (seconds() > give_up) die("not done after 300 s: " + std::to_string(last) + " of " + std::to_string(count));
    if (long const now = ask(); now > last) {
      ended = seconds();
      if (began == 0 && now >= from) began = ended, first = now;
      last = now;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{every});
  }
  if (began == 0 || last == first) die("all of it came in one step: use more records");
  return static_cast<double>(last - first) / (ended - began);
}

}  // namespace bare
