/// Batch -> durable. The store's loop gives it batches, one at a time, while it prepares the next.
#pragma once

#include "streaming/consumer.hpp"
#include "streaming/reject.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace penstock {

/// Rows of one table, already encoded. Row i stands for deliveries[i] of the batch that made it.
struct TableRows {
  std::string table;
  Topic topic;                          ///< that the rows came from
  std::string rows;                     ///< of PostgreSQL's binary COPY format, without its header and trailer
  std::vector<std::size_t> ends;        ///< end of each row in `rows`
  std::vector<std::size_t> deliveries;  ///< index of the delivery that each row came from
  std::vector<Partition> partitions;    ///< of `topic`, for each row: the ledger counts per partition
  std::vector<bool> backfill;           ///< write by anti-join on identity
};

/// What goes into one database transaction.
struct WriteBatch {
  std::vector<TableRows> tables;
  Offsets from;                                    ///< per partition: the next_offset that must be found in the table (fencing)
  Offsets to;                                      ///< and the one that is written
  Offsets first;                                   ///< of the first record; not `from` where offsets before it held none
  std::map<TopicPartition, std::int64_t> read;     ///< records per partition, for the ledger
  std::map<TopicPartition, std::int64_t> dead;     ///< of them dead-lettered before the write (malformed …)
  std::map<TopicPartition, std::int64_t> skipped;  ///< offsets between `first` and `to` that held no record
};

struct WriteResult {
  struct Bad {
    std::size_t delivery;
    Reject reject;
  };
  std::vector<Bad> rejected;                      ///< rows that the database refuses for their data; the rest is committed
  std::map<std::string, std::int64_t> written;    ///< rows per table
  std::map<std::string, std::int64_t> duplicate;  ///< rows that were there already, per table
  bool committed = true;  ///< false: there are rejected rows; make their dead letters durable, then call commit()
};

class Sink {
 public:
  virtual ~Sink() = default;
  /// The committed next offsets of these partitions; those never written are left out. Blocks; throws Fault.
  virtual Offsets committed(std::vector<TopicPartition> const& partitions) = 0;
  /// Starts writing in the background. One at a time. `batch` must live until finish() has returned or thrown.
  virtual void start(WriteBatch const& batch) = 0;
  virtual bool busy() const = 0;
  /// Waits up to `wait` for the batch; nothing: still writing. Throws Fault: transient: nothing is written, start the
  /// same batch again; fatal: stop. A lost commit answer is resolved by looking at the offsets.
  virtual std::optional<WriteResult> finish(std::chrono::milliseconds wait) = 0;
  /// Commits a batch that finish() answered with `committed` false. Blocks, for a few seconds at most; throws as finish() does. A
  /// lost answer is resolved when the same batch is started again.
  virtual void commit() = 0;
  /// Gives up what is being written. When it returns no batch is looked at any more; nothing else may be called then. Takes a
  /// second at most.
  virtual void close() noexcept = 0;
};

}  // namespace penstock
