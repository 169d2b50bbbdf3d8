/// What `--help` prints, from the table of commands and the settings: at most 100 columns wide. Pure functions.
#pragma once

#include "agents/command.hpp"
#include "streaming/config.hpp"

#include <string>
#include <vector>

namespace penstock {

/// `penstock --help`, `penstock COMMAND --help`.
std::string help_text(std::vector<Command const*> const& commands);
std::string help_text(Command const& command);

/// One line of a help text or manual page: "--batch-count-max N", "Records until … (default 50000)".
struct HelpRow {
  std::string left, right;
};
HelpRow row_of(Flag const& flag);
/// What a setting takes as a flag: N, LIST, …; and what it means, with range and default.
std::string argument_of(Setting const& setting);
std::string meaning_of(Setting const& setting);

/// The words beside the commands: what penstock says about itself.
std::vector<HelpRow> answer_rows();
std::vector<HelpRow> exit_rows();

}  // namespace penstock
