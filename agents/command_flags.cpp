#include "agents/command_flags.hpp"

#include "agents/settings.hpp"

#include <algorithm>
#include <ranges>
#include <set>

namespace penstock {

namespace {

std::string last_part(Setting const& setting) { return setting.key.substr(setting.key.rfind('.') + 1); }

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
    for (auto const& name : names_for(setting)) {
      auto const key = with_name(setting.key, name);
      add_spelling(flags, flag_name(key), key, setting, false);
    }
    if (!short_names)
      add_spelling(flags, flag_name(with_name(setting.key, placeholder(setting.key))), setting.key, setting, true);
  }
  return flags;
}

}  // namespace

std::string section_of(Setting const& setting) { return setting.key.substr(0, setting.key.rfind('.')); }

std::vector<std::string> names_for(Setting const& setting) { return setting.names.empty() ? provider_names() : setting.names; }

std::string_view placeholder(std::string_view key) { return key.starts_with("topics.") ? "TOPIC" : "PROVIDER"; }

std::string with_name(std::string key, std::string_view name) {
  if (auto const star = key.find('*'); star != key.npos) key.replace(star, 1, name);
  return key;
}

std::vector<std::string> sections_of(Command const& command) {
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

std::vector<std::string> allowed_words(Command const& command) {
  auto const first = command.arguments.substr(0, command.arguments.find(' '));
  if (first.starts_with("PROVIDER")) return provider_names();
  if (!first.contains('|')) return {};
  std::vector<std::string> words;
  for (auto const part : std::views::split(first, '|')) {
    std::string_view const word{part};
    words.emplace_back(word.substr(word.starts_with('['), word.size() - word.starts_with('[') - word.ends_with(']')));
  }
  return words;
}

}  // namespace penstock
