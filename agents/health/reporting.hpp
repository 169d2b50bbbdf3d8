/// How an agent tells that it is well: a status line each second to whoever started it, and pages for whoever asks. In threads
/// of its own, so that a loop that hangs is seen; none where neither is wanted.
#pragma once

#include "agents/health/readiness.hpp"
#include "streaming/config.hpp"
#include "streaming/http/server.hpp"
#include "streaming/kafka/kafka.hpp"

#include <memory>
#include <mutex>
#include <thread>

namespace penstock {

ReadinessLimits readiness_limits_of(Config const& config);

/// At http.listen; nullptr where that is off. Throws a fatal Fault that names the setting where the address cannot be had.
std::unique_ptr<http::Server> serve(Config const& config, http::Pages pages);

class Reporting {
 public:
  /// `kafka`: the broker is asked every other second whether it is there (check "broker"). What is given must outlive it, as
  /// must the descriptor status.fd. A reader of it that went away is no trouble. Throws as serve() does.
  Reporting(Config const& config, kafka::Connection const& kafka, Metrics const& metrics, Health& health);

 private:
  void report(std::stop_token const& stop, int fd);
  void look();
  std::string status_line() const;
  http::Page live() const;
  http::Page ready() const;
  http::Page metrics() const;

  Metrics const& metrics_;
  Health& health_;
  std::chrono::milliseconds turn_max_;
  Readiness readiness_;
  mutable std::mutex mutex_;
  std::vector<Check> checks_;  ///< at most a second old
  std::unique_ptr<http::Server> server_;
  std::jthread prober_, reporter_;
};

/// {"ready":…,"checks":[…]}, 503 where one is not ready.
http::Page readiness_page(std::vector<Check> const& checks);

}  // namespace penstock
