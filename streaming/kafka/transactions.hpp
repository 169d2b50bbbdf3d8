/// A producer whose records, and the offsets of the input that they were made from, count together or not at all. One thread at
/// a time. Only for the .cpp files of this folder.
#pragma once

#include "streaming/kafka/kafka.hpp"
#include "streaming/kafka/outbox.hpp"

#include <memory>
#include <string>

namespace penstock::kafka {

class Transactions {
 public:
  /// Connects, so that the first transaction does not wait for the coordinator. `stop`, once requested, cuts what waits for the
  /// broker: each step is tried once more, and then given up. Throws Fault.
  Transactions(Connection connection, ExchangeOptions const& options, std::stop_token stop);

  /// Into the running transaction, which it begins where there is none. Blocks while the queue is full. Like commit() it throws
  /// Fault; after a transient one nothing of the transaction counts: abort().
  void produce(std::string_view topic, RecordView const& record);
  /// Ends the running transaction, with these offsets of this group's input; all of it is durable when it returns.
  void commit(KafkaList const& offsets, KafkaGroup const& group);
  /// Gives up the running transaction. Also settles a commit whose answer was lost: a new client for the same id lets the broker
  /// end the old transaction, one way or the other, and the group's committed offsets then tell which.
  void abort();

 private:
  void begin();
  void end(KafkaList const& offsets, KafkaGroup const& group);
  void connect(std::chrono::milliseconds wait);
  void unless_spent(auto const& act);
  template <class Step>
  void finish(std::string const& doing, std::chrono::steady_clock::time_point until, Step step);
  bool is_over(std::chrono::steady_clock::time_point until) const;
  Fault fatal(rd_kafka_error_t const* error, std::string const& doing);

  // Set once.
  Connection connection_;
  Outbox::Options options_;
  std::stop_token stop_;
  // Changes.
  std::unique_ptr<Outbox> outbox_;
  bool open_ = false;
  bool doubtful_ = false;  ///< what the broker thinks of the last transaction is unknown
  std::chrono::steady_clock::time_point marked_at_{};
};

}  // namespace penstock::kafka
