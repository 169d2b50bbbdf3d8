/// The *.sql and *.json of this folder, as they were when the program was built.
#pragma once

#include <string_view>
#include <vector>

namespace penstock {

struct SchemaText {
  std::string_view name;  ///< file name: trades.sql
  std::string_view text;
};
std::vector<SchemaText> const& schema_texts();

}  // namespace penstock
