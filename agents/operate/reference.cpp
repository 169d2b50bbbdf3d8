#include "agents/operate/reference.hpp"

#include "agents/settings.hpp"

namespace penstock {
namespace {

constexpr std::string_view introduction =
    R"(# Configuration

Each key may be given in four ways; an earlier one overrules a later one:

| | how | of `store.batch_count_max` |
|---|---|---|
| 1 | flag | `--store-batch-count-max 5000`; where a command owns the section, without its name: `penstock store --batch-count-max 5000` |
| 2 | variable | `PENSTOCK_STORE_BATCH_COUNT_MAX=5000` |
| 3 | file | `[store]`, below it `batch_count_max = 5000` |
| 4 | default | what the tables below say |

The file is `penstock.toml` of the working folder, or the one that `--config` or the variable `PENSTOCK_CONFIG` names; [penstock.example.toml](../penstock.example.toml)
holds every key. Where a key has a `*`, a provider's name stands there (`[publish.binance]`), or a topic's (`[topics."md.trades"]`). A **secret** is never given on the command line, but by
its variable, the file, or a key of the same name with `_file` at its end, which names a file that holds it; given nowhere, it is looked for in
`$CREDENTIALS_DIRECTORY`, where systemd puts it under its key. Files with secrets are refused where others may read them ([operations/security.md](operations/security.md)). A key that is not known, or a value that is
not allowed, is an error that says where it stands and what is allowed. `penstock check` reads the configuration and says what is wrong with it.

This page is what `penstock list --settings` prints.
)";

// Of a table's cell: a bar would end it.
std::string cell(std::string_view text) {
  std::string out;
  for (auto const letter : text) out += letter == '|' ? "\\|" : std::string{letter};
  return out;
}

std::string code(std::string_view text) { return '`' + cell(text) + '`'; }

std::string row_of(Setting const& setting, std::string_view key) {
  auto const fallback = setting.secret || setting.fallback.empty() ? std::string{} : code(setting.fallback);
  auto const takes = setting.secret ? "a **secret**" : cell(allowed(setting));
  return "| " + code(key) + " | " + takes + " | " + fallback + " | " + cell(setting.help) + " |\n";
}

}  // namespace

std::string settings_reference() {
  std::string out{introduction};
  std::string last;
  for (auto const& setting : all_settings()) {
    auto const dot = setting.key.rfind('.');
    auto const section = setting.key.substr(0, dot);
    if (section != last) {
      out += "\n## [" + section + "]\n";
      if (auto const help = section_help(section); !help.empty()) out += std::string{help} + ".\n";
      out += "\n| key | takes | default | meaning |\n|---|---|---|---|\n";
      last = section;
    }
    out += row_of(setting, std::string_view{setting.key}.substr(dot + 1));
  }
  return out;
}

}  // namespace penstock
