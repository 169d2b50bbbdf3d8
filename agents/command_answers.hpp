/// What penstock says about itself: help, version, manual page, the shells' completion. These need no configuration, so a
/// wrong one is no error of theirs. Pure functions.
#pragma once

#include "agents/command.hpp"

#include <optional>
#include <string>
#include <vector>

namespace penstock {

/// The text that was asked for; nothing where `words` is another command. Throws UsageError that names the nearest word.
std::optional<std::string> answer_to(std::vector<std::string> const& words, std::vector<Command const*> const& commands);
/// The command of this name. Throws UsageError that names the nearest one.
Command const& find_command(std::string const& name, std::vector<Command const*> const& commands);

}  // namespace penstock
