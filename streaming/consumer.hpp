/// What the loops read from. One thread: the loop's. Real one: streaming/kafka/consumer.hpp; fake one: test/fakes.hpp.
#pragma once

#include "streaming/record.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <vector>

namespace penstock {

/// The next offset to read, per partition.
using Offsets = std::map<TopicPartition, Offset>;

/// What a group keeps of a partition: the next offset to read, and a text of the reader's own that moves with it (under
/// 4,096 bytes, the broker's limit).
struct Commit {
  Commit(Offset next = {}, std::string text = {}) : offset{next}, metadata{std::move(text)} {}

  Offset offset;
  std::string metadata;

  friend bool operator==(Commit const&, Commit const&) = default;
};
using Commits = std::map<TopicPartition, Commit>;

/// Told from inside poll(). Both lists may be empty.
struct Assignment {
  std::vector<TopicPartition> gained;
  std::vector<TopicPartition> lost;
};

class Consumer {
 public:
  virtual ~Consumer() = default;

  /// Called for every rebalance, from inside poll() or close(). For gained partitions it may return where to start;
  /// those it leaves out start at the group's committed offset, or at the earliest record.
  /// Deliveries of lost partitions that are still in hand belong to someone else.
  using OnAssignment = std::function<Offsets(Assignment const&)>;
  virtual void subscribe(std::vector<Topic> const& topics, OnAssignment on_assignment) = 0;

  /// Appends what there is, at most `count`, to `into`; waits up to `wait` for the first one.
  /// Must be called at least every few seconds, also when everything is paused, to keep the place in the group.
  /// Throws Fault when the broker refuses for good; an unreachable broker just delivers nothing.
  virtual void poll(std::vector<Delivery>& into, std::size_t count, std::chrono::milliseconds wait) = 0;

  /// Stops and restarts delivery of assigned partitions; place in the group is kept.
  virtual void pause(std::vector<TopicPartition> const& partitions) = 0;
  virtual void resume(std::vector<TopicPartition> const& partitions) = 0;
  /// Of assigned partitions; `beginning` is allowed, then it waits and throws as beginnings() does, and has moved nothing.
  virtual void seek(Offsets const& offsets) = 0;

  /// Asynchronous; a failed one is counted and repaired by the next.
  virtual void commit(Commits const& commits) = 0;
  /// What the group has committed; partitions without it are left out. Waits up to 1.5 s, then throws a transient Fault.
  virtual Commits committed(std::vector<TopicPartition> const& partitions) = 0;
  /// The first offset that the topic still has of each. Waits and throws as committed() does.
  virtual Offsets beginnings(std::vector<TopicPartition> const& partitions) = 0;
  /// Where each ends now, for this reader: before a transaction that is open. Waits and throws as committed() does.
  virtual Offsets ends(std::vector<TopicPartition> const& partitions) = 0;

  /// Records between position and end of all assigned partitions, from what is known locally; 1 for a partition whose end is
  /// not known yet.
  virtual std::int64_t lag_records() const = 0;
  virtual std::vector<TopicPartition> assigned() const = 0;

  /// Leaves the group. At most 3 s.
  virtual void close() = 0;
};

}  // namespace penstock
