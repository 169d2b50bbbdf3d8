#include "agents/completion.hpp"

#include "agents/command_flags.hpp"
#include "agents/settings.hpp"
#include "streaming/join.hpp"

#include <algorithm>
#include <format>
#include <string>
#include <string_view>

namespace penstock {

namespace {

using Words = std::vector<std::string>;

/// A flag as a shell offers it.
struct Offer {
  enum class Value { none, any, file, word, list };
  std::string name;  ///< "--kinds"
  std::string help;
  Value value = Value::none;
  Words words;  ///< that the value may be
  bool repeats = false;
};

Offer offer_of(Flag const& flag) {
  auto const is_file = flag.argument.starts_with("FILE") || flag.argument.starts_with("DIR");
  auto const value = flag.argument.empty() ? Offer::Value::none : is_file ? Offer::Value::file : Offer::Value::any;
  return {.name = "--" + flag.name, .help = flag.help, .value = value, .words = {}, .repeats = flag.repeats};
}

Offer offer_of(std::string const& name, Setting const& setting) {
  Offer offer{.name = "--" + name, .help = setting.help, .value = Offer::Value::any, .words = setting.choices};
  auto const is_list = setting.type == Setting::Type::list;
  if (setting.type == Setting::Type::boolean) offer.words = {"true", "false"};
  if (setting.secret || setting.key.ends_with("_file") || setting.key.ends_with("folder"))
    offer.value = Offer::Value::file;
  else if (!offer.words.empty())
    offer.value = is_list ? Offer::Value::list : Offer::Value::word;
  return offer;
}

std::vector<Offer> offers_of(Command const& command) {
  std::vector<Offer> offers;
  for (auto const& flag : command.flags) offers.push_back(offer_of(flag));
  offers.push_back({.name = "--config", .help = "The configuration file", .value = Offer::Value::file});
  offers.push_back({.name = "--help", .help = "All about this command"});
  for (auto const& flag : setting_flags(command)) {
    if (!flag.shown) continue;
    auto const placed = placeholder(flag.setting->key);
    auto const star = flag.name.find(placed);
    if (star == flag.name.npos) offers.push_back(offer_of(flag.name, *flag.setting));
    if (star == flag.name.npos) continue;
    for (auto const& name : names_for(*flag.setting))
      offers.push_back(offer_of(std::string{flag.name}.replace(star, placed.size(), flag_name(name)), *flag.setting));
  }
  return offers;
}

Words names_of(std::vector<Command const*> const& commands) {
  Words names;
  for (auto const* command : commands) names.push_back(command->name);
  names.insert(names.end(), {"help", "completion"});
  return names;
}

Words help_topics(std::vector<Command const*> const& commands) {
  auto topics = names_of(commands);
  topics.emplace_back("--man");
  return topics;
}

// ---- bash

void append_bash_values(std::string& out, Offer const& offer) {
  out += "        " + offer.name + ") ";
  switch (offer.value) {
    case Offer::Value::none: return;
    case Offer::Value::any: out += "kind=any"; break;
    case Offer::Value::file: out += "kind=file"; break;
    case Offer::Value::word: out += "kind=word values='" + join(offer.words, " ") + "'"; break;
    case Offer::Value::list: out += "kind=list values='" + join(offer.words, " ") + "'"; break;
  }
  out += " ;;\n";
}

void append_bash(std::string& out, Command const& command) {
  auto const offers = offers_of(command);
  Words names;
  for (auto const& offer : offers) names.push_back(offer.name);
  out += "    " + command.name + ")\n      words='" + join(allowed_words(command), " ") + "'\n      flags='" + join(names, " ") +
         "'\n";
  out += "      case $before in\n";
  for (auto const& offer : offers)
    if (offer.value != Offer::Value::none) append_bash_values(out, offer);
  out += "      esac ;;\n";
}

// A word is what stands between blanks, and bash takes `=` for one of its own: --kinds=trades is three.
constexpr std::string_view bash_begin = R"(# bash completion for penstock, made by `penstock completion bash`.
_penstock() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words='' flags='' kind='' values=''
  if [ "$word" = = ]; then word=''; elif [ "$before" = = ]; then before=${COMP_WORDS[COMP_CWORD - 2]}; fi
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W "$_penstock_commands --help --version" -- "$word")
    return
  fi
  case ${COMP_WORDS[1]} in
)";
constexpr std::string_view bash_end = R"(  esac
  case $kind in
    any) ;;
    file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    word) mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word") ;;
    list)
      local done=''
      case $word in *,*) done=${word%,*}, ;; esac
      mapfile -t COMPREPLY < <(compgen -P "$done" -W "$values" -- "${word##*,}") ;;
    *)
      case $word in
        -*) mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$word") ;;
        *) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word") ;;
      esac ;;
  esac
}
complete -F _penstock penstock
)";

// ---- zsh

// In single quotes, and inside of _arguments' brackets.
std::string in_quotes(std::string_view text) {
  std::string out;
  for (char const c : text) {
    if (c == '\'')
      out += "'\\''";
    else if (c == '[' || c == ']' || c == ':' || c == '\\')
      out += std::string{"\\"} + c;
    else
      out += c;
  }
  return out;
}

std::string zsh_action(Offer const& offer) {
  switch (offer.value) {
    case Offer::Value::none: return {};
    case Offer::Value::any: return ":value: ";
    case Offer::Value::file: return ":file:_files";
    case Offer::Value::word: return ":word:(" + join(offer.words, " ") + ')';
    case Offer::Value::list: return ":list:_values -s , word " + join(offer.words, " ");
  }
  return {};
}

void append_zsh(std::string& out, Command const& command) {
  out += "    " + command.name + ")\n      _arguments";
  for (auto const& offer : offers_of(command))
    out += " \\\n        '" + std::string{offer.repeats ? "*" : ""} + offer.name +
           (offer.value == Offer::Value::none ? "" : "=") + '[' + in_quotes(offer.help) + ']' + zsh_action(offer) + "'";
  if (auto const words = allowed_words(command); !words.empty())
    out += std::format(" \\\n        '{}:word:({})'", command.arguments_most > 1 ? "*" : "1", join(words, " "));
  out += " ;;\n";
}

constexpr std::string_view zsh_end = R"(  esac
}
if [ "$funcstack[1]" = _penstock ]; then _penstock "$@"; else compdef _penstock penstock; fi
)";

}  // namespace

std::string bash_completion(std::vector<Command const*> const& commands) {
  auto out = std::string{bash_begin};
  auto const names = std::string{"$_penstock_commands"};
  out.replace(out.find(names), names.size(), join(names_of(commands), " "));
  for (auto const* command : commands) append_bash(out, *command);
  out += "    help) words='" + join(help_topics(commands), " ") + "' flags=--man ;;\n    completion) words='bash zsh' ;;\n";
  return out += bash_end;
}

std::string zsh_completion(std::vector<Command const*> const& commands) {
  std::string out =
      "#compdef penstock\n# zsh completion for penstock, made by `penstock completion zsh`.\n_penstock() {\n"
      "  if (( CURRENT == 2 )); then\n    local -a commands=(";
  for (auto const* command : commands) out += "\n      '" + command->name + ':' + in_quotes(command->summary) + "'";
  out +=
      "\n      'help:About penstock or a command' 'completion:This completion')\n"
      "    _describe command commands\n    return\n  fi\n"
      "  local command=$words[2]\n  shift words\n  (( CURRENT-- ))\n  case $command in\n";
  for (auto const* command : commands) append_zsh(out, *command);
  out += "    help) _arguments '1:topic:(" + join(help_topics(commands), " ") +
         ")' ;;\n    completion) _arguments '1:shell:(bash zsh)' ;;\n";
  return out += zsh_end;
}

}  // namespace penstock
