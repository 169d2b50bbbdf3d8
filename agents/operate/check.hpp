/// Findings of `penstock check`, and how they are shown. No I/O.
#pragma once

#include "streaming/config.hpp"

#include <functional>
#include <string>
#include <vector>

namespace penstock {

struct Finding {
  std::string what;  ///< "broker 127.0.0.1:9092"
  bool good = true;
  std::string detail;  ///< what was found; where it is not good: what to do
};

/// Runs one check: `look` answers what it found, or throws (UsageError, Fault, …), which is a failed finding.
Finding finding(std::string what, std::function<std::string()> const& look);

/// Whether [publish.<name>] asks for what that provider has: throws UsageError, else says what it asks for.
std::string check_publisher(Config const& config, std::string const& name);

bool all_good(std::vector<Finding> const& findings);
/// `ok      broker 127.0.0.1:9092  23 topics`; failures begin with FAILED.
std::string findings_text(std::vector<Finding> const& findings);
/// {"ok":…,"checks":[{"what":…,"ok":…,"detail":…},…]}
std::string findings_json(std::vector<Finding> const& findings);

}  // namespace penstock
