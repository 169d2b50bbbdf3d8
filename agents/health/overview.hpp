/// How all agents of `penstock up` are, in one place. The supervisor's thread updates it, the HTTP server's asks it.
#pragma once

#include "agents/health/readiness.hpp"
#include "streaming/http/server.hpp"

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

/// One agent as its supervisor sees it.
struct AgentView {
  std::string name;   ///< "publish binance": label `instance`
  std::string kind;   ///< publish, transform, store, dead: label `agent`
  std::string state;  ///< running; stopped: as asked; anything else is not well
  std::string why;    ///< it is not running: how it ended, and its last words; "": it was not started yet
  int pid = 0;
  int restarts = 0;
  std::string status;  ///< its last status line, or ""
  std::chrono::steady_clock::time_point status_at{};
};

class Overview {
 public:
  /// Where nothing was updated for so long, the supervisor hangs; what an agent said so long ago is not true any more.
  static constexpr std::chrono::seconds silence_max{10};

  /// `clock`: of status_at.
  explicit Overview(Clock& clock = system_clock()) : clock_{clock}, updated_at_{clock.steady()} {}

  /// `phase`: what keeps all of it from running: "waiting for the database"; "": nothing.
  void update(std::vector<AgentView> agents, std::string phase = {});

  http::Page live() const;
  /// Its checks are those of all agents, each with its "agent", and one "running" for each.
  http::Page ready() const;
  /// Of all running agents, with label `instance`; penstock_up of those that are not stopped as asked, penstock_restarts_total of
  /// all; the supervisor's own use.
  http::Page metrics() const;
  /// [{"name":…,"state":…,"why":…,"pid":…,"restarts":…,"ready":…,"checks":[…],"rss_bytes":…,"cpu_seconds":…,"status":…},…];
  /// status: its last status line, or null
  http::Page agents() const;
  /// Prometheus' HTTP service discovery: where to scrape /metrics, which is where it asks.
  /// https://prometheus.io/docs/prometheus/latest/http_sd/
  static http::Page targets(std::string_view host);
  /// /livez, /readyz, /metrics, /agents, /targets. This must outlive them.
  http::Pages pages() const;

 private:
  std::vector<AgentView> agents_now() const;
  bool reports(AgentView const& agent) const;
  Check running(AgentView const& agent) const;

  Clock& clock_;
  mutable std::mutex mutex_;
  std::vector<AgentView> agents_;
  std::string phase_ = "starting";
  std::chrono::steady_clock::time_point updated_at_;
};

}  // namespace penstock
