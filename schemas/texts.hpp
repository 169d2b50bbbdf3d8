/// The *.sql and *.json of this folder, as they were when the program was built.
#pragma once

#include "streaming/text_file.hpp"

#include <vector>

namespace penstock {

std::vector<TextFile> const& schema_texts();

}  // namespace penstock
