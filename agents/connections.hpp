/// How agents and commands reach Kafka and the database, from the configuration.
#pragma once

#include "streaming/config.hpp"
#include "streaming/kafka/kafka.hpp"
#include "streaming/postgres/connection.hpp"

namespace penstock {

/// From kafka.brokers, kafka.transactions and kafka.properties. Throws UsageError for a property without `=`.
kafka::Connection connection_of(Config const& config);

/// From database.url and database.password.
postgres::Settings database_of(Config const& config);

/// Names this process among all of its kind, in ledgers and headers: store-<host>-<pid>.
std::string agent_instance(std::string_view agent);

}  // namespace penstock
