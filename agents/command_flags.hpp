/// Which flags and words a command takes: the table of commands joined with the settings. For the parser, the help, the
/// manual page and the shells' completion. Pure functions.
#pragma once

#include "agents/command.hpp"
#include "streaming/config.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace penstock {

/// A flag that stands for a setting.
struct SettingFlag {
  std::string name;  ///< without --
  std::string key;   ///< may hold `*`: the first argument
  Setting const* setting;
  bool shown;  ///< in the help; other spellings are known, too
};

/// In the order of the command's sections; every name once.
std::vector<SettingFlag> setting_flags(Command const& command);
/// The sections whose keys are flags of this command, `log` with them.
std::vector<std::string> sections_of(Command const& command);
/// "publish.*.symbols" -> "publish.*".
std::string section_of(Setting const& setting);
/// What may stand for the arguments: "plan|apply|status" -> those words; "PROVIDER" -> the providers; else anything: {}.
std::vector<std::string> allowed_words(Command const& command);
/// What may stand for the `*` of a key: providers, or the setting's own names.
std::vector<std::string> names_for(Setting const& setting);
/// What stands for it in texts: PROVIDER, or TOPIC.
std::string_view placeholder(std::string_view key);
/// publish.*.symbols, binance -> publish.binance.symbols.
std::string with_name(std::string key, std::string_view name);

}  // namespace penstock
