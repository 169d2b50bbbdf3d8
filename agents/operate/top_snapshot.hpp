/// What all agents said of themselves at one moment: the supervisor's status file (Progress::json), or its /agents over HTTP
/// (Overview::agents), which is the list alone. Pure; any thread.
#pragma once

#include "streaming/time.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

/// One counter, gauge or histogram.
struct Series {
  using Labels = std::map<std::string, std::string, std::less<>>;
  std::string name;  ///< penstock_written_total
  Labels labels;
  double value = 0;
  std::map<double, double> buckets;  ///< of histograms: upper bound -> how many are in this bucket alone

  std::string_view label(std::string_view of) const;
};

struct AgentSnapshot {
  std::string name;   ///< "publish binance", "transform", "store"
  std::string state;  ///< running, waiting, ended
  std::int64_t pid = 0, restarts = 0;
  double rss_bytes = 0;
  std::vector<Series> series;

  std::string_view kind() const;      ///< publish
  std::string_view provider() const;  ///< of publishers; else ""
};

struct Snapshot {
  Time at{};  ///< when it was written
  std::vector<AgentSnapshot> agents;
};

/// Nothing: it is not such an object. What an agent left out, or said in a way that is not known, counts as not said.
std::optional<Snapshot> parse_snapshot(std::string_view json, Time at);

}  // namespace penstock
