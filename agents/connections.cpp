#include "agents/connections.hpp"

#include "streaming/fault.hpp"
#include "streaming/log.hpp"

#include <unistd.h>

#include <array>

namespace penstock {

kafka::Connection connection_of(Config const& config) {
  kafka::Connection connection{.brokers = config.text("kafka.brokers"), .transactions = config.boolean("kafka.transactions")};
  for (auto const& property : config.list("kafka.properties")) {
    auto const equals = property.find('=');
    if (equals == std::string::npos || equals == 0)
      throw UsageError{"kafka.properties has \"" + property + "\" (" + config.origin("kafka.properties") +
                       "): an entry is name=value of librdkafka, such as security.protocol=ssl"};
    auto const name = property.substr(0, equals), value = property.substr(equals + 1);
    if (name.contains("password") || name.contains("secret")) log::redact(value);
    connection.properties[name] = value;
  }
  return connection;
}

postgres::Settings database_of(Config const& config) {
  return {.url = config.text("database.url"), .password = config.text("database.password")};
}

std::string agent_instance(std::string_view agent) {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host[0] = '?';
  return std::string{agent} + '-' + host.data() + '-' + std::to_string(getpid());
}

}  // namespace penstock
