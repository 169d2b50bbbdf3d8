/// The store's Sink on PostgreSQL. One batch = one transaction: offsets (which fence), rows by COPY, ledger, commit.
/// A thread of its own writes, so that the store's loop prepares the next batch meanwhile. What a table does with a
/// second record of the same identity: streaming/postgres/tables.hpp.
/// start(), finish(), commit() and committed() belong to the loop's thread, which a frozen server holds up for 3 s at most
/// (6 s where it freezes between letting committed() in and answering it). Destruction cancels what runs, in 2 s at most.
#pragma once

#include "streaming/postgres/connection.hpp"
#include "streaming/sink.hpp"
#include "streaming/table.hpp"

#include <functional>
#include <memory>
#include <string>

namespace penstock::postgres {

struct SinkOptions {
  Settings database;
  std::string group = "penstock-store";                  ///< whose offsets
  std::string instance = "store";                        ///< who wrote, for the ledger
  std::function<TableShape(std::string_view)> shape_of;  ///< of a table by its name; throws a fatal Fault for an unknown one
};

/// A result's `written` counts, for kinds where the later one wins, every row that was merged into its record;
/// `duplicate` counts back-filled rows that were there already, and those that came twice.
/// Throws Fenced (a transient Fault) where the table holds another offset than the batch expects.
class PostgresSink final : public Sink {
 public:
  explicit PostgresSink(SinkOptions options);
  ~PostgresSink() override;

  Offsets committed(std::vector<TopicPartition> const& partitions) override;
  void start(WriteBatch const& batch) override;
  bool busy() const override;
  /// A batch whose commit was in doubt and turns out to be done is answered without its `rejected`: their letters were
  /// made durable before commit() was called.
  std::optional<WriteResult> finish(std::chrono::milliseconds wait) override;
  /// A lost answer is a transient Fault: whether it was committed is looked up when the same batch is started again.
  void commit() override;
  void close() noexcept override;

 private:
  class Worker;
  std::unique_ptr<Worker> worker_;
};

}  // namespace penstock::postgres
