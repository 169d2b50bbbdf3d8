/// What the loops write to. One thread: the loop's. Real ones: streaming/kafka/producer.hpp; fake one: test/fakes.hpp.
#pragma once

#include "streaming/consumer.hpp"
#include "streaming/record.hpp"

#include <chrono>
#include <deque>
#include <utility>

namespace penstock {

/// Idempotent, acks=all.
class Producer {
 public:
  virtual ~Producer() = default;

  /// Takes the record into the queue. False: the queue is full; the caller pauses what feeds it and tries again.
  /// Throws a fatal Fault where the broker will never take it (topic missing, not allowed, too large).
  virtual bool produce(std::string_view topic, Record const& record) = 0;

  /// Serves acknowledgements; call it often. Throws Fault for a record that could not be delivered.
  virtual void poll(std::chrono::milliseconds wait) = 0;

  /// Returns when every record so far is acknowledged; throws a transient Fault when that takes longer than `limit`.
  virtual void flush(std::chrono::milliseconds limit) = 0;

  virtual std::size_t queued_records() const = 0;  ///< not yet acknowledged
  virtual std::int64_t written_total() const = 0;  ///< acknowledged since start
  /// So many of the records that it took, from the first on, are acknowledged without a hole.
  virtual std::int64_t settled_total() const = 0;
};

/// Output and the input it was made from move on together. With transactions: all of it or nothing is seen.
/// Without (the embedded broker has none): output is acknowledged before the input's offsets are committed.
class Exchange {
 public:
  virtual ~Exchange() = default;

  /// For produce(); lives as long as the exchange, so there should be few.
  Envelope const& keep(Envelope envelope) { return envelopes_.emplace_back(std::move(envelope)); }

  /// Belongs to the running commit interval, which it opens where none is open. Blocks while the queue is full.
  virtual void produce(std::string_view topic, Record const& record) = 0;
  /// The same for one of many that are alike. `envelope`: one of keep()'s.
  virtual void produce(Envelope const& envelope, std::string_view key, std::string_view value) = 0;
  /// Closes the interval. It counts, all of it, once settled() has said so: outputs are durable then, and `inputs` committed
  /// for the consumer's group. What is produced meanwhile belongs to the next interval. One at a time: settle the one before
  /// first.
  virtual void commit(Commits const& inputs, Consumer& consumer) = 0;
  /// Whether no commit is under way; waits up to `wait` for that. Puts on its way what was produced: call it often. Like
  /// produce() and commit() it throws Fault: transient means that neither the closed interval nor the running one counts:
  /// abort(), then read the inputs again.
  virtual bool settled(std::chrono::milliseconds wait) = 0;
  /// Gives up the running interval, and the closed one unless it is durable already.
  virtual void abort() = 0;

 private:
  std::deque<Envelope> envelopes_;  ///< They stay where they are.
};

}  // namespace penstock
