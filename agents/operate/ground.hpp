/// What must be there before agents are started: topics and tables.
#pragma once

#include "streaming/config.hpp"
#include "streaming/kafka/embedded.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <stop_token>
#include <string>

namespace penstock {

/// Makes and alters topics as planned, but for what would destroy records; that is logged. Throws Fault, also
/// where it is stopped before it has changed anything.
void apply_topic_plan(Config const& config, std::stop_token const& stop);
/// Throws Fault where the database is away, or lacks tables; `apply`: makes them.
void prepare_database(Config const& config, bool apply, std::stop_token const& stop);

/// Runs `attempt` until it throws no transient Fault, with growing waits, and logs now and then that `what` is waited for; for at
/// most `limit` (0: without end), then throws the Fault. False: asked to stop.
bool until_there(std::string const& what, std::chrono::milliseconds limit, std::stop_token const& stop,
                 std::function<void()> const& attempt);

/// The broker in this process, and the topics it has.
class EmbeddedGround {
 public:
  /// Makes the topics that are planned and not there yet. Throws Fault.
  void make_topics(Config const& config);
  std::string brokers() const { return broker_.brokers(); }

 private:
  kafka::EmbeddedBroker broker_;
  std::set<std::string> made_;
};

}  // namespace penstock
