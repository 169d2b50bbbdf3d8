/// What a cluster says of itself, for people who set one up. Each waits at most `limit` and throws a Fault that says what to
/// change.
#pragma once

#include "streaming/kafka/kafka.hpp"

#include <chrono>
#include <string>

namespace penstock::kafka {

struct Cluster {
  std::string id;  ///< "": it has none
  int brokers = 0;
};
Cluster look_at_cluster(Connection const& connection, std::chrono::milliseconds limit);

/// Opens transactions under that id, as a transformer does, and writes nothing. Whoever uses the id at the moment is fenced.
void try_transactions(Connection const& connection, std::string const& transactional_id, std::chrono::milliseconds limit);

}  // namespace penstock::kafka
