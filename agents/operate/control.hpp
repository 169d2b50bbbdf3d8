/// What `penstock ctl` asks of `penstock up`: one JSON object a line each way.
///   {"do":"status"} · {"do":"start"|"stop"|"restart","agent":"publish binance"} · {"do":"scale","agent":"transform","count":3} ·
///   {"do":"log-level","agent":"store","level":"debug"|"configured"} · {"do":"reload"}
///   {"ok":true,…} (of log-level with "left_out": those that do not run or have not reported yet) · {"ok":false,"error":"…"}
/// An agent is named by its name; "publish" stands for all publishers, "publish binance" for all of that provider, "all" for all.
#pragma once

#include "agents/supervisor.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

/// What the answers need of `penstock up`. reload and scale throw UsageError or Fault: then nothing has changed.
struct ControlHooks {
  std::function<std::string()> phase;  ///< running, or "waiting for the broker"
  std::function<Supervisor::Changes()> reload;
  std::function<Supervisor::Changes(std::string const& agent, int count)> scale;  ///< agent: without a number
};

/// The answer to one line, whatever is in it; does not throw.
std::string answer_control(std::string_view line, Supervisor& supervisor, ControlHooks const& hooks);

/// The names of the agents that `asked` stands for. Throws UsageError that names the nearest known one.
std::vector<std::string> agents_named(std::string_view asked, std::vector<ChildView> const& children);

/// {"started":[…],"stopped":[…],"restarted":{"store":["store.batch_age_ms_max"]}}, without the braces.
std::string json_of(Supervisor::Changes const& changes);

}  // namespace penstock
