/// One batch inside an open transaction: offsets first, which fence, then rows, then the ledger. To commit is the
/// caller's. A fault leaves the transaction to be rolled back. One thread: the connection's.
#pragma once

#include "streaming/postgres/connection.hpp"
#include "streaming/postgres/isolate.hpp"
#include "streaming/postgres/tables.hpp"
#include "streaming/sink.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace penstock::postgres {

/// The next offsets in penstock.offsets; partitions never written are left out.
Offsets committed_offsets(Connection& connection, std::string const& group, std::vector<TopicPartition> const& partitions);

class BatchWriter {
 public:
  using ShapeOf = std::function<TableShape(std::string_view)>;
  BatchWriter(std::string group, std::string instance, ShapeOf shape_of)
      : group_{std::move(group)}, instance_{std::move(instance)}, shape_of_{std::move(shape_of)} {}

  /// What is written next goes to a connection that is new.
  void begin_connection();
  /// Before the transaction: makes the staging tables that the batch needs. Throws a fatal Fault, as write() does, where a column
  /// has another type than the rows.
  void prepare(Connection& connection, WriteBatch const& batch);
  /// Throws Fenced where another offset than `from` is found.
  WriteResult write(Connection& connection, WriteBatch const& batch);

 private:
  struct Counts {
    std::int64_t written = 0, duplicate = 0, refused = 0;
  };
  enum class Outcome : std::uint8_t { written, duplicate, refused };

  TableShape const& shape(std::string const& table);
  void check_types(Connection& connection, std::string const& table);
  void claim(Connection& connection, WriteBatch const& batch) const;
  std::vector<Outcome> write_table(Connection& connection, TableRows const& table, WriteResult& result);
  void write_ledger(Connection& connection, WriteBatch const& batch, std::map<TopicPartition, Counts> const& counts) const;

  std::string group_, instance_;
  ShapeOf shape_of_;
  std::map<std::string, TableShape> shapes_;
  std::vector<std::string> staged_, checked_;  // Tables that have a staging table on this connection; whose types were looked at.
  BadRowDistance distance_;
};

}  // namespace penstock::postgres
