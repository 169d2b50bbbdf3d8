/// How agents and commands reach Kafka and the database, from the configuration.
#pragma once

#include "streaming/config.hpp"
#include "streaming/kafka/kafka.hpp"
#include "streaming/postgres/connection.hpp"

namespace penstock {

/// From [kafka]. Throws UsageError for a property without `=`, settings for TLS and SASL that do not fit together, files that
/// cannot be read, and a private key that others may read.
kafka::Connection connection_of(Config const& config);

/// From [database]. Throws UsageError for files as above.
postgres::Settings database_of(Config const& config);

/// The file that `key` names, "" for none. Throws UsageError where it cannot be read.
std::string readable_file(Config const& config, std::string const& key);

/// Names this process among all of its kind, in ledgers and headers: store-<host>-<pid>.
std::string agent_instance(std::string_view agent);

}  // namespace penstock
