/// How much of a budget is left: no more than `limit` within any `span`. A sliding window, so that it holds for the
/// provider's own windows wherever they begin. One thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>

namespace penstock {

class RateWindow {
 public:
  using Instant = std::chrono::steady_clock::time_point;

  RateWindow(int limit, std::chrono::milliseconds span) : limit_{limit}, span_{span} {}

  /// Something heavier than the whole budget passes when nothing else was used: waiting could not help it.
  bool allows(std::int64_t weight, Instant now) {
    forget(now);
    return used_ == 0 || used_ + weight <= limit_;
  }
  void take(std::int64_t weight, Instant now) {
    used_ += weight;
    uses_.push_back({now, weight});
  }
  /// The provider counts more than we do: others use the same budget.
  void observe(std::int64_t used, Instant now) {
    forget(now);
    if (used > used_) take(used - used_, now);
  }
  std::int64_t remaining(Instant now) {
    forget(now);
    return std::max<std::int64_t>(0, limit_ - used_);
  }

 private:
  struct Use {
    Instant when;
    std::int64_t weight;
  };
  void forget(Instant now) {
    for (; !uses_.empty() && uses_.front().when + span_ <= now; uses_.pop_front()) used_ -= uses_.front().weight;
  }

  // Set once.
  std::int64_t limit_;
  std::chrono::milliseconds span_;
  // Changes.
  std::deque<Use> uses_;
  std::int64_t used_ = 0;
};

}  // namespace penstock
