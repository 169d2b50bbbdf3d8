/// The manual, from the table of commands and the settings. Pure functions.
#pragma once

#include "agents/command.hpp"

#include <string>
#include <vector>

namespace penstock {

/// penstock(1), in man's own language (roff).
std::string manual_page(std::vector<Command const*> const& commands);
/// `penstock help settings`: every key of penstock.toml, by section, with its variable and what it means.
std::string settings_text();

}  // namespace penstock
