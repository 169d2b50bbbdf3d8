/// The store agent: md.<kind> -> table <kind>. Rows and offsets move in one database transaction.
/// Runs on the caller's thread until stop is requested; throws a fatal Fault when going on cannot help.
#pragma once

#include "streaming/consumer.hpp"
#include "streaming/health.hpp"
#include "streaming/metrics.hpp"
#include "streaming/producer.hpp"
#include "streaming/sink.hpp"

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <vector>

namespace penstock {

struct StoreOptions {
  std::vector<Topic> topics;                           ///< md.<kind>
  std::size_t batch_count_max = 50'000;                ///< records
  std::size_t batch_bytes_max = 20 << 20;              ///< of rows, and of the records that they came from
  std::chrono::milliseconds batch_age_max{50};         ///< since the first record of the batch was taken
  std::chrono::milliseconds letters_flush_max{1'000};  ///< one wait for dead letters to be acknowledged; it is repeated
};

/// `health` gets the checks "database" and "output".
void run_store(Consumer& consumer, Sink& sink, Producer& dead_letters, Clock& clock, StoreOptions const& options,
               Metrics& metrics, Health& health, std::stop_token const& stop);

}  // namespace penstock
