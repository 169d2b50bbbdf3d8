/// Completion for shells, from the table of commands and the settings: commands, their words, flags, and the flags' values
/// where these are a closed set or files. Pure functions.
#pragma once

#include "agents/command.hpp"

#include <string>
#include <vector>

namespace penstock {

std::string bash_completion(std::vector<Command const*> const& commands);
std::string zsh_completion(std::vector<Command const*> const& commands);

}  // namespace penstock
