/// What every client of librdkafka has in common here: settings, errors as Faults, its log lines in ours.
/// Only for the .cpp files of this folder.
#pragma once

#include "streaming/fault.hpp"
#include "streaming/kafka/handles.hpp"
#include "streaming/kafka/kafka.hpp"

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::kafka {

/// The largest record that may be written; topics allow the same.
inline constexpr std::size_t record_bytes_max = 20 << 20;

/// What librdkafka says outside of any call, from inside the poll of the client's own thread.
/// Address must not change while the client lives.
struct Trouble {
  std::optional<Fault> fault;             ///< the client is of no use any more
  std::string last_error;                 ///< for people: why no broker answers
  std::atomic<int> certificate_error{0};  ///< OpenSSL's verdict on a broker's certificate; from a thread of librdkafka's
  std::string user, password_file;        ///< of the connection
  std::chrono::steady_clock::time_point told_at{};
};

/// librdkafka's properties on their way to a client. Those of the connection win over set(), those of must() over all.
/// Throws UsageError for a property that librdkafka does not know or whose value it refuses.
class Settings {
 public:
  explicit Settings(Connection const& connection);
  Settings& set(char const* name, std::string const& value);
  Settings& set(char const* name, long long value) { return set(name, std::to_string(value)); }
  Settings& must(char const* name, std::string const& value);
  rd_kafka_conf_t* conf() { return conf_.get(); }

  /// Callbacks get `trouble`, or whatever derives from it, as their opaque pointer.
  KafkaClient client(rd_kafka_type_t type, Trouble* trouble);

 private:
  Connection const& connection_;
  KafkaConf conf_{rd_kafka_conf_new()};
};

/// Fatal where asking again cannot help.
Fault::Kind kind_of(rd_kafka_resp_err_t error);
/// "cannot write to raw.x: Broker: Unknown topic or partition: run `penstock topics apply`". `doing` may be "".
Fault fault_of(rd_kafka_resp_err_t error, std::string_view doing, std::string_view reason = {});
/// Why a client gave up for good.
Fault fatal_fault_of(rd_kafka_t* client);
bool is_unknown_topic(rd_kafka_resp_err_t error);

inline int milliseconds_of(std::chrono::milliseconds wait) { return static_cast<int>(std::max<long>(wait.count(), 0)); }

}  // namespace penstock::kafka
