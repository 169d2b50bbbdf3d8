/// The Kafka adapter, over librdkafka's C API: consumers, producers, exchanges. Each object belongs to one thread.
/// librdkafka's own threads are hidden inside.
#pragma once

#include "streaming/consumer.hpp"
#include "streaming/producer.hpp"

#include <map>
#include <memory>
#include <stop_token>
#include <string>

namespace penstock::kafka {

/// How to reach the brokers. Shared by all that is made from it.
struct Connection {
  std::string brokers;  ///< host:port,host:port
  std::string client_id = "penstock";
  bool transactions = true;                       ///< false: the embedded broker, which has none
  std::map<std::string, std::string> properties;  ///< librdkafka's, for TLS and SASL
  std::string user, password_file;                ///< of SASL: a client that is not let in any more reads the file again
};

/// Throws a Fault that says what to change: refused, at once, when a broker does not let us in; fatal when none answers within
/// `limit`.
void check_reachable(Connection const& connection, std::chrono::milliseconds limit);

struct ConsumerOptions {
  std::string group;     ///< "": none; then subscribe() reads all partitions, see make_follower()
  std::string instance;  ///< static membership; "": dynamic
  std::chrono::milliseconds session_timeout{10'000};
  std::size_t queue_bytes_max = 16 << 20;  ///< fetched but not yet polled, whole consumer
  bool read_committed = true;
};
std::unique_ptr<Consumer> make_consumer(Connection const& connection, ConsumerOptions const& options);

/// Reads topics without a group, from `earliest` or from the end, all partitions; for catalogues, followers and tap.
struct FollowOptions {
  bool from_earliest = true;
  Time from_time{};  ///< when set: from the first record at or after it
  /// Partitions that are added later are looked for so often, and read from their beginning; 0: never. A look may hold a
  /// poll() for half a second when the broker is away.
  std::chrono::milliseconds new_partitions_every{};
};
std::unique_ptr<Consumer> make_follower(Connection const& connection, std::vector<Topic> const& topics,
                                        FollowOptions const& options);

/// Where pacing is on, what may wait in each topic for the group that reads it (see Pacing).
struct Pacing {
  std::size_t bytes_max = 0;             ///< per partition, written but not yet committed by the reader; 0: no pacing
  std::map<Topic, std::string> readers;  ///< topic -> group
};

struct ProducerOptions {
  std::size_t queue_bytes_max = 24 << 20;  ///< of memory, for records that are not acknowledged
  std::chrono::milliseconds linger{5};
  Pacing pacing;
};
std::unique_ptr<Producer> make_producer(Connection const& connection, ProducerOptions const& options);

struct ExchangeOptions {
  std::string transactional_id;            ///< used where the connection has transactions; unique per running process
  std::string group;                       ///< the consumer's
  std::size_t queue_bytes_max = 12 << 20;  ///< of memory, for records that are not acknowledged
  std::chrono::milliseconds linger{25};    ///< a commit sends what is left at once
  std::chrono::milliseconds transaction_timeout{60'000};
  Pacing pacing;         ///< not used with transactions: a reader waits for their end
  std::stop_token stop;  ///< requested: what blocks gives up with a transient Fault
};
/// Transactional where the connection has transactions; else produce, wait for the acknowledgements, commit the offsets.
std::unique_ptr<Exchange> make_exchange(Connection const& connection, ExchangeOptions const& options);

}  // namespace penstock::kafka
