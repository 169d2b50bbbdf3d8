/// What a transformer must know from the canonical topics: the instruments of md.instruments, and when they are complete; the
/// gaps that md.gaps leaves open. One thread: the loop's.
#pragma once

#include "agents/transform/catalogue.hpp"
#include "agents/transform/open_gaps.hpp"
#include "streaming/consumer.hpp"
#include "streaming/time.hpp"

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string_view>
#include <vector>

namespace penstock {

class Knowledge {
 public:
  /// `topics`: follows md.instruments and md.gaps from their beginning, without a group.
  Knowledge(Consumer& topics, Clock& clock) : topics_{topics}, clock_{clock} {}

  /// What is there, to its end; at most 30 s. Throws Fault, as follow().
  void read(std::stop_token const& stop);
  /// What came since; in every round of the loop.
  void follow();
  /// What is there now, to its end; at most 5 s.
  void catch_up();
  /// Instruments come by the thousand: the first few of a provider are not the catalogue.
  bool is_complete(std::string_view provider) const;

  Catalogue& catalogue() { return catalogue_; }
  OpenGaps const& open_gaps() const { return open_gaps_; }

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;

  bool poll(std::chrono::milliseconds wait);
  void learn(Delivery const& delivery);

  // Set once.
  Consumer& topics_;
  Clock& clock_;

  // Changes in the loop.
  Catalogue catalogue_;
  OpenGaps open_gaps_;
  std::vector<Delivery> batch_;
  std::uint64_t version_ = 0;
  SteadyTime changed_{}, next_{};
};

}  // namespace penstock
