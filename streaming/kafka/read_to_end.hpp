/// Reads topics completely: from their beginning, or from given offsets, to where they end when this is made.
///
///   kafka::ReadToEnd read{connection, {"penstock.dead"}, {.stop = stop}};
///   std::vector<Delivery> deliveries;
///   while (read.next(deliveries))
///     for (auto const& delivery : deliveries) …
///
/// The end is the log's own, not that of the committed records: what lies behind a transaction that is still open is waited
/// for, so that nothing which was committed before is missed. One thread. All functions throw Fault, a fatal one for a topic
/// that does not exist.
#pragma once

#include "streaming/kafka/kafka.hpp"

#include <chrono>
#include <memory>
#include <vector>

namespace penstock::kafka {

class KafkaConsumer;

struct ReadToEndOptions {
  Offsets from;  ///< partitions that are left out are read from their beginning
  std::chrono::milliseconds stuck_max{
      30'000};  ///< that nothing comes, with more to come; longer than any transaction may stay open
  std::stop_token stop;
};

class ReadToEnd {
 public:
  ReadToEnd(Connection const& connection, std::vector<Topic> const& topics, ReadToEndOptions options);
  ~ReadToEnd();

  /// Replaces `into` by what comes next; the records of a partition come in their order. False: there is no more, or stop
  /// was requested. Throws a transient Fault that names the partition when nothing comes for `stuck_max`.
  bool next(std::vector<Delivery>& into);

  /// The offset after the last record (control records of transactions included), of every partition.
  Offsets const& ends() const { return ends_; }
  /// Who reads; outlives its deliveries. For Exchange::commit().
  Consumer& consumer();

 private:
  bool at_end();
  void raise_when_stuck();

  // Set once.
  ReadToEndOptions options_;
  Offsets ends_;
  std::unique_ptr<KafkaConsumer> consumer_;

  // Changes.
  Offsets positions_;  ///< of the partitions that are not read yet
  std::chrono::steady_clock::time_point moved_;
};

}  // namespace penstock::kafka
