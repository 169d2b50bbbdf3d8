/// The statements that write to a table, made from its shape. Pure functions.
#pragma once

#include "streaming/table.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace penstock::postgres {

/// The statements below name the staging table of a table, which has all its columns and `penstock_row`.
inline constexpr std::string_view row_column = "penstock_row";
std::string staging_name(TableShape const& shape);
std::string create_staging(TableShape const& shape);
/// Binary COPY of rows, into the table or (with penstock_row as last column) into its staging table.
std::string copy_rows(TableShape const& shape);
std::string copy_staging(TableShape const& shape);
/// Staged rows $1 <= penstock_row < $2 into the table, the later ones winning.
std::string merge_later_wins(TableShape const& shape);
/// The span of the staged rows' times, widened where time is no part of the identity: two texts.
std::string staged_times(TableShape const& shape);
/// Deletes staged rows that came before in the stage, or that the table holds already; yields their penstock_row.
/// To be run in this order.
struct DeleteDuplicates {
  std::string statement;
  bool takes_times = false;  ///< the span of the table to look at, as $1 and $2
};
std::vector<DeleteDuplicates> delete_duplicates(TableShape const& shape);
/// Staged rows $1 <= penstock_row < $2 into the table.
std::string insert_staged(TableShape const& shape);

}  // namespace penstock::postgres
