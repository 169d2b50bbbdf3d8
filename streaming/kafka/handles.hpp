/// librdkafka's handles that destroy themselves. Only for the .cpp files of this folder and their tests.
/// Messages and topics die before their client: declare the client first.
#pragma once

#include "streaming/record.hpp"

#include <librdkafka/rdkafka.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

namespace penstock::kafka {

template <auto destroy>
struct Destroy {
  void operator()(auto* handle) const noexcept { destroy(handle); }
};

/// Consumers are closed by hand, within a limit; destroying must not wait for a broker that is away.
inline void destroy_client(rd_kafka_t* client) { rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); }

using KafkaClient = std::unique_ptr<rd_kafka_t, Destroy<destroy_client>>;
using KafkaConf = std::unique_ptr<rd_kafka_conf_t, Destroy<rd_kafka_conf_destroy>>;
using KafkaTopic = std::unique_ptr<rd_kafka_topic_t, Destroy<rd_kafka_topic_destroy>>;
using KafkaMessage = std::unique_ptr<rd_kafka_message_t, Destroy<rd_kafka_message_destroy>>;
using KafkaHeaders = std::unique_ptr<rd_kafka_headers_t, Destroy<rd_kafka_headers_destroy>>;
using KafkaQueue = std::unique_ptr<rd_kafka_queue_t, Destroy<rd_kafka_queue_destroy>>;
using KafkaEvent = std::unique_ptr<rd_kafka_event_t, Destroy<rd_kafka_event_destroy>>;
using KafkaError = std::unique_ptr<rd_kafka_error_t, Destroy<rd_kafka_error_destroy>>;
using KafkaList = std::unique_ptr<rd_kafka_topic_partition_list_t, Destroy<rd_kafka_topic_partition_list_destroy>>;
using KafkaGroup = std::unique_ptr<rd_kafka_consumer_group_metadata_t, Destroy<rd_kafka_consumer_group_metadata_destroy>>;
using KafkaMetadata = std::unique_ptr<rd_kafka_metadata_t const, Destroy<rd_kafka_metadata_destroy>>;
using KafkaAdminOptions = std::unique_ptr<rd_kafka_AdminOptions_t, Destroy<rd_kafka_AdminOptions_destroy>>;

inline rd_kafka_topic_partition_t* add(KafkaList const& list, TopicPartition const& partition) {
  return rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), to_integer(partition.partition));
}

/// From any range of TopicPartition.
KafkaList list_of(auto const& partitions) {
  KafkaList list{rd_kafka_topic_partition_list_new(static_cast<int>(std::size(partitions)))};
  for (TopicPartition const& partition : partitions) add(list, partition);
  return list;
}

/// From penstock::Offsets.
KafkaList list_with_offsets(auto const& offsets) {
  KafkaList list{rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size()))};
  for (auto const& [partition, offset] : offsets) add(list, partition)->offset = to_integer(offset);
  return list;
}

/// From penstock::Commits.
KafkaList list_of_commits(auto const& commits) {
  KafkaList list{rd_kafka_topic_partition_list_new(static_cast<int>(commits.size()))};
  for (auto const& [partition, commit] : commits) {
    auto* const element = add(list, partition);
    element->offset = to_integer(commit.offset);
    if (commit.metadata.empty()) continue;
    element->metadata_size = commit.metadata.size();
    element->metadata = std::malloc(element->metadata_size);  // The list frees it.
    if (element->metadata == nullptr) throw std::bad_alloc{};
    std::memcpy(element->metadata, commit.metadata.data(), element->metadata_size);
  }
  return list;
}

inline TopicPartition partition_of(rd_kafka_topic_partition_t const& element) {
  return {element.topic, Partition{element.partition}};
}

inline std::vector<TopicPartition> partitions_of(rd_kafka_topic_partition_list_t const* list) {
  std::vector<TopicPartition> partitions;
  for (int i = 0; i < list->cnt; ++i) partitions.push_back(partition_of(list->elems[i]));
  return partitions;
}

}  // namespace penstock::kafka
