#include "agents/health/readiness.hpp"

#include "streaming/json.hpp"
#include "streaming/log.hpp"

#include <algorithm>
#include <cmath>
#include <format>

namespace penstock {

using namespace std::chrono_literals;

Check liveness(Health const& health, std::chrono::milliseconds turn_max) {
  auto const since = health.since_turn();
  if (!since) return {.name = "loop", .ready = true, .reason = "starting"};
  if (*since <= turn_max) return {.name = "loop", .ready = true, .reason = std::format("turned {} ago", seconds_text(*since))};
  return {.name = "loop",
          .ready = false,
          .reason = std::format("it has not turned for {}, more than health.turn_ms_max = {}: it hangs; its last log lines say "
                                "where, starting it again heals it",
                                seconds_text(*since), turn_max.count())};
}

std::vector<Check> Readiness::look() {
  auto checks = health_.checks();
  auto loop = liveness(health_, limits_.turn_max);
  if (!health_.since_turn()) {
    loop.ready = false;
    loop.reason = "it is starting: what it waits for is among the other checks, or in its log";
  }
  checks.push_back(std::move(loop));
  if (auto const records = metrics_.sum("penstock_lag_records")) checks.push_back(lag(*records));
  if (auto const letters = metrics_.sum("penstock_dead_total")) checks.push_back(dead_letters(*letters));
  std::ranges::sort(checks, {}, &Check::name);
  return checks;
}

Check Readiness::lag(double records) const {
  auto const most = limits_.lag_records_max;
  auto const ready = most == 0 || records <= static_cast<double>(most);
  auto reason = std::format("{:.0f} records are not read yet", records);
  if (!ready)
    reason += std::format(
        ", more than health.lag_records_max = {}: wait where the number falls (it was away); where it grows, start another one "
        "of this agent, its group shares the work",
        most);
  return {.name = "lag", .ready = ready, .reason = std::move(reason)};
}

Check Readiness::dead_letters(double total) {
  auto const now = clock_.steady();
  dead_.emplace_back(now, total);
  while (dead_.front().first < now - 1min) dead_.pop_front();
  auto const letters = total - dead_.front().second;
  auto const most = limits_.dead_per_minute_max;
  auto const ready = most == 0 || letters <= static_cast<double>(most);
  auto reason = std::format("{:.0f} dead letters in the last minute", letters);
  if (!ready)
    reason += std::format(
        ", more than health.dead_per_minute_max = {}: `penstock dead ls` says of which reasons, `penstock dead show` how one "
        "looks",
        most);
  return {.name = "dead-letters", .ready = ready, .reason = std::move(reason)};
}

bool all_ready(std::vector<Check> const& checks) { return std::ranges::all_of(checks, &Check::ready); }

std::string to_json(std::vector<Check> const& checks) {
  std::string out = "[";
  for (auto const& check : checks)
    out += std::format(R"({}{{"name":{},"ready":{},"reason":{}}})", out.size() == 1 ? "" : ",", json_string(check.name),
                       check.ready, json_string(log::redacted(check.reason)));
  return out += ']';
}

}  // namespace penstock
