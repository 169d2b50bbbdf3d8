#include "streaming/health.hpp"

#include <format>
#include <utility>

namespace penstock {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

void Health::turned() { turned_.store(clock_.steady().time_since_epoch().count(), std::memory_order_relaxed); }

std::optional<milliseconds> Health::since_turn() const {
  auto const turned = turned_.load(std::memory_order_relaxed);
  if (turned == 0) return {};
  return duration_cast<milliseconds>(clock_.steady() - Instant{Instant::duration{turned}});
}

void Health::good(std::string_view check, std::string how) { say(check, true, std::move(how)); }
void Health::bad(std::string_view check, std::string why) { say(check, false, std::move(why)); }

void Health::say(std::string_view check, bool ready, std::string text) {
  auto const now = clock_.steady();
  std::lock_guard const guard{mutex_};
  auto const [found, is_new] = states_.try_emplace(std::string{check});
  auto& state = found->second;
  if (is_new || state.ready != ready) state.since = now;
  state.ready = ready;
  state.said = now;
  state.text = std::move(text);
}

std::vector<Check> Health::checks() const {
  auto const now = clock_.steady();
  std::lock_guard const guard{mutex_};
  std::vector<Check> checks;
  for (auto const& [name, state] : states_) {
    auto reason = state.text;
    if (!state.ready)
      reason = std::format("for {}: {}", seconds_text(now - state.since), state.text);
    else if (reason.empty())
      reason = std::format("last contact {} ago", seconds_text(now - state.said));
    checks.push_back({.name = name, .ready = state.ready, .reason = std::move(reason)});
  }
  return checks;
}

std::string seconds_text(std::chrono::steady_clock::duration duration) {
  auto const seconds = std::chrono::duration<double>(duration).count();
  return seconds < 10 ? std::format("{:.1f} s", seconds) : std::format("{:.0f} s", seconds);
}

}  // namespace penstock
