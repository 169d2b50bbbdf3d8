/// Requests to the provider, within its budget. What an answer means is the provider's to say; a good one is published
/// here, what to do after a bad one is decided by whoever asked. One thread.
#pragma once

#include "agents/publishing.hpp"
#include "agents/rate_window.hpp"
#include "streaming/backoff.hpp"

#include <functional>

namespace penstock {

class Fetcher {
 public:
  /// Told once for each request, before a good answer is published. Throttled ones are to be asked again: the fetcher
  /// is not ready until they may.
  using Done = std::function<void(Answer const&)>;

  explicit Fetcher(Publishing& publishing);

  /// True when this request may start now: within the budget, nothing throttled, not too many at once, room in the queue.
  /// The first one that the budget is too small for holds its place, by its address, as long as it keeps asking: lighter
  /// ones do not eat the budget before it.
  bool ready(Request const& request);
  void start(Request const& request, Done done);
  void show_budget();

 private:
  void finish(Request const& request, Response const& response, Done const& done);
  Answer meaning_of(Request const& request, Response const& response) const;
  void throttle(Answer const& answer);

  // Set once.
  Publishing& publishing_;
  prometheus::Gauge& budget_remaining_;
  std::string connection_;  ///< raw header of all answers
  // Changes.
  RateWindow budget_;
  Backoff backoff_{std::chrono::seconds{2}, std::chrono::minutes{2}};
  std::chrono::steady_clock::time_point throttled_until_{};
  Request const* first_in_line_ = nullptr;
  std::chrono::steady_clock::time_point asked_again_{};  ///< by the first in line
  std::size_t running_ = 0;
  std::int64_t ordinal_ = 0;
};

}  // namespace penstock
