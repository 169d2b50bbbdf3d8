/// Waits that grow with every failure and carry jitter. One thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace penstock {

class Backoff {
 public:
  explicit Backoff(std::chrono::milliseconds first = std::chrono::milliseconds{250},
                   std::chrono::milliseconds most = std::chrono::seconds{30})
      : first_{first}, most_{most}, next_{first} {}

  /// The next wait: doubles up to `most`; between half of it and all of it, at random.
  std::chrono::milliseconds next() {
    auto const full = next_;
    next_ = std::min(most_, next_ * 2);
    return std::chrono::milliseconds{std::uniform_int_distribution<long>{full.count() / 2, full.count()}(random_)};
  }
  void reset() { next_ = first_; }

 private:
  std::chrono::milliseconds first_, most_, next_;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace penstock
