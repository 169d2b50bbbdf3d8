#include "agents/operate/log_level.hpp"

#include "streaming/log.hpp"

#include <csignal>
#include <string>

namespace penstock {
namespace {

// One that has not reported yet may not know the signal yet, and would die of it.
bool can_be_told(ChildView const& child) {
  return child.pid > 0 && child.status.contains("\"pid\":" + std::to_string(child.pid) + ',');
}

void tell(ChildView const& child, bool raised) {
  ::sigqueue(child.pid, SIGUSR1, sigval{.sival_int = raised ? log::raise_level : log::set_level_back});
}

}  // namespace

bool set_log_level(ChildView const& child, bool raised) {
  if (!can_be_told(child)) return false;
  tell(child, raised);
  return true;
}

// Told what to do, not to change it: an operator may have signalled all processes at once.
void LogLevelPasser::pass_on(std::vector<ChildView> const& children) {
  bool const raised = log::is_raised();
  std::map<int, bool> told;
  for (auto const& child : children) {
    if (!can_be_told(child)) continue;
    auto const before = told_.find(child.pid);
    bool const knows = before == told_.end() ? !raised : before->second == raised;
    if (!knows) tell(child, raised);
    told[child.pid] = raised;
  }
  told_ = std::move(told);
}

}  // namespace penstock
