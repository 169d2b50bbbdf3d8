#include "agents/command_line.hpp"

#include "agents/command_answers.hpp"
#include "agents/command_flags.hpp"
#include "streaming/fault.hpp"

#include <algorithm>
#include <boost/program_options.hpp>
#include <ranges>

namespace penstock {

namespace {

namespace options = boost::program_options;
using Words = std::vector<std::string>;

options::options_description described(Command const& command, std::vector<SettingFlag> const& settings) {
  options::options_description all;
  auto const one_value = [] { return options::value<std::string>(); };
  all.add_options()("help", "")("config", one_value(), "")("argument", options::value<Words>(), "");
  for (auto const& flag : command.flags) {
    if (flag.argument.empty())
      all.add_options()(flag.name.c_str(), "");
    else
      all.add_options()(flag.name.c_str(), one_value(), "");
  }
  for (auto const& flag : settings) all.add_options()(flag.name.c_str(), one_value(), "");
  return all;
}

Words known_flags(Command const& command, std::vector<SettingFlag> const& settings) {
  Words known{"--help", "--config"};
  for (auto const& flag : command.flags) known.push_back("--" + flag.name);
  for (auto const& flag : settings)
    if (!flag.name.contains("PROVIDER") && !flag.name.contains("TOPIC")) known.push_back("--" + flag.name);
  return known;
}

std::string see_help(Command const& command) { return " (see `penstock " + command.name + " --help`)"; }

[[noreturn]] void refuse_flag(std::string const& written, Command const& command, std::vector<SettingFlag> const& settings) {
  auto const near = nearest(written, known_flags(command, settings));
  throw UsageError{"unknown flag " + written + (near.empty() ? "" : "; did you mean " + near + "?") + see_help(command)};
}

// "--transactions" alone means true; Boost would take the next word for its value.
Words with_plain_booleans(Words words, std::vector<SettingFlag> const& settings) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    auto const flag = std::ranges::find_if(settings, [&](SettingFlag const& one) { return words[i] == "--" + one.name; });
    if (flag == settings.end() || flag->setting->type != Setting::Type::boolean) continue;
    if (i + 1 == words.size() || (words[i + 1] != "true" && words[i + 1] != "false")) words[i] += "=true";
  }
  return words;
}

options::parsed_options parsed(Words const& words, Command const& command, std::vector<SettingFlag> const& settings) try {
  auto const known = described(command, settings);
  options::positional_options_description arguments;
  arguments.add("argument", -1);
  namespace style = options::command_line_style;
  return options::command_line_parser{with_plain_booleans(words, settings)}
      .options(known)
      .positional(arguments)
      .style(style::allow_long | style::long_allow_adjacent | style::long_allow_next)
      .run();
} catch (options::unknown_option const& error) {
  auto const written = error.get_option_name();
  refuse_flag(written.substr(0, written.find('=')), command, settings);
} catch (options::error_with_option_name const& error) {
  std::string const what = error.what();
  if (what.contains("does not take any arguments"))
    throw UsageError{error.get_option_name() + " is a switch and takes no value" + see_help(command)};
  throw UsageError{error.get_option_name() + " needs a value" + see_help(command)};
} catch (options::error const& error) {
  throw UsageError{error.what() + see_help(command)};
}

void check_arguments(Words const& arguments, Command const& command, std::vector<SettingFlag> const& settings) {
  for (auto const& word : arguments)
    if (word.size() > 1 && word.starts_with('-')) refuse_flag(word, command, settings);
  if (arguments.size() < command.arguments_least)
    throw UsageError{"needs " + command.arguments + ", found " + (arguments.empty() ? "nothing" : arguments.back()) +
                     see_help(command)};
  if (arguments.size() > command.arguments_most)
    throw UsageError{"does not know what to do with \"" + arguments[command.arguments_most] + "\"" +
                     (command.arguments.empty() ? "; it takes no arguments" : "; it takes " + command.arguments) +
                     see_help(command)};
  auto const words = allowed_words(command);
  if (words.empty()) return;
  auto const checked = command.arguments.starts_with("PROVIDER") ? arguments.size() : std::min<std::size_t>(1, arguments.size());
  for (auto const& word : arguments | std::views::take(checked))
    if (!std::ranges::contains(words, word)) {
      auto const what = command.arguments.starts_with("PROVIDER") ? "provider" : "word";
      throw UsageError{std::string{"unknown "} + what + " \"" + word + "\"" + suggestion(word, words)};
    }
}

void take(options::option const& found, CommandLine& line, std::vector<SettingFlag> const& settings) {
  auto const& command = *line.command;
  auto const& name = found.string_key;
  auto const value = found.value.empty() ? std::string{"true"} : found.value.front();
  auto const twice = [&] { throw UsageError{"--" + name + " is given twice"}; };
  if (name == "config") {
    if (!line.config_file.empty()) twice();
    line.config_file = value;
    return;
  }
  if (auto const own = std::ranges::find(command.flags, name, &Flag::name); own != command.flags.end()) {
    auto const [at, fresh] = line.flags.try_emplace(name, value);
    if (!fresh && own->repeats)
      at->second += '\n' + value;
    else if (!fresh && !own->argument.empty())
      twice();
    return;
  }
  auto const flag = std::ranges::find(settings, name, &SettingFlag::name);
  if (flag == settings.end()) return;
  if (name.starts_with("topics-TOPIC")) throw UsageError{"--" + name + ": write the topic instead of TOPIC, such as md-trades"};
  if (flag->key.contains('*') && line.arguments.empty())
    throw UsageError{"--" + name + ": write the provider instead of PROVIDER"};
  auto const key = flag->key.contains('*') ? with_name(flag->key, line.arguments.front()) : flag->key;
  auto const [at, fresh] = line.settings.try_emplace(key, value);
  if (!fresh && flag->setting->type != Setting::Type::list) twice();
  if (!fresh) at->second += ',' + value;
  line.spelled[key] = name;
}

}  // namespace

CommandLine parse_command_line(Words const& words, std::vector<Command const*> const& commands) {
  CommandLine line;
  if (words.empty()) throw UsageError{"needs a command; `penstock --help` lists them"};
  if (auto answer = answer_to(words, commands)) return {.answer = *std::move(answer)};
  line.command = &find_command(words.front(), commands);
  auto const rest = Words(words.begin() + 1, words.end());
  auto const settings = setting_flags(*line.command);
  auto const found = parsed(rest, *line.command, settings);
  for (auto const& option : found.options)
    if (option.position_key >= 0) line.arguments.insert(line.arguments.end(), option.value.begin(), option.value.end());
  check_arguments(line.arguments, *line.command, settings);
  for (auto const& option : found.options)
    if (option.position_key < 0) take(option, line, settings);
  return line;
}

}  // namespace penstock
