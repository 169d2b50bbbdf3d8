/// Audits again and again, and tells how it went: metrics penstock_audit_ok and penstock_audit_timestamp_seconds, and a log line
/// for each difference.
#pragma once

#include "agents/audit.hpp"
#include "streaming/health.hpp"
#include "streaming/metrics.hpp"
#include "streaming/time.hpp"

#include <chrono>
#include <functional>
#include <stop_token>
#include <vector>

namespace penstock {

/// Each `every`, for the first time after one; returns when asked to stop. An audit that throws a transient Fault has no result:
/// the metrics stay as they were. Any other Fault is thrown on. One thread.
void keep_auditing(std::function<std::vector<Remark>()> const& audit, std::chrono::milliseconds every, Metrics& metrics,
                   Health& health, std::stop_token const& stop, Clock& clock = system_clock());

}  // namespace penstock
