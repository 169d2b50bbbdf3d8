/// The publisher: brings in what one provider says, byte for byte, to raw.<provider>. One loop on one thread.
#pragma once

#include "agents/gap_follower.hpp"
#include "agents/provider.hpp"
#include "streaming/health.hpp"
#include "streaming/http/client.hpp"
#include "streaming/metrics.hpp"
#include "streaming/producer.hpp"
#include "streaming/spool.hpp"

#include <chrono>
#include <stop_token>
#include <string>

namespace penstock {

struct PublishOptions {
  std::string publisher;               ///< raw header: who this is, host/process
  std::chrono::milliseconds turn{20};  ///< longest wait for the outside world in one turn of the loop
  std::chrono::milliseconds flush_max{std::chrono::seconds{3}};
};

/// Runs until `stop`. `spool`: where records go while the broker is away; nullptr: nowhere, the provider waits. Throws a
/// fatal Fault of the broker, and a transient one where records were neither acknowledged within `flush_max` at the end nor
/// had room in the spool; all other troubles are ridden out with backoff. `health` gets the checks "output", "spool" and
/// "streams".
void run_publish(Provider const& provider, Subscription const& subscription, PublishOptions const& options, http::Client& client,
                 Producer& producer, Spool* spool, GapsTopic const& gaps, Clock& clock, Metrics& metrics, Health& health,
                 std::stop_token const& stop);

}  // namespace penstock
