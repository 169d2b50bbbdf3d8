/// Which dead letters somebody means. Pure; any thread.
#pragma once

#include "agents/dead/letter.hpp"

#include <chrono>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <string>

namespace penstock {

struct DeadRule {
  std::set<std::string, std::less<>> reasons;          ///< none: all
  Time since = Time::min(), until = Time::max();       ///< of failed_at, inclusive
  int attempts_max = std::numeric_limits<int>::max();  ///< so many times it may fail; then it stays
  /// For what is sent back by itself: so long after its last failure, doubled with every one before that, up to `delay_max`.
  std::chrono::milliseconds delay{}, delay_max{};

  bool names(Letter const& letter) const;
};

/// A letter that nothing was done with yet.
struct OpenLetter {
  Offset offset{};
  Time timestamp{};  ///< the log's own
  Time failed_at{};
  int attempt = 1;
  bool named = false;  ///< by the rule
};

enum class Choice : std::uint8_t {
  chosen,
  not_named,  ///< none of them
  worn_out,   ///< failed too often
  later,      ///< its delay is not over yet
};

/// The letters about one record stand and fall together: it would fail again for each of those that were left behind.
Choice choose(DeadRule const& rule, std::span<OpenLetter const> letters, Time now);
/// When the delay of these is over.
Time due(DeadRule const& rule, std::span<OpenLetter const> letters);

}  // namespace penstock
