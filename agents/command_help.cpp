#include "agents/command_help.hpp"

#include "agents/command_flags.hpp"
#include "agents/settings.hpp"

#include <algorithm>
#include <ranges>

namespace penstock {

namespace {

constexpr std::size_t columns = 100;
constexpr std::size_t left_column_max = 36;

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

HelpRow row_of(SettingFlag const& flag) {
  if (flag.setting->secret)
    return {"--" + flag.name + " FILE", "File that holds the " + flag.setting->help + "; or set " +
                                            variable_name(with_name(flag.setting->key, placeholder(flag.setting->key)))};
  return {"--" + flag.name + ' ' + argument_of(*flag.setting), meaning_of(*flag.setting)};
}

std::vector<std::pair<std::string, std::vector<HelpRow>>> flag_groups(Command const& command) {
  std::vector<std::pair<std::string, std::vector<HelpRow>>> groups;
  std::vector<HelpRow> own;
  for (auto const& flag : command.flags) own.push_back(row_of(flag));
  own.push_back(
      {"--config FILE", "The configuration file (default: the one that PENSTOCK_CONFIG names, else penstock.toml here)"});
  own.push_back({"--help", "This text"});
  groups.emplace_back("Flags:", std::move(own));

  auto const flags = setting_flags(command);
  for (auto const& section : sections_of(command)) {
    std::vector<HelpRow> rows;
    for (auto const& flag : flags)
      if (flag.shown && section_of(*flag.setting) == section) rows.push_back(row_of(flag));
    if (!rows.empty())
      groups.emplace_back("Settings [" + with_name(section, placeholder(section)) + "]: " + std::string{section_help(section)},
                          std::move(rows));
  }
  return groups;
}

std::size_t left_width_of(std::vector<HelpRow> const& rows) {
  std::size_t most = 0;
  for (auto const& row : rows) most = std::max(most, std::min(left_column_max, width(row.left)));
  return most;
}

void append_rows(std::string& out, std::vector<HelpRow> const& rows, std::size_t left_width) {
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

}  // namespace

std::vector<HelpRow> answer_rows() {
  return {{"help [COMMAND|--man]", "About penstock or a command; or all of it, with every setting, as a manual page"},
          {"completion bash|zsh", "Completion for that shell. bash: eval \"$(penstock completion bash)\""}};
}

std::vector<HelpRow> exit_rows() {
  return {{"0", "stopped as asked"}, {"1", "gave up at run time"}, {"2", "wrong flags or configuration"}};
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

std::string meaning_of(Setting const& setting) {
  auto out = setting.help;
  if (setting.type == Setting::Type::integer || !setting.choices.empty()) out += ". Takes " + allowed(setting);
  return out + (setting.fallback.empty() ? " (default: empty)" : " (default " + setting.fallback + ")");
}

HelpRow row_of(Flag const& flag) {
  auto right = flag.help;
  if (!flag.fallback.empty()) right += " (default " + flag.fallback + ")";
  if (flag.repeats) right += "; may be given more than once";
  return {"--" + flag.name + (flag.argument.empty() ? "" : ' ' + flag.argument), right};
}

std::string help_text(std::vector<Command const*> const& commands) {
  std::string out =
      "penstock: market data from the provider into Kafka and TimescaleDB so that it adds up\n\n"
      "Usage: penstock COMMAND [ARGUMENT...] [FLAG...]\n\nCommands:\n";
  std::vector<HelpRow> rows;
  for (auto const* command : commands)
    rows.push_back({command->name + (command->arguments.empty() ? "" : ' ' + command->arguments), command->summary});
  for (auto& row : answer_rows()) rows.push_back(std::move(row));
  append_rows(out, rows, left_width_of(rows));
  out += "\nFlags:\n";
  std::vector<HelpRow> const flags{{"--help", "This text; after a command: all about it, with an example"},
                                   {"--version", "The version"}};
  append_rows(out, flags, left_width_of(flags));
  out += "\nSettings: flag > variable > file > default. The key store.batch_count_max is\n";
  std::vector<HelpRow> const ways{
      {"--store-batch-count-max N", "as a flag (of `penstock store` also --batch-count-max N)"},
      {"PENSTOCK_STORE_BATCH_COUNT_MAX", "as a variable"},
      {"[store] batch_count_max = N", "in the file: --config FILE, else PENSTOCK_CONFIG, else penstock.toml here"}};
  append_rows(out, ways, left_width_of(ways));
  out += "\nExit:";
  for (auto const& [code, meaning] : exit_rows()) out += (code == "0" ? " " : ", ") + code + ' ' + meaning;
  out += "\n\nExample:\n  penstock up --embedded    all agents of penstock.toml on a broker of their own, to try it out\n";
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
