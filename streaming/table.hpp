/// What a sink must know of a table. Whoever owns the tables says it; the sink knows nothing of what is in them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace penstock {

struct TableShape {
  std::string name;
  std::vector<std::string> columns;  ///< in the order of COPY rows
  std::vector<std::string> types;    ///< of them, as format_type() spells them: what the rows hold is their binary form
  std::vector<std::string> identity;
  std::size_t grouped_by = 0;               ///< place of the column that the table's index begins with
  bool later_wins = false;                  ///< by received_at; of the same one the row that came later
  bool identity_is_content = false;         ///< all columns but received_at
  std::string yields_column, yields_value;  ///< at the same received_at, a row with this value gives way to one without
};

}  // namespace penstock
