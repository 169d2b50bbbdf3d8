/// What was asked of penstock: words of the command line -> a command with its arguments, flags and settings, or an answer.
/// Pure functions over the table of commands.
#pragma once

#include "agents/command.hpp"

#include <map>
#include <string>
#include <vector>

namespace penstock {

struct CommandLine {
  Command const* command = nullptr;  ///< nullptr: `answer` is all that was asked for
  std::string answer;                ///< help, version and the like, for stdout
  std::vector<std::string> arguments;
  std::map<std::string, std::string> flags;     ///< the command's own
  std::map<std::string, std::string> settings;  ///< key -> text
  std::map<std::string, std::string> spelled;   ///< key -> the flag as it was written, without --
  std::string config_file;
};

/// Throws UsageError that names the nearest known command, flag or word. `words`: without the program's name.
CommandLine parse_command_line(std::vector<std::string> const& words, std::vector<Command const*> const& commands);

}  // namespace penstock
