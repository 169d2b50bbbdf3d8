/// One entry of penstock's table of sub-commands. A command lives in one file and is listed in main.cpp.
#pragma once

#include "streaming/config.hpp"

#include <chrono>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

/// A flag that only makes sense on the command line (what a command is asked to do, not how penstock is set up).
struct Flag {
  std::string name;      ///< "dry-run"
  std::string argument;  ///< "FILE"; "" for a switch
  std::string help;
  std::string fallback;
  bool repeats = false;  ///< may be given more than once; values are joined by '\n'
};

struct Invocation {
  std::vector<std::string> arguments;        ///< positional ones, already counted
  std::map<std::string, std::string> flags;  ///< the command's own; switches are "true" where given
  Config config;
  std::stop_token stop;
  std::string program;       ///< path of this binary, to start others
  std::string config_error;  ///< where file_may_be_wrong: what is wrong with it

  bool has(std::string const& flag) const { return flags.contains(flag); }
  std::string flag(std::string const& name, std::string const& fallback = {}) const {
    auto const found = flags.find(name);
    return found == flags.end() ? fallback : found->second;
  }
};

/// Exit codes.
enum Exit : int { stopped_as_asked = 0, gave_up = 1, wrong_usage = 2 };

struct Command {
  std::string name;
  std::string summary;    ///< one line
  std::string arguments;  ///< "PROVIDER", "[TOPIC]", "plan|apply|status"
  std::size_t arguments_least = 0, arguments_most = 0;
  std::vector<std::string> sections;  ///< of the configuration whose keys are flags here, the first without its prefix
  std::vector<Flag> flags;
  std::string example;                      ///< a command line, and what it does
  int (*run)(Invocation const&) = nullptr;  ///< returns an Exit; throws UsageError, Fault
  bool file_may_be_wrong = false;  ///< it works on where the configuration file cannot be read, with what flags and variables say
  /// How long it may take to end when asked to; nullptr: 5 s.
  std::chrono::milliseconds (*stop_max)(Config const&) = nullptr;
};

}  // namespace penstock
