/// What `penstock up` starts: a function of the configuration. No I/O.
#pragma once

#include "agents/supervisor.hpp"
#include "streaming/config.hpp"

#include <set>
#include <string>
#include <vector>

namespace penstock {

/// In which order agents are ended.
enum Rank : int { publishers = 0, transformers = 1, stores = 2 };

struct UpOptions {
  std::string program;            ///< this binary
  std::set<std::string> without;  ///< publish, transform, store, dead
  std::string embedded_brokers;   ///< host:port; "": no embedded broker
  std::string embedded_group;     ///< the stores' on it: offsets of an earlier run, which the database keeps, are not of this log
};

/// One publisher per [publish.<provider>] section, one transformer, one store, and where dead.retry_reasons names some what
/// replays these. They read the same file and variables;
/// flags given to `up` reach them as variables. Throws UsageError where nothing is left to start.
std::vector<ChildSpec> agents_of(Config const& config, UpOptions const& options);

}  // namespace penstock
