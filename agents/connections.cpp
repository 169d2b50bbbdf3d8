#include "agents/connections.hpp"

#include "streaming/fault.hpp"
#include "streaming/file_access.hpp"
#include "streaming/log.hpp"
#include "streaming/this_machine.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <ranges>
#include <utility>

namespace penstock {

namespace {

/// What a setting says that makes no sense: "penstock.toml line 3: kafka.tls_ca_file is given, but …".
[[noreturn]] void refuse(Config const& config, std::string const& key, std::string const& why) {
  throw UsageError{config.origin(key) + ": " + key + why};
}

/// As readable_file(), for what others may not read.
std::string private_file(Config const& config, std::string const& key) {
  auto const path = readable_file(config, key);
  if (auto const why = exposed(path); !why.empty()) refuse(config, key, " names \"" + path + '"' + why);
  return path;
}

/// A certificate without its key is of no use, nor the other way round.
void check_pair(Config const& config, std::string const& certificate, std::string const& key) {
  for (auto const& [one, other] : {std::pair{certificate, key}, std::pair{key, certificate}})
    if (!config.text(one).empty() && config.text(other).empty()) refuse(config, one, " is given without " + other + "; set both");
}

/// [scheme://]host[:port], several behind commas.
bool are_on_this_machine(std::string_view brokers) {
  return std::ranges::all_of(std::views::split(brokers, ','), [](auto const part) {
    std::string_view broker{part};
    while (broker.starts_with(' ')) broker.remove_prefix(1);
    while (broker.ends_with(' ')) broker.remove_suffix(1);
    if (auto const scheme = broker.find("://"); scheme != broker.npos) broker.remove_prefix(scheme + 3);
    auto const address_ends = broker.starts_with('[') ? broker.find(']') : 0;
    return is_this_machine(broker.substr(0, broker.find(':', address_ends)));
  });
}

/// In librdkafka's words.
void add_tls(Config const& config, kafka::Connection& connection) {
  check_pair(config, "kafka.tls_certificate_file", "kafka.tls_key_file");
  for (auto const& [key, property] :
       {std::pair{"kafka.tls_ca_file", "ssl.ca.location"}, std::pair{"kafka.tls_certificate_file", "ssl.certificate.location"},
        std::pair{"kafka.tls_key_file", "ssl.key.location"}}) {
    auto const file = std::string_view{key} == "kafka.tls_key_file" ? private_file(config, key) : readable_file(config, key);
    if (file.empty()) continue;
    if (!config.boolean("kafka.tls")) refuse(config, key, " is given, but kafka.tls is false; set kafka.tls = true");
    connection.properties[property] = file;
  }
}

void add_sasl(Config const& config, kafka::Connection& connection) {
  auto const mechanism = config.text("kafka.sasl_mechanism");
  if (mechanism == "none") {
    for (auto const* key : {"kafka.sasl_username", "kafka.sasl_password"})
      if (!config.text(key).empty())
        refuse(config, key, " is given, but no kafka.sasl_mechanism; set it to PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512");
    return;
  }
  for (auto const* key : {"kafka.sasl_username", "kafka.sasl_password"})
    if (config.text(key).empty()) refuse(config, "kafka.sasl_mechanism", " is " + mechanism + ", which needs " + key);
  if (mechanism == "PLAIN" && !config.boolean("kafka.tls") && !are_on_this_machine(connection.brokers))
    refuse(config, "kafka.sasl_mechanism", " is PLAIN, which shows the password to the network; set kafka.tls = true");
  connection.properties["sasl.mechanisms"] = mechanism;
  connection.properties["sasl.username"] = connection.user = config.text("kafka.sasl_username");
  connection.properties["sasl.password"] = config.text("kafka.sasl_password");
  connection.password_file = config.secret_file("kafka.sasl_password");
}

void add_security(Config const& config, kafka::Connection& connection) {
  add_tls(config, connection);
  add_sasl(config, connection);
  std::string const channel = config.boolean("kafka.tls") ? "ssl" : "plaintext";
  auto const sasl = connection.properties.contains("sasl.mechanisms");
  if (sasl || channel == "ssl") connection.properties["security.protocol"] = sasl ? "sasl_" + channel : channel;
}

}  // namespace

std::string readable_file(Config const& config, std::string const& key) {
  auto const path = config.text(key);
  if (path.empty()) return {};
  if (auto const why = unreadable(path); !why.empty()) refuse(config, key, " names \"" + path + '"' + why);
  return path;
}

kafka::Connection connection_of(Config const& config) {
  kafka::Connection connection{.brokers = config.text("kafka.brokers"), .transactions = config.boolean("kafka.transactions")};
  add_security(config, connection);
  for (auto const& property : config.list("kafka.properties")) {
    auto const equals = property.find('=');
    if (equals == std::string::npos || equals == 0)
      throw UsageError{"kafka.properties has \"" + property + "\" (" + config.origin("kafka.properties") +
                       "): an entry is name=value of librdkafka, such as socket.timeout.ms=30000"};
    auto const name = property.substr(0, equals), value = property.substr(equals + 1);
    if (name.contains("password") || name.contains("secret")) log::redact(value);
    connection.properties[name] = value;
  }
  return connection;
}

postgres::Settings database_of(Config const& config) {
  check_pair(config, "database.tls_certificate_file", "database.tls_key_file");
  return {.url = config.text("database.url"),
          .password = config.text("database.password"),
          .password_file = config.secret_file("database.password"),
          .tls = {.mode = config.text("database.tls_mode"),
                  .ca_file = readable_file(config, "database.tls_ca_file"),
                  .certificate_file = readable_file(config, "database.tls_certificate_file"),
                  .key_file = private_file(config, "database.tls_key_file")}};
}

std::string agent_instance(std::string_view agent) {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host[0] = '?';
  return std::string{agent} + '-' + host.data() + '-' + std::to_string(getpid());
}

}  // namespace penstock
