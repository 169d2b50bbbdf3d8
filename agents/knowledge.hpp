/// Keeps a Catalogue at what md.instruments says, and knows when it is complete. One thread: the loop's.
#pragma once

#include "agents/transform/catalogue.hpp"
#include "streaming/consumer.hpp"
#include "streaming/time.hpp"

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string_view>
#include <vector>

namespace penstock {

class CatalogueFollower {
 public:
  /// `topic`: follows md.instruments from its beginning, without a group.
  CatalogueFollower(Consumer& topic, Clock& clock) : topic_{topic}, clock_{clock} {}

  /// What is there, to its end; at most 30 s. Throws Fault, as follow().
  void read(std::stop_token const& stop);
  /// What came since; in every round of the loop.
  void follow();
  /// Instruments come by the thousand: the first few of a provider are not the catalogue.
  bool is_complete(std::string_view provider) const;

  Catalogue& catalogue() { return catalogue_; }

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;

  bool poll(std::chrono::milliseconds wait);

  // Set once.
  Consumer& topic_;
  Clock& clock_;

  // Changes in the loop.
  Catalogue catalogue_;
  std::vector<Delivery> batch_;
  std::uint64_t version_ = 0;
  SteadyTime changed_{}, next_{};
};

}  // namespace penstock
