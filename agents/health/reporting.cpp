#include "agents/health/reporting.hpp"

#include "agents/health/exposition.hpp"
#include "agents/version.hpp"
#include "streaming/fault.hpp"
#include "streaming/kafka/probe.hpp"
#include "streaming/log.hpp"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <format>
#include <string_view>

namespace penstock {

using namespace std::chrono_literals;

namespace {

constexpr auto probe_every = 2s;
constexpr auto probe_wait = 1s;  // A stop waits for it.

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    auto const written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// A signal that a write raises goes to the thread that wrote: blocked here, it is gone with the thread.
void block_broken_pipe_signal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void ask_broker(kafka::Probe& probe, Health& health, std::stop_token const& stop) {
  while (!stop.stop_requested()) {
    try {
      probe.ask(probe_wait);
      health.good("broker");
    } catch (Fault const& fault) {
      health.bad("broker", fault.what());
    }
    system_clock().sleep(probe_every, stop);
  }
}

}  // namespace

ReadinessLimits readiness_limits_of(Config const& config) {
  return {.lag_records_max = config.integer("health.lag_records_max"),
          .dead_per_minute_max = config.integer("health.dead_per_minute_max"),
          .turn_max = config.milliseconds("health.turn_ms_max")};
}

std::unique_ptr<http::Server> serve(Config const& config, http::Pages pages) {
  auto const address = config.text("http.listen");
  if (address == "off") return nullptr;
  try {
    auto server = std::make_unique<http::Server>(address, std::move(pages));
    log::info("health and metrics are served", {{"port", std::to_string(server->port())}, {"address", address}});
    if (!server->is_loopback())
      log::warning("http.listen is not a loopback address: whoever reaches it reads metrics and health, without a password");
    return server;
  } catch (Fault const& fault) {
    throw Fault{fault.kind(), std::string{fault.what()} +
                                  ": set http.listen (--http-listen, PENSTOCK_HTTP_LISTEN) to another address or port; port 0 is "
                                  "any that is free, off is no server"};
  }
}

http::Page readiness_page(std::vector<Check> const& checks) {
  bool const ready = all_ready(checks);
  return {.status = ready ? 200 : 503, .body = std::format("{{\"ready\":{},\"checks\":{}}}\n", ready, to_json(checks))};
}

Reporting::Reporting(Config const& config, kafka::Connection const& kafka, Metrics const& metrics, Health& health)
    : metrics_{metrics},
      health_{health},
      turn_max_{config.milliseconds("health.turn_ms_max")},
      readiness_{health, metrics, readiness_limits_of(config)} {
  auto const fd = static_cast<int>(config.integer("status.fd"));
  if (fd < 0 && config.text("http.listen") == "off") return;
  health_.bad("broker", "it was not reached yet");
  look();
  server_ = serve(config, {{"/livez", [this](auto) { return live(); }},
                           {"/readyz", [this](auto) { return ready(); }},
                           {"/metrics", [this](auto) { return this->metrics(); }}});
  prober_ = std::jthread{[&health, probe = std::make_unique<kafka::Probe>(kafka)](std::stop_token const& stop) {
    ask_broker(*probe, health, stop);
  }};
  reporter_ = std::jthread{[this, fd](std::stop_token const& stop) { report(stop, fd); }};
}

void Reporting::report(std::stop_token const& stop, int fd) {
  block_broken_pipe_signal();
  while (true) {
    look();
    if (fd >= 0 && !write_all(fd, status_line() + '\n')) fd = -1;
    if (stop.stop_requested()) return;
    system_clock().sleep(1s, stop);
  }
}

void Reporting::look() {
  auto checks = readiness_.look();
  std::lock_guard const guard{mutex_};
  checks_ = std::move(checks);
}

std::string Reporting::status_line() const {
  std::lock_guard const guard{mutex_};
  return metrics_.status_line(
      std::format(R"("version":"{}","ready":{},"checks":{},)", penstock_version, all_ready(checks_), to_json(checks_)));
}

http::Page Reporting::live() const {
  auto const check = liveness(health_, turn_max_);
  return {.status = check.ready ? 200 : 503,
          .body = std::format("{{\"live\":{},\"checks\":{}}}\n", check.ready, to_json({check}))};
}

http::Page Reporting::ready() const {
  std::lock_guard const guard{mutex_};
  return readiness_page(checks_);
}

http::Page Reporting::metrics() const {
  Exposition exposition;
  exposition.add_status(status_line(), {});
  return {.type = std::string{Exposition::type}, .body = exposition.text()};
}

}  // namespace penstock
