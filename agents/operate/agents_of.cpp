#include "agents/operate/agents_of.hpp"

#include "agents/operate/commands.hpp"
#include "agents/settings.hpp"
#include "streaming/fault.hpp"
#include "streaming/join.hpp"

#include <algorithm>

namespace penstock {
namespace {

constexpr std::string_view embedded_pace_bytes_max = "2000000";  // The embedded broker keeps about 5 MB a partition.

/// What an agent reads of the configuration, beyond its command's own sections.
struct Reads {
  Command const& command;
  Rank rank;
  std::vector<std::string> keys;                   ///< single ones of other sections
  std::vector<std::string> but_not_sections = {};  ///< of which it reads those keys alone
};

Reads reads_of(std::string_view kind) {
  if (kind == "publish") return {publish_command, publishers, {"transform.group"}};
  if (kind == "transform") return {transform_command, transformers, {"store.group", "store.kinds"}, {"store"}};
  if (kind == "store") return {store_command, stores, {}};
  if (kind == "audit")
    return {audit_command, publishers, {"transform.group", "store.group", "store.kinds"}, {"transform", "store"}};
  return {dead_command, publishers, {"transform.group", "store.group"}};
}

std::string section_of(std::string_view key) { return std::string{key.substr(0, key.rfind('.'))}; }

// What only matters when topics are made, or what `up` decides itself.
bool is_ups_own(Setting const& setting) {
  static std::set<std::string> const own{"kafka.partitions", "kafka.replication", "kafka.wait_ms_max",
                                         "http.listen",      "status.fd",         "status.instance"};
  return setting.only_up || own.contains(setting.key);
}

std::map<std::string, std::string> settings_of(Config const& config, std::string const& kind, std::string const& provider) {
  auto const reads = reads_of(kind);
  std::map<std::string, std::string> out;
  for (auto const& setting : all_settings()) {
    auto const section = section_of(setting.key);
    bool const concerns =
        section == "log" || std::ranges::contains(reads.keys, setting.key) ||
        (std::ranges::contains(reads.command.sections, section) && !std::ranges::contains(reads.but_not_sections, section));
    if (!concerns || is_ups_own(setting)) continue;
    auto key = setting.key;
    if (auto const star = key.find('*'); star != key.npos) key.replace(star, 1, provider);
    out[key] = config.text(key);
  }
  // Without any, it reads what is published.
  if (kind == "transform" && config.list("transform.providers").empty()) {
    auto published = config.sections("publish");
    std::ranges::sort(published);
    out["transform.providers"] = join(published, ",");
  }
  return out;
}

/// What all agents are started with.
struct Shared {
  std::vector<std::string> words;
  std::map<std::string, std::string> variables;
};

Shared shared_by_all(Config const& config, UpOptions const& options) {
  Shared shared;
  if (!config.file().empty()) shared.words = {"--config", config.file()};
  if (!options.embedded_brokers.empty())
    shared.words.insert(shared.words.end(), {"--kafka-brokers", options.embedded_brokers, "--kafka-transactions=false",
                                             "--kafka-pace-bytes-max=" + std::string{embedded_pace_bytes_max}});
  shared.words.push_back("--status-fd=" + std::to_string(ChildProcess::status_descriptor));
  shared.words.emplace_back("--http-listen=off");      // Theirs are among this one's pages.
  shared.words.emplace_back("--kafka-wait-ms-max=0");  // An outage is no crash loop.
  for (auto const& [key, text] : config.flags()) shared.variables[variable_name(key)] = text;
  if (!options.embedded_group.empty()) shared.variables[variable_name("store.group")] = options.embedded_group;
  if (options.text) shared.variables["PENSTOCK_CONFIG_FD"] = std::to_string(ChildProcess::file_descriptor);
  return shared;
}

class Agents {
 public:
  Agents(Config const& config, UpOptions const& options)
      : config_{config}, options_{options}, shared_{shared_by_all(config, options)} {}

  /// As many as `section` says.
  void add(std::string const& section, std::vector<std::string> const& words, std::string const& provider = {}) {
    auto const name = words.front() + (provider.empty() ? "" : ' ' + provider);
    auto const scaled = options_.counts.find(name);
    auto const count = scaled != options_.counts.end() ? scaled->second : static_cast<int>(config_.integer(section + ".count"));
    for (int number = 1; number <= count; ++number) {
      add_one(count == 1 ? name : name + ' ' + std::to_string(number), words, provider);
      agents_.back().number = number;
      agents_.back().enabled = config_.boolean(section + ".enabled");
      if (count > 1) agents_.back().command.push_back("--status-instance=" + std::to_string(number));
    }
  }
  void add_one(std::string name, std::vector<std::string> words, std::string const& provider = {}) {
    auto const kind = words.front();
    words.insert(words.begin(), options_.program);
    words.insert(words.end(), shared_.words.begin(), shared_.words.end());
    agents_.push_back({.name = std::move(name),
                       .kind = kind,
                       .provider = provider,
                       .rank = reads_of(kind).rank,
                       .command = std::move(words),
                       .variables = shared_.variables,
                       .file = options_.text,
                       .settings = settings_of(config_, kind, provider)});
  }
  std::vector<ChildSpec> take() { return std::move(agents_); }

 private:
  Config const& config_;
  UpOptions const& options_;
  Shared shared_;
  std::vector<ChildSpec> agents_;
};

// Without transactions nothing need add up; without a store the database may be out of reach.
bool audits(Config const& config, UpOptions const& options) {
  return config.milliseconds("audit.every_ms").count() > 0 && config.boolean("kafka.transactions") &&
         options.embedded_brokers.empty() && !options.without.contains("store") && !options.without.contains("audit");
}

}  // namespace

std::vector<ChildSpec> agents_of(Config const& config, UpOptions const& options) {
  Agents agents{config, options};
  auto const wanted = [&](std::string const& kind) { return !options.without.contains(kind); };
  // What reads is there before what writes.
  if (wanted("store")) agents.add("store", {"store"});
  if (wanted("transform")) agents.add("transform", {"transform"});
  if (wanted("publish")) {
    for (auto const& provider : config.sections("publish")) {
      std::vector<std::string> words{"publish", provider};
      // Its broker ends with it, and with what it held.
      if (!options.embedded_brokers.empty()) words.emplace_back("--spool-bytes-max=0");
      agents.add("publish." + provider, words, provider);
    }
    if (config.sections("publish").empty())
      throw UsageError{(config.file().empty() ? std::string{"there is no penstock.toml here"}
                                              : config.file() + " has no [publish.PROVIDER] section") +
                       ", so there is nothing to publish: write for example [publish.binance], or say --without publish"};
  }
  if (!config.list("dead.retry_reasons").empty() && wanted("dead")) agents.add_one("dead retry", {"dead", "retry"});
  if (audits(config, options)) agents.add_one("audit", {"audit", "--repeat"});
  auto all = agents.take();
  if (all.empty()) throw UsageError{"flag --without leaves nothing to start; leave one of publish, transform, store"};
  return all;
}

std::string name_without_number(ChildSpec const& agent) {
  if (agent.kind == "dead") return agent.name;
  return agent.kind + (agent.provider.empty() ? "" : ' ' + agent.provider);
}

}  // namespace penstock
