#include "agents/operate/text_table.hpp"

#include <algorithm>

namespace penstock {

std::string text_table(std::vector<std::vector<std::string>> const& rows, Cells cells) {
  std::vector<std::size_t> widths;
  for (auto const& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (auto const& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::string const space(widths[i] - row[i].size(), ' ');
      bool const right = cells == Cells::numbers && i > 0 && i + 1 < widths.size();
      line += (right ? space + row[i] : row[i] + space) + "  ";
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  }
  return text;
}

}  // namespace penstock
