/// Findings of `penstock check`, and how they are shown. No I/O.
#pragma once

#include "streaming/config.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace penstock {

/// What one look found.
struct Found {
  enum class State : std::uint8_t { ok, warning, wrong };

  Found(std::string good) : detail{std::move(good)} {}
  Found(State how, std::string words) : state{how}, detail{std::move(words)} {}

  State state = State::ok;
  std::string detail;                                          ///< what was found; where it is not ok: what to do
  std::vector<std::pair<std::string, std::string>> rows = {};  ///< that would be inserted: table, JSON
};

struct Finding {
  std::string what;  ///< "broker 127.0.0.1:9092"
  Found found;
  bool of_configuration = false;
};

/// Runs one look, which answers what it found, or throws (UsageError, Fault, …): that is wrong, and secrets are not shown.
Finding finding(std::string what, std::function<Found()> const& look);

/// Whether [publish.<name>] asks for what that provider has: throws UsageError, else says what it asks for.
std::string check_publisher(Config const& config, std::string const& name);

/// What `penstock check` exits with: 0 nothing is wrong, 1 something is, 2 the configuration is. Warnings change nothing.
int exit_of(std::vector<Finding> const& findings);
/// `ok       broker 127.0.0.1:9092  1 broker`, `warning  …`, `WRONG    …`, below it the rows.
std::string findings_text(std::vector<Finding> const& findings);
/// {"ok":…,"checks":[{"what":…,"state":"ok|warning|wrong","detail":…,"rows":[{"table":…,"row":{…}}]},…]}; "rows" only where
/// there are some.
std::string findings_json(std::vector<Finding> const& findings);

}  // namespace penstock
