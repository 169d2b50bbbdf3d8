/// What `penstock check` looks at outside of the configuration: the broker and the database. Bounded: where one is away, it
/// says so within 5 s and looks no further.
#pragma once

#include "agents/operate/check.hpp"

#include <stop_token>
#include <vector>

namespace penstock {

/// Reachable, its cluster, transactions, topics. Throws nothing.
std::vector<Finding> check_broker(Config const& config);

/// Reachable, clock, TimescaleDB, migrations, tables, rights. Throws nothing.
std::vector<Finding> check_database(Config const& config, std::stop_token const& stop);

}  // namespace penstock
