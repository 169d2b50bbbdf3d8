/// The manual, from the table of commands and the settings. Pure functions.
#pragma once

#include "agents/command.hpp"

#include <string>
#include <vector>

namespace penstock {

/// penstock(1), in man's own language (roff).
std::string manual_page(std::vector<Command const*> const& commands);

}  // namespace penstock
