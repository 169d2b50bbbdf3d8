/// Rows of cells as lines, columns as wide as their widest cell. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace penstock {

enum class Cells : std::uint8_t { words, numbers };  ///< numbers: all columns but the first and the last stand to the right

/// The first row is the heading; shorter rows are filled up. No spaces at the end of a line.
std::string text_table(std::vector<std::vector<std::string>> const& rows, Cells cells = Cells::words);

}  // namespace penstock
