#include "agents/dead/rule.hpp"

#include <algorithm>

namespace penstock {
namespace {

int attempt_of(std::span<OpenLetter const> letters) { return std::ranges::max(letters, {}, &OpenLetter::attempt).attempt; }

}  // namespace

bool DeadRule::names(Letter const& letter) const {
  return (reasons.empty() || reasons.contains(letter.reason)) && since <= letter.failed_at && letter.failed_at <= until;
}

Choice choose(DeadRule const& rule, std::span<OpenLetter const> letters, Time now) {
  if (std::ranges::none_of(letters, &OpenLetter::named)) return Choice::not_named;
  if (attempt_of(letters) >= rule.attempts_max) return Choice::worn_out;
  return due(rule, letters) <= now ? Choice::chosen : Choice::later;
}

Time due(DeadRule const& rule, std::span<OpenLetter const> letters) {
  auto delay = rule.delay;
  for (int failures = attempt_of(letters); failures > 1 && delay < rule.delay_max; --failures) delay *= 2;
  return std::ranges::max(letters, {}, &OpenLetter::failed_at).failed_at + std::min(delay, rule.delay_max);
}

}  // namespace penstock
