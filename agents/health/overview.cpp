#include "agents/health/overview.hpp"

#include "agents/health/exposition.hpp"
#include "agents/version.hpp"
#include "streaming/json.hpp"
#include "streaming/log.hpp"
#include "streaming/metrics.hpp"

#include <simdjson.h>

#include <format>

namespace penstock {

namespace {

/// What /readyz and /agents show of a status line.
struct Status {
  std::vector<Check> checks;
  double rss_bytes = 0, cpu_seconds = 0;
};

Status parsed(std::string const& line) {
  Status status;
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  simdjson::dom::array checks;
  if (line.empty() || parser.parse(line).get(document) != simdjson::SUCCESS) return status;
  if (document["rss_bytes"].get(status.rss_bytes) != simdjson::SUCCESS) return status;
  if (document["cpu_seconds"].get(status.cpu_seconds) != simdjson::SUCCESS) return status;
  if (document["checks"].get(checks) != simdjson::SUCCESS) return status;
  for (auto const entry : checks) {
    std::string_view name, reason;
    bool ready = false;
    if (entry["name"].get(name) == simdjson::SUCCESS && entry["ready"].get(ready) == simdjson::SUCCESS &&
        entry["reason"].get(reason) == simdjson::SUCCESS)
      status.checks.push_back({.name = std::string{name}, .ready = ready, .reason = std::string{reason}});
  }
  return status;
}

}  // namespace

void Overview::update(std::vector<AgentView> agents, std::string phase) {
  std::lock_guard const guard{mutex_};
  phase_ = std::move(phase);
  agents_ = std::move(agents);
  updated_at_ = clock_.steady();
}

std::vector<AgentView> Overview::agents_now() const {
  std::lock_guard const guard{mutex_};
  return agents_;
}

bool Overview::reports(AgentView const& agent) const {
  return agent.state == "running" && !agent.status.empty() && clock_.steady() - agent.status_at <= silence_max;
}

Check Overview::running(AgentView const& agent) const {
  auto const check = [](bool ready, std::string reason) {
    return Check{.name = "running", .ready = ready, .reason = std::move(reason)};
  };
  if (agent.state == "stopped") return check(true, "stopped, as asked" + (agent.why.empty() ? "" : ": " + agent.why));
  if (agent.state != "running")
    return check(false, agent.state + (agent.why.empty() ? ": it was not started yet" : ": it " + agent.why));
  if (agent.status.empty()) return check(false, "it has just been started, and has not reported yet");
  if (!reports(agent))
    return check(false, std::format("it has not reported for {}: it was stopped (SIGSTOP), or the machine is overloaded; "
                                    "process {}",
                                    seconds_text(clock_.steady() - agent.status_at), agent.pid));
  return check(true, std::format("process {}, started again {} times", agent.pid, agent.restarts));
}

http::Page Overview::live() const {
  std::unique_lock guard{mutex_};
  auto const since = clock_.steady() - updated_at_;
  guard.unlock();
  bool const live = since <= silence_max;
  return {.status = live ? 200 : 503,
          .body = std::format(
              "{{\"live\":{},\"checks\":{}}}\n", live,
              to_json({Check{.name = "supervisor", .ready = live, .reason = "turned " + seconds_text(since) + " ago"}}))};
}

http::Page Overview::ready() const {
  std::unique_lock guard{mutex_};
  auto const agents = agents_;
  auto const phase = phase_;
  guard.unlock();
  bool ready = true;
  std::string checks;
  auto const add = [&](std::string const& agent, Check const& check) {
    ready = ready && check.ready;
    checks += std::format(R"({}{{"agent":{},"name":{},"ready":{},"reason":{}}})", checks.empty() ? "" : ",", json_string(agent),
                          json_string(check.name), check.ready, json_string(log::redacted(check.reason)));
  };
  if (!phase.empty()) add("up", {.name = "phase", .ready = false, .reason = phase});
  for (auto const& agent : agents) {
    add(agent.name, running(agent));
    if (!reports(agent)) continue;
    for (auto const& check : parsed(agent.status).checks) add(agent.name, check);
  }
  return {.status = ready ? 200 : 503, .body = std::format("{{\"ready\":{},\"checks\":[{}]}}\n", ready, checks)};
}

http::Page Overview::metrics() const {
  Exposition exposition;
  for (auto const& agent : agents_now()) {
    bool const up = reports(agent) && exposition.add_status(agent.status, {{"instance", agent.name}});
    Exposition::Labels const labels{{"agent", agent.kind}, {"instance", agent.name}};
    if (agent.state != "stopped") exposition.add("penstock_up", labels, up ? 1 : 0);
    exposition.add("penstock_restarts_total", labels, agent.restarts);
  }
  exposition.add_status(Metrics{"up"}.status_line(std::format(R"("version":"{}",)", penstock_version)), {{"instance", "up"}});
  return {.type = std::string{Exposition::type}, .body = exposition.text()};
}

http::Page Overview::agents() const {
  std::string out;
  for (auto const& agent : agents_now()) {
    auto const status = reports(agent) ? parsed(agent.status) : Status{};
    auto checks = status.checks;
    checks.insert(checks.begin(), running(agent));
    out += std::format(
        R"({}{{"name":{},"state":{},"why":{},"pid":{},"restarts":{},"ready":{},"checks":{},"rss_bytes":{:.0f},"cpu_seconds":{:.2f},"status":{}}})",
        out.empty() ? "" : ",", json_string(agent.name), json_string(agent.state), json_string(log::redacted(agent.why)),
        agent.pid, agent.restarts, all_ready(checks), to_json(checks), status.rss_bytes, status.cpu_seconds,
        status.rss_bytes > 0 ? log::redacted(agent.status) : "null");
  }
  return {.body = '[' + out + "]\n"};
}

// Agents have no pages of their own: all their metrics are on this one's.
http::Page Overview::targets(std::string_view host) {
  if (host.empty()) return {.status = 400, .type = "text/plain", .body = "the request has no Host, which is the target\n"};
  return {.body = R"([{"targets":[)" + json_string(host) + R"(],"labels":{}}])" + '\n'};
}

http::Pages Overview::pages() const {
  return {{"/livez", [this](auto) { return live(); }},
          {"/readyz", [this](auto) { return ready(); }},
          {"/metrics", [this](auto) { return metrics(); }},
          {"/agents", [this](auto) { return agents(); }},
          {"/targets", [](auto host) { return targets(host); }}};
}

}  // namespace penstock
