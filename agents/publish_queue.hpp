/// Between the outside world and the producer: keeps, in order, what the broker does not take yet, so that nothing that was
/// received is dropped. Bounded by its users: they give nothing more while it is not open(). One thread.
#pragma once

#include "streaming/backoff.hpp"
#include "streaming/fault.hpp"
#include "streaming/metrics.hpp"
#include "streaming/producer.hpp"

#include <chrono>
#include <deque>
#include <string>

namespace penstock {

class PublishQueue {
 public:
  PublishQueue(Producer& producer, Clock& clock, Metrics& metrics, std::string_view provider);

  /// Takes the record for good, then hands on what it can. Throws the producer's Fault; the record is kept.
  void put(Topic const& topic, Record record);
  /// False: stop what feeds it.
  bool open() const { return waiting_.empty() && !held_; }
  /// True when all that was put is acknowledged by the broker.
  bool acknowledged() const { return waiting_.empty() && producer_.queued_records() == 0; }

  void drain();
  /// Serves acknowledgements and counts them.
  void poll();
  /// Something failed, mostly the broker: nothing is given to it for a while. Throws fatal ones on.
  void hold(Fault const& fault);
  /// Once more everything that waits. A transient Fault where not all is acknowledged within `limit`.
  void flush(std::chrono::milliseconds limit);

 private:
  struct Waiting {
    Topic topic;
    Record record;
  };
  using Instant = std::chrono::steady_clock::time_point;

  void count_written();

  // Set once.
  Producer& producer_;
  Clock& clock_;
  prometheus::Counter& written_;
  prometheus::Counter& retried_;
  // Changes.
  std::deque<Waiting> waiting_;
  bool held_ = false;
  Instant held_until_{}, told_{};
  Backoff backoff_{std::chrono::milliseconds{250}, std::chrono::seconds{10}};
  std::int64_t written_before_ = 0;
};

}  // namespace penstock
