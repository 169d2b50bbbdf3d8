#include "agents/manual.hpp"

#include "agents/command_flags.hpp"
#include "agents/command_help.hpp"
#include "agents/settings.hpp"
#include "agents/version.hpp"

#include <string_view>

namespace penstock {

namespace {

// A line of text that roff shall print as it is: no escapes, no requests, `-` as it is typed in a shell.
std::string plain(std::string_view text) {
  std::string out;
  for (char const c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

void section(std::string& out, std::string_view title) { out += ".SH \"" + plain(title) + "\"\n"; }
void subsection(std::string& out, std::string_view title) { out += ".SS \"" + plain(title) + "\"\n"; }
void item(std::string& out, std::string_view left, std::string_view right) {
  out += ".TP\n\\fB" + plain(left) + "\\fR\n" + plain(right) + '\n';
}

std::string usage(Command const& command) {
  return "penstock " + command.name + (command.arguments.empty() ? "" : ' ' + command.arguments);
}

// "COMMAND LINE    what it does", several separated by line ends.
void append_examples(std::string& out, std::string_view examples) {
  while (!examples.empty()) {
    auto const end = std::min(examples.find('\n'), examples.size());
    auto const line = examples.substr(0, end);
    auto const gap = std::min(line.find("   "), line.size());
    auto const meaning = line.substr(std::min(line.find_first_not_of(' ', gap), line.size()));
    item(out, line.substr(0, gap), meaning.empty() ? "\\&" : meaning);
    examples.remove_prefix(std::min(end + 1, examples.size()));
  }
}

void append(std::string& out, Command const& command) {
  subsection(out, usage(command));
  out += plain(command.summary) + ".\n";
  for (auto const& flag : command.flags) {
    auto const row = row_of(flag);
    item(out, row.left, row.right);
  }
  std::string sections;
  for (auto const& name : sections_of(command))
    if (!name.empty()) sections += (sections.empty() ? "" : ", ") + ('[' + with_name(name, placeholder(name)) + ']');
  out += ".PP\nIts flags are also the settings of " + plain(sections) + ".\n";
  append_examples(out, command.example);
}

std::string names_of(Setting const& setting) {
  auto const file = setting.secret ? "_file" : "";
  auto const key = with_name(setting.key, placeholder(setting.key));
  return key + file + ", --" + flag_name(key + file) + ", " + variable_name(key);
}

void append_settings(std::string& out) {
  std::string before;
  for (auto const& setting : all_settings()) {
    auto const name = with_name(section_of(setting), placeholder(setting.key));
    if (name != before) subsection(out, '[' + name + "]: " + std::string{section_help(section_of(setting))});
    before = name;
    item(out, names_of(setting), meaning_of(setting));
  }
}

}  // namespace

std::string manual_page(std::vector<Command const*> const& commands) {
  auto out = ".TH PENSTOCK 1 \"\" \"penstock " + plain(penstock_version) + "\" \"User Commands\"\n.nh\n.ad l\n";
  section(out, "NAME");
  out += "penstock \\- market data, streamed and stored so that it adds up\n";
  section(out, "SYNOPSIS");
  out += ".B penstock\n.I COMMAND\n[\\fIARGUMENT\\fR ...] [\\fIFLAG\\fR ...]\n";
  section(out, "DESCRIPTION");
  out += plain(
      "Publishers bring what providers of market data send into Kafka topics raw.PROVIDER, a transformer decodes, checks and "
      "dedupes it into canonical records in md.KIND, a store writes those into TimescaleDB. `penstock up` runs them all, as "
      "penstock.toml says.\n");
  section(out, "COMMANDS");
  for (auto const* command : commands) append(out, *command);
  for (auto const& [left, right] : answer_rows()) item(out, "penstock " + left, right);
  section(out, "SETTINGS");
  out += plain("Flag before variable before file before default.\n");
  append_settings(out);
  section(out, "EXIT STATUS");
  for (auto const& [left, right] : exit_rows()) item(out, left, right);
  section(out, "FILES");
  item(out, "penstock.toml", "The configuration: --config FILE, else the one that PENSTOCK_CONFIG names, else the one here");
  return out;
}

}  // namespace penstock
