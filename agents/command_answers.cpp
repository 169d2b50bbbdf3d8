#include "agents/command_answers.hpp"

#include "agents/command_help.hpp"
#include "agents/completion.hpp"
#include "agents/manual.hpp"
#include "agents/version.hpp"
#include "streaming/fault.hpp"

#include <algorithm>

namespace penstock {

namespace {

using Words = std::vector<std::string>;

std::string help_answer(Words const& words, std::vector<Command const*> const& commands) {
  if (words.size() > 2) throw UsageError{"help takes one word, found " + words[2] + " as well"};
  if (words.size() < 2) return help_text(commands);
  auto const& topic = words[1];
  if (topic == "--man") return manual_page(commands);
  if (topic == "help" || topic == "completion" || topic == "--help" || topic == "-h") return help_text(commands);
  return help_text(find_command(topic, commands));
}

std::string completion_answer(Words const& words, std::vector<Command const*> const& commands) {
  if (words.size() != 2) throw UsageError{"completion takes the name of the shell: bash or zsh"};
  if (words[1] == "bash") return bash_completion(commands);
  if (words[1] == "zsh") return zsh_completion(commands);
  if (words[1] == "--help" || words[1] == "-h") return help_text(commands);
  throw UsageError{"there is no completion for " + words[1] + suggestion(words[1], {"bash", "zsh"})};
}

}  // namespace

Command const& find_command(std::string const& name, std::vector<Command const*> const& commands) {
  Words known;
  for (auto const* command : commands) {
    if (command->name == name) return *command;
    known.push_back(command->name);
  }
  known.insert(known.end(), {"help", "completion"});
  if (!name.starts_with('-')) throw UsageError{"unknown command " + name + suggestion(name, known)};
  auto const near = nearest(name, {"--help", "--version"});
  throw UsageError{near.empty()
                       ? "flag " + name + " has no command before it: write penstock COMMAND [FLAG...] (`penstock --help`)"
                       : "unknown flag " + name + "; did you mean " + near + "?"};
}

std::optional<std::string> answer_to(Words const& words, std::vector<Command const*> const& commands) {
  auto const& first = words.front();
  if (first == "--version") return "penstock " + std::string{penstock_version} + '\n';
  if (first == "--help" || first == "-h") return help_text(commands);
  if (first == "help") return help_answer(words, commands);
  if (first == "completion") return completion_answer(words, commands);
  auto const end = std::ranges::find(words, "--");
  auto const asks = [](auto const& word) { return word == "--help" || word == "-h"; };
  if (!first.starts_with('-') && std::any_of(words.begin(), end, asks)) return help_text(find_command(first, commands));
  return {};
}

}  // namespace penstock
