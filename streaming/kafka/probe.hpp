/// Whether a broker answers, asked again and again over one connection of its own. One thread.
#pragma once

#include "streaming/kafka/kafka.hpp"

#include <chrono>
#include <memory>

namespace penstock::kafka {

class Probe {
 public:
  /// Throws UsageError for wrong kafka.properties.
  explicit Probe(Connection const& connection);
  ~Probe();

  /// Returns when one has answered; throws a Fault that says what to change: refused, at once, when one
  /// does not let us in; fatal when none did within `limit`.
  void ask(std::chrono::milliseconds limit);

 private:
  struct Client;
  std::unique_ptr<Client> client_;
};

}  // namespace penstock::kafka
