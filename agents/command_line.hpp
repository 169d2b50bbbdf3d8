/// What was asked of penstock: words of the command line -> a command with its arguments, flags and settings; and the help.
/// Pure functions over the table of commands.
#pragma once

#include "agents/command.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

inline constexpr std::string_view penstock_version = "0.1.0";

struct CommandLine {
  Command const* command = nullptr;  ///< nullptr: `answer` is all that was asked for
  std::string answer;                ///< help or version, for stdout
  std::vector<std::string> arguments;
  std::map<std::string, std::string> flags;     ///< the command's own
  std::map<std::string, std::string> settings;  ///< key -> text
  std::map<std::string, std::string> spelled;   ///< key -> the flag as it was written, without --
  std::string config_file;
};

/// Throws UsageError that names the nearest known command, flag or word. `words`: without the program's name.
CommandLine parse_command_line(std::vector<std::string> const& words, std::vector<Command const*> const& commands);

/// `penstock --help`, `penstock COMMAND --help`: at most 100 columns wide.
std::string help_text(std::vector<Command const*> const& commands);
std::string help_text(Command const& command);

}  // namespace penstock
