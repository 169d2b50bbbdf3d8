/// Finds the rows that the database refuses and writes the rest. Inside an open transaction; each try is a savepoint.
#pragma once

#include "streaming/postgres/connection.hpp"

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace penstock::postgres {

using RowList = std::span<std::size_t const>;

/// How far apart bad rows were lately. It lives as long as the sink: a refusal costs writing again what the same savepoint
/// holds, so where bad rows are frequent, savepoints are set closer together.
class BadRowDistance {
 public:
  /// Rows to write under one savepoint.
  std::size_t rows_per_savepoint() const;
  void good(std::size_t rows);  ///< that many were written without a refusal
  void bad();

 private:
  double distance_ = 0;  // 0: no bad row is known.
  double since_bad_ = 0;
};

/// Rows under one savepoint. What is said to the database for them begins with `prefix`, which opens it.
struct Part {
  RowList rows;
  std::string prefix;
};
/// Writes parts in their order, or throws DataFault, whose `copy` says at which of them; those before it are written.
using WriteParts = std::function<void(std::span<Part const> parts)>;
using RefuseRow = std::function<void(std::size_t row, DataFault const& why)>;

/// Calls `write` for parts of `rows` until all are written but those that the database refuses, which are told to `refuse`.
/// A bad row is known at once where the fault is certain of its line; else the part is split until it stands alone.
void write_good_rows(Connection& connection, RowList rows, BadRowDistance& distance, WriteParts const& write,
                     RefuseRow const& refuse);

}  // namespace penstock::postgres
