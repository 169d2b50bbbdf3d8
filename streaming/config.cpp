#include "streaming/config.hpp"

#include "streaming/fault.hpp"
#include "streaming/file_access.hpp"
#include "streaming/join.hpp"
#include "streaming/log.hpp"

#include <unistd.h>
#include <toml++/toml.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <ranges>
#include <set>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace penstock {

struct ConfigLoader::Raw {
  std::string key;
  std::string text;
  std::optional<std::vector<std::string>> items;  ///< where the file spelled an array
  std::string origin;
  bool flag = false;
  bool credential = false;  ///< systemd keeps these files from others by means that their mode does not show
};

struct ConfigLoader::Source {
  std::vector<Raw> values;
  std::string file;  ///< that holds them all; "": none does
};

namespace {

constexpr std::string_view file_suffix = "_file";
using Words = std::vector<std::string>;

std::string in_quotes(std::string_view text) { return '"' + std::string{text} + '"'; }

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t\r\n";
  auto const first = text.find_first_not_of(blank);
  return first == text.npos ? std::string_view{} : text.substr(first, text.find_last_not_of(blank) - first + 1);
}

Words split(std::string_view text, char at) {
  Words out;
  for (auto const part : std::views::split(text, at))
    if (auto const word = trimmed(std::string_view{part}); !word.empty()) out.emplace_back(word);
  return out;
}

std::string section_of(std::string_view key) {
  auto const dot = key.rfind('.');
  return std::string{dot == key.npos ? std::string_view{} : key.substr(0, dot)};
}

std::string_view last_part(std::string_view key) { return key.substr(key.rfind('.') + 1); }

std::string replaced(std::string_view text, std::string_view what, std::string_view with) {
  std::string out{text};
  if (auto const at = out.find(what); at != out.npos) out.replace(at, what.size(), with);
  return out;
}

// Optimal string alignment: Levenshtein, and two neighbours that changed places count as one.
std::size_t distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> two_before(to.size() + 1), before(to.size() + 1), row(to.size() + 1);
  for (std::size_t j = 0; j <= to.size(); ++j) before[j] = j;
  for (std::size_t i = 1; i <= from.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= to.size(); ++j) {
      row[j] = std::min({before[j] + 1, row[j - 1] + 1, before[j - 1] + (from[i - 1] == to[j - 1] ? 0U : 1U)});
      if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
        row[j] = std::min(row[j], two_before[j - 2] + 1);
    }
    two_before = std::exchange(before, row);
  }
  return before[to.size()];
}

std::string secret_in(std::string const& path, std::string const& key, std::string const& origin, bool checks_mode) {
  auto const refuse = [&](std::string const& why) {
    if (!why.empty()) throw UsageError{origin + ": " + key + " names " + in_quotes(path) + why};
  };
  refuse(unreadable(path));
  if (checks_mode) refuse(exposed(path));
  auto secret = secret_text(path);
  if (secret.empty()) refuse(", which is empty; write the secret into it");
  return secret;
}

// Passwords also hide inside URLs (postgresql://user:password@host, …?password=…) and lists of name=value.
Words secrets_in(std::string const& text) {
  Words found;
  auto const scheme = text.find("://");
  auto const at = scheme == text.npos ? text.npos : text.rfind('@');
  auto const colon = at == text.npos ? text.npos : text.find(':', scheme + 3);
  if (colon < at) found.push_back(text.substr(colon + 1, at - colon - 1));
  auto const equals = text.find('=');
  auto const name = std::string_view{text}.substr(0, equals == text.npos ? 0 : equals);
  if (std::ranges::any_of(std::array{"password", "secret", "passphrase", "key.pem"},
                          [&](auto word) { return name.contains(word); }))
    found.push_back(text.substr(equals + 1));
  constexpr std::string_view inner = "password=";
  for (auto from = text.find(inner); from != text.npos; from = text.find(inner, from + 1))
    found.push_back(text.substr(from + inner.size(), text.find_first_of("& ", from) - from - inner.size()));
  std::erase(found, "");
  return found;
}

/// True where there was one.
bool hide_inner(std::string const& text, std::string const& key, std::string const& origin, bool flag) {
  auto const secrets = secrets_in(text);
  for (auto const& secret : secrets) log::redact(secret);
  if (flag && !secrets.empty())
    throw UsageError{origin + ": a secret on the command line can be read by everybody on this machine; use the variable " +
                     variable_name(key) + " or the configuration file"};
  return !secrets.empty();
}

[[noreturn]] void refuse(Setting const& setting, std::string const& key, std::string const& found, std::string const& origin) {
  throw UsageError{origin + ": " + key + " is " + (setting.secret ? "***" : found) + "; it takes " + allowed(setting)};
}

void check_text(Setting const& setting, std::string const& key, std::string const& text, Words const& items,
                std::string const& origin) {
  switch (setting.type) {
    case Setting::Type::text:
      if (setting.has_form != nullptr && !setting.has_form(text)) refuse(setting, key, in_quotes(text), origin);
      return;
    case Setting::Type::boolean:
      if (text != "true" && text != "false") refuse(setting, key, in_quotes(text), origin);
      return;
    case Setting::Type::integer: {
      std::int64_t value = 0;
      auto const end = text.data() + text.size();
      auto const [read_to, error] = std::from_chars(text.data(), end, value);
      if (error != std::errc{} || read_to != end || value < setting.least || value > setting.most)
        refuse(setting, key, in_quotes(text), origin);
      return;
    }
    case Setting::Type::choice:
    case Setting::Type::list:
      for (auto const& word : setting.type == Setting::Type::choice ? Words{text} : items)
        if (!setting.choices.empty() && !std::ranges::contains(setting.choices, word)) {
          auto const near = nearest(word, setting.choices);
          refuse(setting, key, in_quotes(word) + (near.empty() ? "" : " (did you mean " + near + "?)"), origin);
        }
  }
}

std::string spelled(toml::node const& node) {
  std::ostringstream out;
  node.visit([&](auto const& value) {
    if constexpr (toml::is_array<decltype(value)>)
      out << "a list with something else than text";
    else if constexpr (toml::is_table<decltype(value)>)
      out << "a table";
    else if constexpr (toml::is_string<decltype(value)>)
      out << in_quotes(value.get());
    else
      out << toml::node_view{value};
  });
  return out.str();
}

// Text, whole numbers and booleans as text; nothing for the rest.
std::optional<std::string> plain_text(toml::node const& node) {
  if (auto const text = node.value_exact<std::string>()) return text;
  if (auto const number = node.value_exact<std::int64_t>()) return std::to_string(*number);
  if (auto const yes = node.value_exact<bool>()) return *yes ? "true" : "false";
  return {};
}

std::optional<Words> plain_list(toml::node const& node) {
  auto const array = node.as_array();
  if (array == nullptr) return {};
  Words out;
  for (auto const& element : *array) {
    auto text = plain_text(element);
    if (!text) return {};
    out.push_back(std::move(*text));
  }
  return out;
}

bool fits(Setting const& setting, toml::node const& node) {
  switch (setting.type) {
    case Setting::Type::integer: return node.is_integer();
    case Setting::Type::boolean: return node.is_boolean();
    case Setting::Type::list: return node.is_string() || plain_list(node);
    default: return node.is_string();
  }
}

std::string where(std::string const& path, toml::source_region const& source) {
  return path + " line " + std::to_string(source.begin.line) + " column " + std::to_string(source.begin.column);
}

toml::table parsed(std::string const& path, std::string const& text) {
  try {
    return toml::parse(text, path);
  } catch (toml::parse_error const& error) {
    throw UsageError{where(path, error.source()) + ": not valid TOML: " + std::string{error.description()}};
  }
}

/// Whether `pattern`, the setting's key or what that begins with, covers `key`.
bool stands_for(Setting const& setting, std::string_view pattern, std::string_view key) {
  if (setting.names.empty() || !pattern.contains('*')) return covers(pattern, key);
  return std::ranges::any_of(setting.names, [&](auto const& name) { return replaced(pattern, "*", name) == key; });
}

bool is_not_a_setting(std::string_view variable) {
  return variable == "PENSTOCK_CONFIG" || variable == "PENSTOCK_CONFIG_FD" || variable.starts_with("PENSTOCK_TEST_") ||
         variable.starts_with("PENSTOCK_TOOLBOX");
}

/// Where the text of the configuration file is handed over; nullptr: nowhere.
char const* given_descriptor() { return std::getenv("PENSTOCK_CONFIG_FD"); }

}  // namespace

std::string nearest(std::string_view word, Words const& known) {
  std::string const* best = nullptr;
  std::size_t best_distance = 0;
  for (auto const& candidate : known) {
    auto const away = word.size() >= 3 && candidate.starts_with(word) ? 0 : distance(word, candidate);
    auto const most = std::max<std::size_t>(1, std::max(word.size(), candidate.size()) / 3);
    if (away <= most && (best == nullptr || away < best_distance)) {
      best = &candidate;
      best_distance = away;
    }
  }
  return best == nullptr ? std::string{} : *best;
}

std::string suggestion(std::string_view word, Words const& known) {
  if (auto const near = nearest(word, known); !near.empty()) return "; did you mean " + near + "?";
  // A long list helps nobody.
  return known.empty() || known.size() > 12 ? std::string{} : "; known: " + join(known);
}

std::string allowed(Setting const& setting) {
  switch (setting.type) {
    case Setting::Type::text: return setting.form.empty() ? "text" : setting.form;
    case Setting::Type::boolean: return "true or false";
    case Setting::Type::integer:
      return "a whole number from " + std::to_string(setting.least) + " to " + std::to_string(setting.most);
    case Setting::Type::choice: return "one of " + join(setting.choices);
    case Setting::Type::list: return setting.choices.empty() ? "a list of text" : "a list of " + join(setting.choices);
  }
  return {};
}

std::string variable_name(std::string_view key) {
  std::string out = "PENSTOCK_";
  for (char const c : key) out += c == '.' || c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

std::string flag_name(std::string_view key) {
  std::string out{key};
  std::ranges::replace_if(out, [](char c) { return c == '.' || c == '_'; }, '-');
  return out;
}

bool covers(std::string_view pattern, std::string_view key) {
  auto const star = pattern.find('*');
  if (star == pattern.npos) return pattern == key;
  auto const before = pattern.substr(0, star), after = pattern.substr(star + 1);
  return key.size() > before.size() + after.size() && key.starts_with(before) && key.ends_with(after) &&
         !key.substr(star, key.size() - before.size() - after.size()).contains('.');
}

Setting const& Config::setting(std::string_view key) const {
  if (settings_ != nullptr)
    for (auto const& one : *settings_)
      if (stands_for(one, one.key, key)) return one;
  throw std::logic_error{"no setting " + std::string{key}};
}

Config::Value const* Config::value(std::string_view key) const {
  auto const found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

std::string Config::text(std::string_view key) const {
  auto const& of = setting(key);
  auto const found = value(key);
  return found != nullptr ? found->text : of.fallback;
}

std::int64_t Config::integer(std::string_view key) const {
  auto const written = text(key);
  std::int64_t out = 0;
  std::from_chars(written.data(), written.data() + written.size(), out);
  return out;
}

bool Config::boolean(std::string_view key) const { return text(key) == "true"; }

Words Config::list(std::string_view key) const {
  auto const& of = setting(key);
  auto const found = value(key);
  return found != nullptr ? found->items : split(of.fallback, ',');
}

std::chrono::milliseconds Config::milliseconds(std::string_view key) const { return std::chrono::milliseconds{integer(key)}; }

bool Config::given(std::string_view key) const { return value(key) != nullptr; }

std::string Config::origin(std::string_view key) const {
  auto const found = value(key);
  return found != nullptr ? found->origin : "default";
}

std::string Config::secret_file(std::string_view key) const {
  auto const found = value(key);
  return found != nullptr ? found->secret_file : std::string{};
}

std::map<std::string, std::string> Config::flags() const {
  std::map<std::string, std::string> out;
  for (auto const& [key, value] : values_)
    if (value.flag && !value.secret_file.empty())
      out.emplace(key + std::string{file_suffix}, value.secret_file);
    else if (value.flag)
      out.emplace(key, value.text);
  return out;
}

Words Config::sections(std::string_view prefix) const {
  Words out;
  for (std::string_view const name : sections_)
    if (name.size() > prefix.size() + 1 && name.starts_with(prefix) && name[prefix.size()] == '.')
      out.emplace_back(name.substr(prefix.size() + 1));
  return out;
}

std::string config_text(std::string const& path) {
  auto const* const given = given_descriptor();
  errno = 0;
  std::ifstream in{given == nullptr ? path : std::string{"/dev/fd/"} + given};
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (!in || in.bad() || (given == nullptr && std::filesystem::is_directory(path)))
    throw UsageError{"cannot read the configuration file " + path + ": " +
                     (errno != 0 ? std::strerror(errno) : "it is a folder") + "; name another with --config or PENSTOCK_CONFIG"};
  return std::move(text).str();
}

Config ConfigLoader::load(std::string const& file, std::map<std::string, std::string> const& flags,
                          std::map<std::string, std::string> const& spelled_flags, std::optional<std::string> const& text) const {
  Config config;
  config.settings_ = &settings_;
  config.file_ = file;
  auto const named = std::getenv("PENSTOCK_CONFIG");
  if (file.empty() && named != nullptr && *named != '\0') config.file_ = named;
  if (config.file_.empty() && std::filesystem::exists("penstock.toml")) config.file_ = "penstock.toml";

  add(read_credentials(), config);
  if (!config.file_.empty()) {
    auto source = read_file(config.file_, text ? *text : config_text(config.file_), config.sections_);
    // Whoever handed the text over has looked at the file's mode; what that is now is not about this text.
    if (!text && given_descriptor() != nullptr) source.file.clear();
    add(source, config);
  }
  add(read_variables(), config);
  add(read_flags(flags, spelled_flags), config);
  return config;
}

Setting const* ConfigLoader::find(std::string_view key) const {
  auto const found = std::ranges::find_if(settings_, [&](Setting const& one) { return stands_for(one, one.key, key); });
  return found == settings_.end() ? nullptr : &*found;
}

Words ConfigLoader::keys_of(std::string_view section) const {
  Words out;
  for (auto const& one : settings_)
    if (stands_for(one, section_of(one.key), section)) {
      out.emplace_back(last_part(one.key));
      if (one.secret) out.push_back(std::string{last_part(one.key)} + std::string{file_suffix});
    }
  return out;
}

Words const& ConfigLoader::names_of(Setting const& setting) const { return setting.names.empty() ? names_ : setting.names; }

// What stands where a setting has `*`: publish.binance.symbols -> binance.
void ConfigLoader::check_name(std::string_view key, std::string_view origin) const {
  for (auto const& one : settings_) {
    auto const star = one.key.find('*');
    if (star == one.key.npos || key.size() <= star || !key.starts_with(std::string_view{one.key}.substr(0, star))) continue;
    auto const rest = key.substr(star);
    // Of a name with dots only the beginning may have come yet.
    auto const fits = [&](std::string const& name) {
      return rest == name || rest.starts_with(name + '.') || name.starts_with(std::string{rest} + '.');
    };
    auto const& names = names_of(one);
    if (names.empty() || std::ranges::any_of(names, fits)) return;
    auto const name = one.names.empty() ? rest.substr(0, rest.find('.')) : rest;
    throw UsageError{std::string{origin} + ": there is no " + one.key.substr(0, star - 1) + " section for " + in_quotes(name) +
                     suggestion(name, names)};
  }
}

ConfigLoader::Source ConfigLoader::read_file(std::string const& path, std::string const& text, Words& sections) const {
  Source source{.values = {}, .file = path};
  std::vector<std::pair<toml::source_position, std::string>> found_sections;
  std::set<std::string> known_sections;
  for (auto const& one : settings_) {
    for (auto section = section_of(one.key); !section.empty(); section = section_of(section)) known_sections.insert(section);
    for (auto const& name : one.names)
      for (auto section = section_of(replaced(one.key, "*", name)); !section.empty(); section = section_of(section))
        known_sections.insert(section);
  }
  auto const is_section = [&](std::string_view key) {
    return std::ranges::any_of(known_sections, [&](auto const& known) { return covers(known, key); });
  };

  // [publish] itself, whose sections have names: [publish.binance].
  auto const has_named_sections = [&](std::string const& section) {
    return !section.empty() && known_sections.contains(section + ".*");
  };

  auto const read_table = [&](auto const& self, toml::table const& table, std::string const& prefix) -> void {
    for (auto const& [name, node] : table) {
      auto const key = prefix.empty() ? std::string{name.str()} : prefix + '.' + std::string{name.str()};
      auto const origin = where(path, name.source());
      if (node.is_table() && is_section(key)) {
        check_name(key, origin);
        found_sections.emplace_back(name.source().begin, key);
        self(self, *node.as_table(), key);
        continue;
      }
      auto const secret_file = key.ends_with(file_suffix) ? find(key.substr(0, key.size() - file_suffix.size())) : nullptr;
      auto const setting = find(key);
      if (setting == nullptr && (secret_file == nullptr || !secret_file->secret)) {
        if (node.is_table()) check_name(key, origin);
        if (has_named_sections(prefix) || has_named_sections(key)) {
          auto const section = has_named_sections(prefix) ? prefix : key;
          throw UsageError{origin + ": [" + section + "] has no keys of its own; write [" + section +
                           ".NAME] and the keys below" +
                           (section == "topics" ? ", such as [topics.\"md.trades\"]" : ", where NAME is one of " + join(names_))};
        }
        if (is_section(key)) throw UsageError{origin + ": " + key + " is a section; write [" + key + "] and its keys below"};
        if (prefix.empty() && !node.is_table())
          for (auto const& one : settings_)
            if (last_part(one.key) == key)
              throw UsageError{origin + ": the key " + key + " stands outside of a section; write it below [" +
                               replaced(section_of(one.key), "*", names_.empty() ? "NAME" : names_.front()) + "]"};
        if (prefix.empty() || node.is_table()) {
          Words known;
          for (auto const& section : known_sections)
            if (section_of(section) == prefix && !section.contains('*')) known.push_back(section);
          throw UsageError{origin + ": there is no " +
                           (node.is_table() ? "section [" + key + "]" : "key " + key + " outside of a section") +
                           suggestion(key, known)};
        }
        throw UsageError{origin + ": [" + prefix + "] has no key " + std::string{name.str()} +
                         suggestion(name.str(), keys_of(prefix))};
      }
      if (setting != nullptr ? !fits(*setting, node) : !node.is_string())
        refuse(setting != nullptr ? *setting : Setting{}, key, spelled(node), where(path, node.source()));
      source.values.push_back(
          {.key = key, .text = plain_text(node).value_or(""), .items = plain_list(node), .origin = where(path, node.source())});
    }
  };
  read_table(read_table, parsed(path, text), "");

  // toml++ sorts by name; people sort by importance.
  std::ranges::sort(found_sections, [](auto const& left, auto const& right) {
    return std::pair{left.first.line, left.first.column} < std::pair{right.first.line, right.first.column};
  });
  for (auto& [position, name] : found_sections) sections.push_back(std::move(name));
  return source;
}

// What systemd's LoadCredential= and SetCredential= put there: a file for each secret, named by its key.
ConfigLoader::Source ConfigLoader::read_credentials() const {
  Source source;
  auto const* const folder = std::getenv("CREDENTIALS_DIRECTORY");
  if (folder == nullptr || *folder == '\0') return source;
  for (auto const& one : settings_) {
    if (!one.secret) continue;
    for (auto const& name : one.key.contains('*') ? names_of(one) : Words{""}) {
      auto const key = replaced(one.key, "*", name);
      auto const path = std::filesystem::path{folder} / key;
      if (!std::filesystem::exists(path)) continue;
      source.values.push_back({.key = key + std::string{file_suffix},
                               .text = path.string(),
                               .items = {},
                               .origin = "credential " + key,
                               .credential = true});
    }
  }
  return source;
}

ConfigLoader::Source ConfigLoader::read_variables() const {
  Source source;
  Words known;
  for (auto const& one : settings_) {
    auto const star = one.key.contains('*');
    for (auto const& name : star ? names_of(one) : Words{""}) {
      auto const key = replaced(one.key, "*", name);
      known.push_back(variable_name(key));
      if (one.secret) known.push_back(variable_name(key + std::string{file_suffix}));
    }
  }
  for (auto entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    std::string_view const line{*entry};
    auto const variable = line.substr(0, line.find('='));
    if (!variable.starts_with("PENSTOCK_") || is_not_a_setting(variable)) continue;
    auto const origin = "variable " + std::string{variable};

    // PENSTOCK_PUBLISH_BINANCE_HTTP_URL <- publish.*.http_url: what stands for the star has no underscore.
    std::string key;
    for (auto const& one : settings_) {
      for (auto const& name : one.names)
        if (auto named = replaced(one.key, "*", name); variable_name(named) == variable) key = std::move(named);
      if (!one.names.empty()) continue;
      for (std::string_view const suffix :
           one.secret ? std::vector<std::string_view>{"", file_suffix} : std::vector<std::string_view>{""}) {
        auto const pattern = one.key + std::string{suffix};
        auto const name_pattern = variable_name(pattern);
        if (!covers(name_pattern, variable)) continue;
        auto const star = name_pattern.find('*');
        if (star == name_pattern.npos) {
          key = pattern;
          continue;
        }
        std::string name{variable.substr(star, variable.size() - name_pattern.size() + 1)};
        if (name.contains('_')) continue;
        std::ranges::transform(name, name.begin(),
                               [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
        key = replaced(pattern, "*", name);
      }
    }
    if (key.empty()) throw UsageError{origin + " is not a setting of penstock" + suggestion(variable, known)};
    check_name(key, origin);
    source.values.push_back({.key = key,
                             .text = std::string{line.substr(std::min(line.size(), variable.size() + 1))},
                             .items = {},
                             .origin = origin});
  }
  return source;
}

ConfigLoader::Source ConfigLoader::read_flags(std::map<std::string, std::string> const& flags,
                                              std::map<std::string, std::string> const& spelled_flags) const {
  Source source;
  Words known;
  for (auto const& one : settings_)
    if (!one.secret) known.push_back("--" + flag_name(one.key));
  for (auto const& [key, text] : flags) {
    auto const as_written = spelled_flags.find(key);
    auto const origin = "flag --" + (as_written == spelled_flags.end() ? flag_name(key) : as_written->second);
    auto const setting = find(key);
    if (setting != nullptr && setting->secret)
      throw UsageError{origin + ": a secret on the command line can be read by everybody on this machine; use the variable " +
                       variable_name(key) + " or, for a file that holds it, --" + flag_name(key) + "-file"};
    if (setting == nullptr && !key.ends_with(file_suffix))
      throw UsageError{origin + " is not known" + suggestion("--" + flag_name(key), known)};
    check_name(key, origin);
    source.values.push_back({.key = key, .text = text, .items = {}, .origin = origin, .flag = true});
  }
  return source;
}

void ConfigLoader::add(Source const& source, Config& config) const {
  for (auto const& raw : source.values) {
    auto key = raw.key;
    auto text = raw.text;
    std::string secret_file;
    auto setting = find(key);
    if (setting == nullptr) {
      key.resize(key.size() - file_suffix.size());
      setting = find(key);
      if (setting == nullptr || !setting->secret) throw UsageError{raw.origin + " is not known"};
      if (std::ranges::any_of(source.values, [&](Raw const& other) { return other.key == key; }))
        throw UsageError{raw.origin + ": " + key + " and " + raw.key + " are both given; keep one of them"};
      secret_file = std::exchange(text, secret_in(text, raw.key, raw.origin, !raw.credential));
    }
    auto items = setting->type != Setting::Type::list ? Words{} : raw.items ? *raw.items : split(text, ',');
    if (raw.items) text = join(items, ",");
    auto holds_secret = setting->secret && secret_file.empty() && !text.empty();
    if (setting->secret) log::redact(text);
    if (!setting->secret) {
      holds_secret = hide_inner(text, key, raw.origin, raw.flag);
      for (auto const& item : items) holds_secret = hide_inner(item, key, raw.origin, raw.flag) || holds_secret;
    }
    check_text(*setting, key, text, items, raw.origin);
    if (auto const why = holds_secret ? exposed(source.file) : ""; !why.empty())
      throw UsageError{raw.origin + ": " + key + " is a secret in a file" + why};
    config.values_[key] = {.text = std::move(text),
                           .items = std::move(items),
                           .origin = raw.origin,
                           .secret_file = std::move(secret_file),
                           .flag = raw.flag};
  }
}

}  // namespace penstock
