#include "agents/command_line.hpp"

#include "agents/settings.hpp"
#include "streaming/fault.hpp"

#include <algorithm>
#include <boost/program_options.hpp>
#include <ranges>
#include <set>

namespace penstock {

namespace {

namespace options = boost::program_options;
using Words = std::vector<std::string>;

constexpr std::size_t columns = 100;
constexpr std::size_t left_column_max = 36;

/// A flag that stands for a setting.
struct SettingFlag {
  std::string name;  ///< without --
  std::string key;   ///< may hold `*`: the first argument
  Setting const* setting;
  bool shown;  ///< in the help; other spellings are known, too
};

std::string section_of(Setting const& setting) { return setting.key.substr(0, setting.key.rfind('.')); }
std::string last_part(Setting const& setting) { return setting.key.substr(setting.key.rfind('.') + 1); }

std::string with_name(std::string key, std::string_view name) {
  if (auto const star = key.find('*'); star != key.npos) key.replace(star, 1, name);
  return key;
}

// A secret's own flag is known only to be refused with a word about what to do instead; that of its file is shown.
void add_spelling(std::vector<SettingFlag>& flags, std::string const& name, std::string const& key, Setting const& setting,
                  bool shown) {
  flags.push_back({name, key, &setting, shown && !setting.secret});
  if (setting.secret) flags.push_back({name + "-file", key + "_file", &setting, shown});
}

std::vector<SettingFlag> flags_of_section(std::string const& section, bool short_names) {
  std::vector<SettingFlag> flags;
  for (auto const& setting : all_settings()) {
    if (section_of(setting) != section) continue;
    if (short_names) add_spelling(flags, flag_name(last_part(setting)), setting.key, setting, true);
    if (!section.contains('*')) {
      add_spelling(flags, flag_name(setting.key), setting.key, setting, !short_names);
      continue;
    }
    for (auto const& provider : provider_names()) {
      auto const key = with_name(setting.key, provider);
      add_spelling(flags, flag_name(key), key, setting, false);
    }
    if (!short_names) add_spelling(flags, flag_name(with_name(setting.key, "PROVIDER")), setting.key, setting, true);
  }
  return flags;
}

Words sections_of(Command const& command) {
  auto sections = command.sections;
  if (sections.empty()) sections.emplace_back();
  if (!std::ranges::contains(sections, "log")) sections.emplace_back("log");
  return sections;
}

std::vector<SettingFlag> setting_flags(Command const& command) {
  std::vector<SettingFlag> flags;
  std::set<std::string> taken{"config", "help"};
  for (auto const& flag : command.flags) taken.insert(flag.name);
  auto const sections = sections_of(command);
  bool const of_up = std::ranges::contains(sections, "up");
  for (std::size_t i = 0; i < sections.size(); ++i)
    for (auto& flag : flags_of_section(sections[i], i == 0))
      if ((of_up || !flag.setting->only_up) && taken.insert(flag.name).second) flags.push_back(std::move(flag));
  return flags;
}

// ---- parsing

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
    if (!flag.name.contains("PROVIDER")) known.push_back("--" + flag.name);
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

// "plan|apply|status" -> those words; "PROVIDER" -> the providers; else anything goes.
Words allowed_words(Command const& command) {
  auto const first = command.arguments.substr(0, command.arguments.find(' '));
  if (first.starts_with("PROVIDER")) return provider_names();
  if (!first.contains('|')) return {};
  Words words;
  for (auto const part : std::views::split(first, '|')) {
    std::string_view const word{part};
    words.emplace_back(word.substr(word.starts_with('['), word.size() - word.starts_with('[') - word.ends_with(']')));
  }
  return words;
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

Command const& find_command(std::string const& name, std::vector<Command const*> const& commands) {
  Words known;
  for (auto const* command : commands) {
    if (command->name == name) return *command;
    known.push_back(command->name);
  }
  if (!name.starts_with('-')) throw UsageError{"unknown command " + name + suggestion(name, known)};
  auto const near = nearest(name, {"--help", "--version"});
  throw UsageError{near.empty()
                       ? "flag " + name + " has no command before it: write penstock COMMAND [FLAG...] (`penstock --help`)"
                       : "unknown flag " + name + "; did you mean " + near + "?"};
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
  if (flag->key.contains('*') && line.arguments.empty())
    throw UsageError{"--" + name + ": write the provider instead of PROVIDER"};
  auto const key = flag->key.contains('*') ? with_name(flag->key, line.arguments.front()) : flag->key;
  auto const [at, fresh] = line.settings.try_emplace(key, value);
  if (!fresh && flag->setting->type != Setting::Type::list) twice();
  if (!fresh) at->second += ',' + value;
  line.spelled[key] = name;
}

// ---- help

std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](unsigned char c) { return (c & 0xC0U) != 0x80U; }));
}

// Words in lines that begin at `indent`; the first line is already filled up to `from`, and the first word follows directly.
void append_wrapped(std::string& out, std::string_view text, std::size_t indent, std::size_t from) {
  auto at = from;
  auto line_is_new = true;
  for (auto const part : std::views::split(text, ' ')) {
    std::string_view const word{part};
    if (word.empty()) continue;
    if (!line_is_new && at + 1 + width(word) > columns) {
      out += '\n' + std::string(indent, ' ');
      at = indent;
    } else if (!line_is_new) {
      out += ' ';
      ++at;
    }
    out += word;
    at += width(word);
    line_is_new = false;
  }
  out += '\n';
}

// "COMMAND LINE    what it does" -> the second part on a line of its own.
void append_example(std::string& out, std::string_view line) {
  auto const gap = line.find("   ");
  out += "  ";
  append_wrapped(out, line.substr(0, gap), 6, 2);
  if (gap == line.npos) return;
  out += "      ";
  append_wrapped(out, line.substr(gap), 6, 6);
}

struct Row {
  std::string left, right;
};

void append_rows(std::string& out, std::vector<Row> const& rows, std::size_t left_width) {
  auto const indent = 2 + left_width + 2;
  for (auto const& [left, right] : rows) {
    out += "  " + left;
    if (width(left) > left_width)
      out += '\n' + std::string(indent, ' ');
    else
      out += std::string(indent - 2 - width(left), ' ');
    append_wrapped(out, right, indent, indent);
  }
}

std::string argument_of(Setting const& setting) {
  switch (setting.type) {
    case Setting::Type::integer: return "N";
    case Setting::Type::boolean: return "true|false";
    case Setting::Type::list: return "LIST";
    case Setting::Type::choice: return "WORD";
    case Setting::Type::text: return "TEXT";
  }
  return {};
}

Row row_of(SettingFlag const& flag) {
  if (flag.setting->secret)
    return {"--" + flag.name + " FILE",
            "File that holds the " + flag.setting->help + "; or set " + variable_name(with_name(flag.setting->key, "PROVIDER"))};
  auto right = flag.setting->help;
  if (flag.setting->type == Setting::Type::integer || !flag.setting->choices.empty())
    right += ". Takes " + allowed(*flag.setting);
  right += flag.setting->fallback.empty() ? " (default: empty)" : " (default " + flag.setting->fallback + ")";
  return {"--" + flag.name + ' ' + argument_of(*flag.setting), right};
}

Row row_of(Flag const& flag) {
  auto right = flag.help;
  if (!flag.fallback.empty()) right += " (default " + flag.fallback + ")";
  if (flag.repeats) right += "; may be given more than once";
  return {"--" + flag.name + (flag.argument.empty() ? "" : ' ' + flag.argument), right};
}

std::vector<std::pair<std::string, std::vector<Row>>> flag_groups(Command const& command) {
  std::vector<std::pair<std::string, std::vector<Row>>> groups;
  std::vector<Row> own;
  for (auto const& flag : command.flags) own.push_back(row_of(flag));
  own.push_back(
      {"--config FILE", "The configuration file (default: the one that PENSTOCK_CONFIG names, else penstock.toml here)"});
  own.push_back({"--help", "This text"});
  groups.emplace_back("Flags:", std::move(own));

  auto const flags = setting_flags(command);
  for (auto const& section : sections_of(command)) {
    std::vector<Row> rows;
    for (auto const& flag : flags)
      if (flag.shown && section_of(*flag.setting) == section) rows.push_back(row_of(flag));
    if (!rows.empty())
      groups.emplace_back("Settings [" + with_name(section, "PROVIDER") + "]: " + std::string{section_help(section)},
                          std::move(rows));
  }
  return groups;
}

std::size_t left_width_of(std::vector<Row> const& rows) {
  std::size_t most = 0;
  for (auto const& row : rows) most = std::max(most, std::min(left_column_max, width(row.left)));
  return most;
}

}  // namespace

CommandLine parse_command_line(Words const& words, std::vector<Command const*> const& commands) {
  CommandLine line;
  if (words.empty()) throw UsageError{"needs a command; `penstock --help` lists them"};
  auto const& first = words.front();
  if (first == "--version") return {.answer = "penstock " + std::string{penstock_version} + '\n'};
  if (first == "--help" || first == "-h" || first == "help") {
    if (first == "help" && words.size() > 1) return {.answer = help_text(find_command(words[1], commands))};
    return {.answer = help_text(commands)};
  }
  line.command = &find_command(first, commands);
  auto const rest = Words(words.begin() + 1, words.end());
  auto const end = std::ranges::find(rest, "--");
  if (std::any_of(rest.begin(), end, [](auto const& word) { return word == "--help" || word == "-h"; }))
    return {.answer = help_text(*line.command)};

  auto const settings = setting_flags(*line.command);
  auto const found = parsed(rest, *line.command, settings);
  for (auto const& option : found.options)
    if (option.position_key >= 0) line.arguments.insert(line.arguments.end(), option.value.begin(), option.value.end());
  check_arguments(line.arguments, *line.command, settings);
  for (auto const& option : found.options)
    if (option.position_key < 0) take(option, line, settings);
  return line;
}

std::string help_text(std::vector<Command const*> const& commands) {
  std::string out =
      "penstock: market data from the provider into Kafka and TimescaleDB so that it adds up\n\n"
      "Usage: penstock COMMAND [ARGUMENT...] [FLAG...]\n\nCommands:\n";
  std::vector<Row> rows;
  for (auto const* command : commands)
    rows.push_back({command->name + (command->arguments.empty() ? "" : ' ' + command->arguments), command->summary});
  append_rows(out, rows, left_width_of(rows));
  out += "\nFlags:\n";
  std::vector<Row> const flags{{"--help", "This text; after a command: all about it, with an example"},
                               {"--version", "The version"}};
  append_rows(out, flags, left_width_of(flags));
  out += "\nSettings: flag > variable > file > default. The key store.batch_count_max is\n";
  std::vector<Row> const ways{
      {"--store-batch-count-max N", "as a flag (of `penstock store` also --batch-count-max N)"},
      {"PENSTOCK_STORE_BATCH_COUNT_MAX", "as a variable"},
      {"[store] batch_count_max = N", "in the file: --config FILE, else PENSTOCK_CONFIG, else penstock.toml here"}};
  append_rows(out, ways, left_width_of(ways));
  out +=
      "\nExit: 0 stopped as asked, 1 gave up at run time, 2 wrong flags or configuration\n\n"
      "Example:\n  penstock up --embedded    all agents of penstock.toml on a broker of their own, to try it out\n";
  return out;
}

std::string help_text(Command const& command) {
  std::string out = "penstock " + command.name + ": ";
  append_wrapped(out, command.summary, 2, width(out));
  out += "\nUsage: penstock " + command.name + (command.arguments.empty() ? "" : ' ' + command.arguments) + " [FLAG...]\n";
  auto const groups = flag_groups(command);
  std::size_t left = 0;
  for (auto const& [title, rows] : groups) left = std::max(left, left_width_of(rows));
  for (auto const& [title, rows] : groups) {
    out += '\n';
    append_wrapped(out, title, 2, 0);
    append_rows(out, rows, left);
  }
  out += "\nExample:\n";
  for (auto const line : std::views::split(command.example, '\n')) append_example(out, std::string_view{line});
  return out;
}

}  // namespace penstock
