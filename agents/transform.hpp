/// The transform agent: raw.<provider> -> md.<kind>. Output, dead letters, ledger and input offsets move on together.
/// Runs on the caller's thread until stop is requested; throws a fatal Fault when going on cannot help.
#pragma once

#include "agents/ledger.hpp"
#include "agents/provider.hpp"
#include "streaming/consumer.hpp"
#include "streaming/health.hpp"
#include "streaming/metrics.hpp"
#include "streaming/producer.hpp"

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

namespace penstock {

std::vector<Topic> knowledge_topics();

struct TransformOptions {
  std::vector<Provider const*> providers;      ///< whose raw.<provider> is read
  std::string group = "penstock-transform";    ///< the consumer's
  std::string instance = "transform";          ///< names this process in the ledger
  std::chrono::milliseconds commit_after{10};  ///< since the first record of an interval
  std::size_t commit_count_max = 100'000;      ///< records of an interval
  std::int64_t window_records = 100'000;   ///< W: duplicates are looked for in as many of a partition; a restart reads them again
  std::chrono::milliseconds hold{5'000};   ///< that book updates wait for their snapshot
  std::chrono::milliseconds grace{2'000};  ///< that a hole waits for another publisher of the same feed
  std::chrono::milliseconds catalogue_wait{30'000};  ///< that a partition waits for the instruments of its source
};

/// `known`: follows knowledge_topics() from their beginning, without a group.
void run_transform(Consumer& consumer, Exchange& exchange, Consumer& known, Clock& clock, TransformOptions const& options,
                   Metrics& metrics, Health& health, std::stop_token const& stop);

}  // namespace penstock
