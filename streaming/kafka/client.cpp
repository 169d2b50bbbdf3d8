#include "streaming/kafka/client.hpp"

#include "streaming/file_access.hpp"
#include "streaming/kafka/way_in.hpp"
#include "streaming/log.hpp"

#include <syslog.h>
#include <array>
#include <cstdio>

namespace penstock::kafka {
namespace {

void on_log(rd_kafka_t const* /*client*/, int level, char const* facility, char const* text) {
  // kafka.properties are for all clients: what one kind of client has no use for is no mistake.
  if (std::string_view{text}.contains("property and will be ignored by this")) return;
  auto const ours = level <= LOG_ERR ? log::Level::error : level <= LOG_WARNING ? log::Level::warning : log::Level::debug;
  // What librdkafka calls an error here is an outage that it repairs by itself.
  log::write(std::min(ours, log::Level::warning), "kafka client", {{"about", facility}, {"why", text}});
}

constexpr std::chrono::seconds tell_again{30};

bool was_let_in(rd_kafka_t* client) {
  auto* const cluster = rd_kafka_clusterid(client, 0);  // Known since the first answer.
  if (cluster != nullptr) rd_kafka_mem_free(client, cluster);
  return cluster != nullptr;
}

/// librdkafka goes on trying, from now on with the password that the file holds now.
void read_password_again(rd_kafka_t* client, Trouble const& trouble) {
  auto const password = trouble.password_file.empty() ? std::string{} : secret_text(trouble.password_file);
  if (password.empty()) return;
  log::redact(password);
  KafkaError const error{rd_kafka_sasl_set_credentials(client, trouble.user.c_str(), password.c_str())};
  if (error) log::warning("the new password is not taken", {{"why", rd_kafka_error_string(error.get())}});
}

/// Who was let in before will be again: the password or the certificate is being changed.
void not_let_in(rd_kafka_t* client, Trouble& trouble, std::string const& why) {
  trouble.last_error = why;
  if (!was_let_in(client)) {
    trouble.fault.emplace(Fault::Kind::refused, why);
    return;
  }
  read_password_again(client, trouble);
  auto const now = std::chrono::steady_clock::now();
  if (now < trouble.told_at + tell_again) return;
  trouble.told_at = now;
  log::error(
      "the broker does not let us in any more; it is asked again",
      {{"why", why}, {"do", "let the user of kafka.sasl_username in again, or set it and its password, and start this anew"}});
}

/// From a thread of librdkafka's. 0: not accepted, and librdkafka hangs up.
int on_certificate(rd_kafka_t* /*client*/, char const* /*broker*/, std::int32_t /*id*/, int* error, int /*depth*/,
                   char const* /*certificate*/, std::size_t /*size*/, char* why, std::size_t why_size, void* opaque) {
  if (*error == 0) return 1;
  static_cast<Trouble*>(opaque)->certificate_error = *error;
  std::snprintf(why, why_size, "X509 error %d", *error);
  return 0;
}

void on_error(rd_kafka_t* client, int code, char const* reason, void* opaque) {
  auto& trouble = *static_cast<Trouble*>(opaque);
  auto const error = static_cast<rd_kafka_resp_err_t>(code);
  if (auto const why = refusal_text(error, reason, trouble.certificate_error); !why.empty())
    return not_let_in(client, trouble, why);
  // "All brokers are down" follows every reason and says nothing about it.
  if (error != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || trouble.last_error.empty()) trouble.last_error = reason;
  if (error == RD_KAFKA_RESP_ERR__FATAL) trouble.fault.emplace(fatal_fault_of(client));
}

/// What a person can do about it; "" where waiting is the answer.
std::string_view advice(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION: return "run `penstock topics apply`";
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
      return "the topic's max.message.bytes is too small, or the record is larger than 20 MB; `penstock topics apply` sets the "
             "former";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
      return "give the user of kafka.sasl_username the right to (docs/operations/security.md lists them), or set another";
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID: return "another instance with the same id took over; run only one of them";
    case RD_KAFKA_RESP_ERR_INVALID_RECORD: return "a compacted topic needs records with a key";
    default: return {};
  }
}

/// Whose value librdkafka does not take: "kafka.tls_key_file: ".
std::string setting_of(std::string_view why) {
  if (why.contains("ssl.ca.location")) return "kafka.tls_ca_file: ";
  if (why.contains("ssl.certificate.location")) return "kafka.tls_certificate_file: ";
  return why.contains("ssl.key.location") ? "kafka.tls_key_file: " : "kafka.properties: ";
}

}  // namespace

bool is_unknown_topic(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
         error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

Fault::Kind kind_of(rd_kafka_resp_err_t error) {
  if (error == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) return Fault::Kind::displaced;
  if (!advice(error).empty()) return Fault::Kind::fatal;
  switch (error) {
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED: return Fault::Kind::refused;
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION: return Fault::Kind::fatal;
    default: return Fault::Kind::transient;
  }
}

Fault fault_of(rd_kafka_resp_err_t error, std::string_view doing, std::string_view reason) {
  std::string text{doing};
  if (!text.empty()) text += ": ";
  text += reason.empty() ? std::string_view{rd_kafka_err2str(error)} : reason;
  if (auto const what_to_do = advice(error); !what_to_do.empty()) text.append(": ").append(what_to_do);
  return {kind_of(error), text};
}

Fault fatal_fault_of(rd_kafka_t* client) {
  std::array<char, 512> reason{};
  auto const error = rd_kafka_fatal_error(client, reason.data(), reason.size());
  auto const found = fault_of(error, "", reason.data());
  return {found.kind() == Fault::Kind::displaced ? found.kind() : Fault::Kind::fatal, found.what()};
}

Settings::Settings(Connection const& connection) : connection_{connection} {
  if (connection.brokers.empty()) throw UsageError{"kafka.brokers is empty: give host:port of a broker"};
  must("bootstrap.servers", connection.brokers);
  set("client.id", connection.client_id);
  set("log.connection.close", "false");
  // A client that pushes its metrics to the broker takes up to a second to end, for a last push.
  set("enable.metrics.push", "false");
  // A broker that is back is wanted at once, by each of a client's connections.
  set("reconnect.backoff.ms", 50).set("reconnect.backoff.max.ms", 250);
  // Topics and partitions that were added are seen within this time.
  set("topic.metadata.refresh.interval.ms", 10'000);
  for (auto const& [name, value] : connection.properties) must(name.c_str(), value);
  rd_kafka_conf_set_log_cb(conf_.get(), on_log);
  rd_kafka_conf_set_error_cb(conf_.get(), on_error);
  rd_kafka_conf_set_ssl_cert_verify_cb(conf_.get(), on_certificate);
}

Settings& Settings::set(char const* name, std::string const& value) {
  return connection_.properties.contains(name) ? *this : must(name, value);
}

Settings& Settings::must(char const* name, std::string const& value) {
  std::array<char, 512> why{};
  if (rd_kafka_conf_set(conf_.get(), name, value.c_str(), why.data(), why.size()) == RD_KAFKA_CONF_OK) return *this;
  throw UsageError{setting_of(why.data()) + why.data()};
}

KafkaClient Settings::client(rd_kafka_type_t type, Trouble* trouble) {
  std::array<char, 512> why{};
  trouble->user = connection_.user;
  trouble->password_file = connection_.password_file;
  rd_kafka_conf_set_opaque(conf_.get(), trouble);
  KafkaClient client{rd_kafka_new(type, conf_.get(), why.data(), why.size())};
  if (!client) throw UsageError{setting_of(why.data()) + why.data()};
  static_cast<void>(conf_.release());  // rd_kafka_new() took it.
  return client;
}

}  // namespace penstock::kafka
