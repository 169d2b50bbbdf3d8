/// penstock list: what it can bring in, and what can be set.
#include "agents/operate/commands.hpp"
#include "agents/operate/reference.hpp"
#include "agents/provider.hpp"
#include "agents/settings.hpp"
#include "schemas/kinds.hpp"
#include "streaming/fault.hpp"
#include "streaming/join.hpp"
#include "streaming/json.hpp"

#include <algorithm>
#include <iostream>

namespace penstock {

namespace {

std::string json_of(Provider const& provider) {
  std::string channels = "[";
  for (auto const& channel : provider.channels()) {
    if (channels.size() > 1) channels += ',';
    channels += "{\"name\":" + json_string(channel.name) + ",\"help\":" + json_string(channel.help) +
                ",\"default\":" + (channel.by_default ? "true" : "false") + '}';
  }
  return "{\"name\":" + json_string(provider.name()) + ",\"description\":" + json_string(provider.description()) +
         ",\"channels\":" + channels + "],\"default_symbols\":" + json_list(provider.default_symbols()) +
         ",\"http_url\":" + json_string(provider.default_http_url()) +
         ",\"websocket_url\":" + json_string(provider.default_websocket_url()) + '}';
}

std::vector<std::string> kinds() { return {kind_names.begin(), kind_names.end()}; }

void print_json(std::vector<Provider const*> const& providers) {
  std::string out = "{\"providers\":[";
  for (auto const* provider : providers) out += (provider == providers.front() ? "" : ",") + json_of(*provider);
  std::cout << out << "],\"kinds\":" << json_list(kinds()) << "}\n";
}

void print(Provider const& provider) {
  std::cout << provider.name() << ": " << provider.description() << "\n  symbols   " << join(provider.default_symbols())
            << " (default)\n  channels";
  std::size_t widest = 0;
  for (auto const& channel : provider.channels()) widest = std::max(widest, channel.name.size());
  auto lead = std::string{"  "};
  for (auto const& channel : provider.channels()) {
    std::cout << lead << (channel.by_default ? "* " : "  ") << channel.name << std::string(widest - channel.name.size() + 2, ' ')
              << channel.help << '\n';
    lead = std::string(12, ' ');
  }
  std::cout << '\n';
}

int run(Invocation const& invocation) {
  if (invocation.has("settings")) {
    if (invocation.has("json")) throw UsageError{"--settings prints Markdown: leave out --settings or --json"};
    std::cout << settings_reference() << std::flush;
    return stopped_as_asked;
  }
  auto providers = all_providers();
  std::ranges::sort(providers, {}, &Provider::name);
  if (invocation.has("json")) {
    print_json(providers);
  } else {
    for (auto const* provider : providers) print(*provider);
    std::cout << "* published unless [publish.PROVIDER] channels says otherwise\n\nkinds: " << join(kinds()) << '\n';
  }
  return stopped_as_asked;
}

}  // namespace

Command const list_command{
    .name = "list",
    .summary = "Show what penstock can bring in: providers, their channels and default symbols, and the kinds of records",
    .flags = {{.name = "json", .help = "One JSON object instead of text"},
              {.name = "settings", .help = "The reference of the configuration instead: every key, as Markdown"}},
    .example = "penstock list --json | jq -r '.providers[].name'    the names of all providers",
    .run = run,
};

}  // namespace penstock
