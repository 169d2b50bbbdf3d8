/// What the Kafka tests share: records, reading until a fact holds, and a mock cluster whose faults can be scripted.
#pragma once

#include "streaming/kafka/client.hpp"
#include "streaming/kafka/embedded.hpp"
#include "streaming/kafka/kafka.hpp"
#include "streaming/kafka/topics.hpp"

#include <doctest/doctest.h>
#include <librdkafka/rdkafka_mock.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

namespace penstock::kafka::test {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

/// Calls `step` until `done`, at most `limit`.
template <class Done, class Step>
bool until(Done done, Step step, std::chrono::milliseconds limit = 30s) {
  auto const end = Steady::now() + limit;
  while (!done()) {
    if (Steady::now() > end) return false;
    step();
  }
  return true;
}

inline Record record(std::string key, std::string value, std::vector<Header> headers = {}) {
  return {std::move(key), std::move(value), std::move(headers)};
}

inline Offsets offsets_of(Commits const& commits) {
  Offsets offsets;
  for (auto const& [partition, commit] : commits) offsets[partition] = commit.offset;
  return offsets;
}

inline void commit_and_settle(Exchange& exchange, Commits const& inputs, Consumer& consumer) {
  exchange.commit(inputs, consumer);
  while (!exchange.settled(1s)) {
  }
}

/// As EmbeddedBroker, but with the handle that scripts its faults.
struct MockCluster {
  KafkaClient client;
  rd_kafka_mock_cluster_t* handle;

  MockCluster() {
    std::array<char, 512> why{};
    auto* const conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "3", why.data(), why.size());
    client.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf, why.data(), why.size()));
    handle = rd_kafka_mock_cluster_new(client.get(), 1);
    rd_kafka_mock_group_initial_rebalance_delay_ms(handle, 0);
  }
  ~MockCluster() { rd_kafka_mock_cluster_destroy(handle); }
  MockCluster(MockCluster const&) = delete;
  MockCluster& operator=(MockCluster const&) = delete;

  Connection connection() const { return {.brokers = rd_kafka_mock_cluster_bootstraps(handle), .transactions = false}; }
  void topic(char const* name, int partitions) {
    REQUIRE(rd_kafka_mock_topic_create(handle, name, partitions, 1) == RD_KAFKA_RESP_ERR_NO_ERROR);
  }
};

inline void produce(Connection const& connection, Topic const& topic, std::vector<Record> const& records) {
  auto const producer = make_producer(connection, {});
  for (auto const& one : records) REQUIRE(until([&] { return producer->produce(topic, one); }, [&] { producer->poll(5ms); }));
  producer->flush(20s);
  CHECK(producer->written_total() == std::ssize(records));
}

/// Values of the first `count` deliveries.
inline std::vector<std::string> read(Consumer& consumer, std::size_t count, std::chrono::milliseconds limit = 30s) {
  std::vector<std::string> values;
  until([&] { return values.size() >= count; },
        [&] {
          std::vector<Delivery> deliveries;
          consumer.poll(deliveries, count - values.size(), 50ms);
          for (auto const& delivery : deliveries) values.emplace_back(delivery.value);
        },
        limit);
  return values;
}

inline std::vector<Record> numbered(int from, int to) {
  std::vector<Record> records;
  for (int i = from; i < to; ++i) records.push_back(record(std::to_string(i), std::to_string(i)));
  return records;
}

/// "" : such a case skips.
inline std::string brokers_for_tests() {
  auto const* const brokers = std::getenv("PENSTOCK_TEST_BROKERS");
  if (brokers == nullptr || *brokers == 0) {
    MESSAGE("skipped: PENSTOCK_TEST_BROKERS is not set");
    return {};
  }
  return brokers;
}

/// As retention does: what is before `to` is gone.
inline void trim(Connection const& connection, TopicPartition const& partition, Offset to) {
  Trouble trouble;
  auto const client = Settings{connection}.client(RD_KAFKA_PRODUCER, &trouble);
  auto const before = list_with_offsets(Offsets{{partition, to}});
  auto* request = rd_kafka_DeleteRecords_new(before.get());
  KafkaQueue const queue{rd_kafka_queue_new(client.get())};
  rd_kafka_DeleteRecords(client.get(), &request, 1, nullptr, queue.get());
  KafkaEvent const answer{rd_kafka_queue_poll(queue.get(), 10'000)};
  rd_kafka_DeleteRecords_destroy(request);
  REQUIRE(answer);
  REQUIRE(rd_kafka_event_error(answer.get()) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

/// A name that no earlier run used.
inline std::string fresh(std::string const& name) {
  static int count = 0;
  return name + "-" + std::to_string(std::chrono::system_clock::now().time_since_epoch().count()) + "-" + std::to_string(++count);
}

/// What a call says that may throw a Fault; "": it throws none.
template <class Call>
std::string fault_if_any(Call call, Fault::Kind expected) {
  try {
    call();
  } catch (Fault const& fault) {
    CHECK(fault.kind() == expected);
    return fault.what();
  }
  return {};
}

/// What a call says that must throw a Fault.
template <class Call>
std::string fault_text(Call call, Fault::Kind expected) {
  auto text = fault_if_any(call, expected);
  CHECK_MESSAGE(!text.empty(), "it throws no Fault");
  return text;
}

}  // namespace penstock::kafka::test
