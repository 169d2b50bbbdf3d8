/// The tables and columns that penstock's migrations make, and how a database's differ from them.
#pragma once

#include "streaming/postgres/connection.hpp"
#include "streaming/text_file.hpp"

#include <map>
#include <string>
#include <vector>

namespace penstock {

/// Table ("trades", "penstock.offsets") -> column -> type, as PostgreSQL's format_type() spells it.
using Columns = std::map<std::string, std::map<std::string, std::string>>;

/// What the `create table` statements of `texts` say. Pure.
Columns planned_columns(std::vector<TextFile> const& texts);
/// What the database has of these tables. Throws Fault.
Columns columns_in(postgres::Connection& connection, Columns const& planned);

/// "trades lacks column side", "candles.open is double precision, planned numeric", "trades has a column fee of its own".
struct ColumnDifferences {
  std::vector<std::string> wrong;  ///< missing or of another type
  std::vector<std::string> extra;  ///< not planned: no store writes them
};
ColumnDifferences compare(Columns const& planned, Columns const& found);

}  // namespace penstock
