#include "schemas/table_shapes.hpp"

#include "schemas/kinds.hpp"
#include "streaming/fault.hpp"

#include <algorithm>

namespace penstock {

TableShape table_shape_of(std::string_view kind) {
  auto const columns = columns_of(kind);
  if (columns.empty()) throw Fault{Fault::Kind::fatal, "no kind of record is named " + std::string{kind}};
  auto const identity = identity_columns_of(kind);
  TableShape shape{
      .name = std::string{kind},
      .columns = {columns.begin(), columns.end()},
      .identity = {identity.begin(), identity.end()},
      .later_wins = conflict_of(kind) == Conflict::later_wins,
      .identity_is_content = identity.size() + 1 == columns.size() && !std::ranges::contains(identity, "received_at"),
      .yields_column = {},
      .yields_value = {}};
  if (kind == Gap::kind) {
    shape.yields_column = "state";
    shape.yields_value = to_text(GapState::open);
  }
  return shape;
}

}  // namespace penstock
