/// penstock: one binary, one process = one command. The table of commands is agents/operate/commands.hpp.
#include "agents/command_line.hpp"
#include "agents/operate/commands.hpp"
#include "agents/operate/output.hpp"
#include "agents/settings.hpp"
#include "streaming/fault.hpp"
#include "streaming/log.hpp"
#include "streaming/shutdown.hpp"

#include <algorithm>
#include <csignal>
#include <exception>
#include <filesystem>
#include <iostream>

namespace {

using namespace penstock;

std::string agent_name(CommandLine const& line, Config const& config) {
  auto const number = config.integer("status.instance");
  return line.command->name + (line.arguments.empty() ? "" : ' ' + line.arguments.front()) +
         (number == 0 ? "" : ' ' + std::to_string(number));
}

// Where the file is wrong, as if there were none in it, and with a word about that.
void load_into(Invocation& invocation, CommandLine const& line) try {
  invocation.config = load_config(line.config_file, line.settings, line.spelled);
} catch (UsageError const& error) {
  if (!line.command->file_may_be_wrong) throw;
  invocation.config = load_config(line.config_file, line.settings, line.spelled, std::string{});
  invocation.config_error = error.what();
}

/// What was held back of the log comes out however the command ends.
struct LogEnd {
  ~LogEnd() { log::finish(); }
};

int run(CommandLine const& line) {
  if (line.command == nullptr) {
    std::cout << line.answer;
    return stopped_as_asked;
  }
  Invocation invocation{.arguments = line.arguments,
                        .flags = line.flags,
                        .config = {},
                        .stop = {},
                        .program = std::filesystem::read_symlink("/proc/self/exe"),
                        .config_error = {}};
  load_into(invocation, line);
  log::start(agent_name(line, invocation.config), invocation.config.text("log.level"), invocation.config.text("log.format"));
  Shutdown const shutdown{line.command->stop_max == nullptr ? std::chrono::seconds{5} : line.command->stop_max(invocation.config),
                          log::change_level};
  LogEnd const log_end;
  invocation.stop = shutdown.token();
  return line.command->run(invocation);
}

// One line, whatever the library that threw it had to say.
int fail(std::string const& who, std::string_view what, Exit code) {
  auto line = log::redacted(std::string{what});
  while (line.ends_with('\n')) line.pop_back();
  std::ranges::replace(line, '\n', ' ');
  std::cerr << who << ": " << line << std::endl;
  return code;
}

}  // namespace

int main(int count, char** words) {
  // A reader that went away, or a file that may not grow, is an error of the write, not the end of this process.
  for (int const signal : {SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_IGN);
  std::string who = "penstock";
  try {
    auto const commands = all_commands();
    std::vector<std::string> const asked{words + 1, words + count};
    if (!asked.empty() && std::ranges::contains(commands, asked.front(), &Command::name)) who += ' ' + asked.front();
    return output_checked(run(parse_command_line(asked, commands)));
  } catch (UsageError const& error) {
    return fail(who, error.what(), wrong_usage);
  } catch (Fault const& fault) {
    return fail(who, fault.what(), gave_up);
  } catch (std::exception const& error) {
    return fail(who, std::string{"unexpected: "} + error.what(), gave_up);
  }
}
