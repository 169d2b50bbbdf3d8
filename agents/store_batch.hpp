/// What the store collects for one database transaction: rows by table, and the deliveries that they came from.
/// One thread.
#pragma once

#include "agents/kept_deliveries.hpp"
#include "streaming/record.hpp"
#include "streaming/sink.hpp"

#include <expected>
#include <optional>
#include <vector>

namespace penstock {

class StoreBatch {
 public:
  /// Decodes one delivery of md.<kind>, adds its row and keeps a copy. After a reject the caller writes its dead letter; it
  /// counts as read and dead. Either way the batch covers the offset.
  std::expected<void, Reject> add(Delivery const& delivery);

  bool empty() const { return progress_.empty(); }
  std::size_t count() const { return count_; }  ///< deliveries, bad ones included
  /// Of memory: rows, and the deliveries that they came from.
  std::size_t bytes() const { return rows_bytes_ + deliveries_.bytes(); }
  Delivery delivery(std::size_t index) const { return deliveries_.at(index); }
  /// When the publisher saw each record that became a row.
  std::vector<Time> const& received_at() const { return received_at_; }
  /// When the record that was added last was put into the log.
  Time transformed_at() const { return transformed_at_; }

  /// The partitions that begin before `stored`.
  std::vector<TopicPartition> before(Offsets const& stored) const;
  /// A partition of which something was added twice: then the batch is of no use.
  std::optional<TopicPartition> const& repeated() const { return repeated_; }

  /// Nothing is added any more. `stored`: what the table must hold before this batch is written (fencing);
  /// partitions without an entry must have none.
  WriteBatch const& seal(Offsets const& stored);
  WriteBatch const& sealed() const { return write_; }
  void clear();

 private:
  struct Progress {
    std::string_view topic;
    Partition partition;
    Offset first, next;
    std::int64_t read = 0, dead = 0, skipped = 0;
    std::size_t table;
  };
  Progress& progress_of(Position const& position);

  KeptDeliveries deliveries_;
  std::vector<Time> received_at_;
  Time transformed_at_{};
  std::vector<Progress> progress_;
  std::optional<TopicPartition> repeated_;
  std::size_t current_ = 0;  // Deliveries come in runs of one partition.
  WriteBatch write_;
  std::size_t rows_bytes_ = 0, count_ = 0;
};

}  // namespace penstock
