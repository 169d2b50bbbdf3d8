/// Rows of text on stdout: columns as wide as their widest cell; the last one is not padded. One thread.
#pragma once

#include <string>
#include <vector>

namespace penstock {

void print_table(std::vector<std::vector<std::string>> const& rows);

}  // namespace penstock
