/// What `penstock up` starts: a function of the configuration. No I/O.
#pragma once

#include "agents/supervisor.hpp"
#include "streaming/config.hpp"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace penstock {

/// In which order agents are ended.
enum Rank : int { publishers = 0, transformers = 1, stores = 2 };

struct UpOptions {
  std::string program;            ///< this binary
  std::set<std::string> without;  ///< publish, transform, store, dead, audit
  std::string embedded_brokers;   ///< host:port; "": no embedded broker
  std::string embedded_group;     ///< the stores' on it: offsets of an earlier run, which the database keeps, are not of this log
  std::map<std::string, int> counts;       ///< "transform", "publish binance": how many, whatever the configuration says
  std::shared_ptr<Descriptor const> text;  ///< of the configuration file, handed to the agents; nullptr: they read the file
};

/// Publishers of each [publish.<provider>] section, transformers, stores, and where dead.retry_reasons names some what replays
/// these, and where audit.every_ms says so what audits; what reads before what writes. They read the same file and variables;
/// flags given to `up` reach them as variables. ChildSpec::settings holds what each of them works by, secrets included. Throws
/// UsageError where nothing is left to start.
std::vector<ChildSpec> agents_of(Config const& config, UpOptions const& options);

/// "transform" of "transform 2", "publish binance" of "publish binance".
std::string name_without_number(ChildSpec const& agent);

}  // namespace penstock
