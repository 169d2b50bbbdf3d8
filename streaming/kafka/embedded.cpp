#include "streaming/kafka/embedded.hpp"

#include "streaming/kafka/client.hpp"
#include "streaming/log.hpp"

#include <librdkafka/rdkafka_mock.h>

#include <array>

namespace penstock::kafka {

struct EmbeddedBroker::Cluster {
  using Handle = std::unique_ptr<rd_kafka_mock_cluster_t, Destroy<rd_kafka_mock_cluster_destroy>>;
  KafkaClient client;  ///< only carries the cluster
  Handle handle;
};

EmbeddedBroker::EmbeddedBroker() : cluster_{std::make_unique<Cluster>()} {
  std::array<char, 512> why{};
  KafkaConf conf{rd_kafka_conf_new()};
  rd_kafka_conf_set(conf.get(), "log_level", "3", why.data(), why.size());  // It warns that it has no broker; it is one.
  cluster_->client.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), why.data(), why.size()));
  if (!cluster_->client) throw Fault{Fault::Kind::fatal, "the embedded broker does not start: " + std::string{why.data()}};
  static_cast<void>(conf.release());  // rd_kafka_new() took it.
  cluster_->handle.reset(rd_kafka_mock_cluster_new(cluster_->client.get(), 1));
  if (!cluster_->handle)
    throw Fault{Fault::Kind::fatal, "the embedded broker does not start: is 127.0.0.1 there, and a free port?"};
  // Members of a group get their partitions at once instead of after 3 s.
  rd_kafka_mock_group_initial_rebalance_delay_ms(cluster_->handle.get(), 0);
  log::info(
      "embedded broker: in memory, about 5 MB a partition, no transactions; it is for trying out. "
      "For anything that must last, run Kafka or Redpanda and set kafka.brokers",
      {{"brokers", brokers()}});
}

EmbeddedBroker::~EmbeddedBroker() = default;

std::string EmbeddedBroker::brokers() const { return rd_kafka_mock_cluster_bootstraps(cluster_->handle.get()); }

void EmbeddedBroker::create_topic(std::string const& name, int partitions) {
  auto const error = rd_kafka_mock_topic_create(cluster_->handle.get(), name.c_str(), partitions, 1);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
    throw Fault{Fault::Kind::fatal, "the embedded broker cannot make topic " + name + ": " + rd_kafka_err2str(error)};
}

}  // namespace penstock::kafka
