/// A file that travels inside the program.
#pragma once

#include <string_view>

namespace penstock {

struct TextFile {
  std::string_view name;  ///< without folder: trades.sql
  std::string_view text;
};

}  // namespace penstock
