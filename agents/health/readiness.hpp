/// Whether an agent is ready: what its loop says of itself (Health), and what its counters say. One thread.
#pragma once

#include "streaming/health.hpp"
#include "streaming/metrics.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace penstock {

struct ReadinessLimits {
  std::int64_t lag_records_max = 0;      ///< 0: none
  std::int64_t dead_per_minute_max = 0;  ///< 0: none
  std::chrono::milliseconds turn_max{};  ///< of the loop
};

/// The check "loop", alone: /livez.
Check liveness(Health const& health, std::chrono::milliseconds turn_max);

class Readiness {
 public:
  Readiness(Health const& health, Metrics const& metrics, ReadinessLimits limits, Clock& clock = system_clock())
      : health_{health}, metrics_{metrics}, limits_{limits}, clock_{clock} {}

  /// Now. The rate of dead letters is that between the calls of the last minute: call it each second.
  std::vector<Check> look();

 private:
  using Instant = std::chrono::steady_clock::time_point;
  Check lag(double records) const;
  Check dead_letters(double total);

  Health const& health_;
  Metrics const& metrics_;
  ReadinessLimits limits_;
  Clock& clock_;
  std::deque<std::pair<Instant, double>> dead_;  ///< totals of the last minute
};

bool all_ready(std::vector<Check> const& checks);
/// [{"name":…,"ready":…,"reason":…},…]; secrets are replaced.
std::string to_json(std::vector<Check> const& checks);

}  // namespace penstock
