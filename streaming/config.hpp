/// Settings: flag > PENSTOCK_* variable > penstock.toml > default. Each key is said once, in agents/settings.cpp.
///   key  store.batch_count_max  flag  --store-batch-count-max (in `penstock store` also --batch-count-max)
///   variable  PENSTOCK_STORE_BATCH_COUNT_MAX  file  [store] batch_count_max = …
/// Where a key has a `*` part (publish.*.symbols), any name may stand there: a section of its own for each.
/// A secret may instead be given as <key>_file: a file that holds it, which others may not read (nor the configuration file,
/// where it holds one itself). Given nowhere, it is looked for in $CREDENTIALS_DIRECTORY/<key>, where systemd puts it.
/// Secrets are handed to log::redact() when read.
/// An unknown key is an error that names the nearest known one; a wrong value says what is allowed, and where it came from.
/// All errors are UsageError. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

struct Setting {
  enum class Type : std::uint8_t { text, integer, boolean, list, choice };
  std::string key;  ///< dotted; `*` stands for one of a section's names
  Type type = Type::text;
  std::string fallback;                          ///< default, as text; lists separated by commas
  std::string help;                              ///< with the unit; of a secret: what it is, "password for database.url"
  std::int64_t least = 0, most = 0;              ///< of integers, inclusive
  std::vector<std::string> choices;              ///< of choices, and of lists with a closed set
  std::string form;                              ///< of texts: what is allowed, in words; "host:port, …"
  bool (*has_form)(std::string_view) = nullptr;  ///< of texts: nothing, any text will do
  std::vector<std::string> names;                ///< what `*` stands for, dots and all; empty: the loader's
  bool secret = false;   ///< never on the command line: variable, file, or <key>_file naming a file that holds it
  bool only_up = false;  ///< read by `penstock up` alone, which has the flag; the agents' commands have none
};

class Config {
 public:
  std::string text(std::string_view key) const;
  std::int64_t integer(std::string_view key) const;
  bool boolean(std::string_view key) const;
  std::vector<std::string> list(std::string_view key) const;
  std::chrono::milliseconds milliseconds(std::string_view key) const;
  /// True where something else than the default was given.
  bool given(std::string_view key) const;
  /// "flag --x", "variable PENSTOCK_X", "penstock.toml line 3 column 12", "default".
  std::string origin(std::string_view key) const;
  /// The file that a secret was read from, to read it again when it is refused; "": it was given itself.
  std::string secret_file(std::string_view key) const;
  /// The keys that were given on the command line, as text; of secrets <key>_file, with the file's name.
  std::map<std::string, std::string> flags() const;
  /// Names of the tables under a prefix that the file has, in its order: sections("publish") -> binance, hyperliquid.
  std::vector<std::string> sections(std::string_view prefix) const;
  std::string const& file() const { return file_; }

 private:
  friend class ConfigLoader;
  struct Value {
    std::string text;
    std::vector<std::string> items;  ///< of lists
    std::string origin;
    std::string secret_file;
    bool flag = false;
  };
  Setting const& setting(std::string_view key) const;
  Value const* value(std::string_view key) const;

  std::vector<Setting> const* settings_ = nullptr;
  std::map<std::string, Value, std::less<>> values_;  ///< those that were given
  std::vector<std::string> sections_;                 ///< dotted names of the file's tables, in its order
  std::string file_;
};

/// The nearest of `known` to a mistyped word; "" where none is near.
std::string nearest(std::string_view word, std::vector<std::string> const& known);
/// "; did you mean X?", or where none is near "; known: A, B, C".
std::string suggestion(std::string_view word, std::vector<std::string> const& known);

/// What a setting takes, in words: "a whole number from 1 to 65535".
std::string allowed(Setting const& setting);
/// store.batch_count_max -> PENSTOCK_STORE_BATCH_COUNT_MAX, store-batch-count-max.
std::string variable_name(std::string_view key);
std::string flag_name(std::string_view key);
/// publish.*.symbols covers publish.binance.symbols.
bool covers(std::string_view pattern, std::string_view key);

/// What is in a configuration file. Throws UsageError where it cannot be read. Where the variable PENSTOCK_CONFIG_FD names a
/// descriptor, that is read instead of `path`: `penstock up` hands its agents the text that it has looked through.
std::string config_text(std::string const& path);

class ConfigLoader {
 public:
  /// `settings` must outlive every Config made from it. `names`: what may stand for `*`; empty = any name.
  explicit ConfigLoader(std::vector<Setting> const& settings, std::vector<std::string> names = {})
      : settings_{settings}, names_{std::move(names)} {}
  /// `file`: path; "" = the one that PENSTOCK_CONFIG names, else penstock.toml of the working folder where there is one.
  /// `flags`: key -> text. `spelled`: how a flag was written where that is not --key-with-dashes.
  /// `text`: what is in the file, where that was read already.
  Config load(std::string const& file, std::map<std::string, std::string> const& flags,
              std::map<std::string, std::string> const& spelled = {}, std::optional<std::string> const& text = {}) const;

 private:
  struct Raw;     ///< one value as it was found, and where
  struct Source;  ///< all values of one origin: the file, the variables, the flags
  Source read_file(std::string const& path, std::string const& text, std::vector<std::string>& sections) const;
  Source read_credentials() const;
  Source read_variables() const;
  Source read_flags(std::map<std::string, std::string> const& flags, std::map<std::string, std::string> const& spelled) const;
  void add(Source const& source, Config& config) const;
  Setting const* find(std::string_view key) const;
  std::vector<std::string> const& names_of(Setting const& setting) const;
  void check_name(std::string_view key, std::string_view origin) const;
  std::vector<std::string> keys_of(std::string_view section) const;

  std::vector<Setting> const& settings_;
  std::vector<std::string> names_;
};

}  // namespace penstock
