#include "streaming/kafka/cluster.hpp"

#include "streaming/kafka/client.hpp"

#include <chrono>
#include <thread>

namespace penstock::kafka {

namespace {

// Whoever asks is told why it failed; log lines beside that would say it twice.
Settings quiet(Connection const& connection) {
  Settings settings{connection};
  settings.set("log_level", 0);
  return settings;
}

}  // namespace

Cluster look_at_cluster(Connection const& connection, std::chrono::milliseconds limit) {
  Trouble trouble;
  auto const client = quiet(connection).client(RD_KAFKA_PRODUCER, &trouble);
  rd_kafka_metadata_t const* found = nullptr;
  auto const error = rd_kafka_metadata(client.get(), 0, nullptr, &found, milliseconds_of(limit));
  rd_kafka_poll(client.get(), 0);
  if (trouble.fault) throw Fault{*trouble.fault};
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) throw fault_of(error, "the broker does not tell of its cluster", trouble.last_error);
  KafkaMetadata const metadata{found};
  Cluster cluster{.id = {}, .brokers = metadata->broker_cnt};
  if (char* const id = rd_kafka_clusterid(client.get(), milliseconds_of(limit))) {
    cluster.id = id;
    rd_kafka_mem_free(client.get(), id);
  }
  return cluster;
}

void try_transactions(Connection const& connection, std::string const& transactional_id, std::chrono::milliseconds limit) {
  Trouble trouble;
  auto settings = quiet(connection);
  settings.must("transactional.id", transactional_id);
  auto const client = settings.client(RD_KAFKA_PRODUCER, &trouble);
  auto const until = std::chrono::steady_clock::now() + limit;
  KafkaError error{rd_kafka_init_transactions(client.get(), milliseconds_of(limit))};
  // A broker that has just started loads what it knows of transactions first.
  while (error && rd_kafka_error_is_retriable(error.get()) != 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
    error.reset(rd_kafka_init_transactions(client.get(), milliseconds_of(limit)));
  }
  if (!error) return;
  auto const code = rd_kafka_error_code(error.get());
  auto const found = fault_of(code, "transactions cannot be opened", rd_kafka_error_string(error.get()));
  if (kind_of(code) != Fault::Kind::transient) throw Fault{found};
  throw Fault{found.kind(), std::string{found.what()} +
                                ": a broker that has none needs kafka.transactions = false (outputs may then come twice after a "
                                "crash); else look at its __transaction_state topic"};
}

}  // namespace penstock::kafka
