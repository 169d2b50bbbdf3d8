/// The level of the log while everything runs: SIGUSR1 raises it to debug and sets it back; `penstock up` passes
/// it on, and `penstock ctl log-level` tells single ones.
/// One thread: the supervisor's.
#pragma once

#include "agents/supervisor.hpp"

#include <map>

namespace penstock {

/// Tells one child. False: it does not run, or has not reported yet, so it cannot be told.
bool set_log_level(ChildView const& child, bool raised);

/// Tells each child that has not been told yet, those that are started later, too. Call it now and then.
class LogLevelPasser {
 public:
  void pass_on(std::vector<ChildView> const& children);

 private:
  std::map<int, bool> told_;  ///< by process
};

}  // namespace penstock
