#include "agents/topic_plan.hpp"

#include "agents/dead_marks.hpp"
#include "agents/ledger.hpp"
#include "agents/provider.hpp"
#include "schemas/kinds.hpp"

#include <algorithm>

namespace penstock {
namespace {

using TopicConfig = std::map<std::string, std::string>;

constexpr int dead_letter_days = 30;
constexpr std::string_view record_bytes_max = "20971520";

TopicConfig kept_for_days(int days) {
  return {{"cleanup.policy", "delete"},
          {"retention.ms", std::to_string(std::int64_t{days} * 24 * 3600 * 1000)},
          {"max.message.bytes", std::string{record_bytes_max}}};
}

/// The last record of each key for ever. The older ones stay long enough for every reader to count them.
TopicConfig kept_by_key() {
  return {{"cleanup.policy", "compact"},
          {"min.compaction.lag.ms", std::to_string(std::int64_t{7} * 24 * 3600 * 1000)},
          {"max.message.bytes", std::string{record_bytes_max}}};
}

/// Running totals: the last record of a key says it all, and reading the topic must stay quick.
TopicConfig kept_as_totals() {
  return {{"cleanup.policy", "compact"}, {"segment.bytes", "16777216"}, {"min.cleanable.dirty.ratio", "0.1"}};
}

TopicConfig config_of_kind(std::string_view kind) {
  // A catalogue is read from its beginning: whoever comes late needs each instrument once.
  if (kind == Instrument::kind || kind == Venue::kind) return kept_by_key();
  // Not by key: a symbol has many gaps under one key, and the open ones must stay until they are closed.
  if (kind == Gap::kind) return kept_for_days(30);
  return kept_for_days(7);
}

std::vector<std::string> providers_of(Config const& config) {
  std::vector<std::string> providers = config.sections("publish");
  // A transformer may be told to read what other machines publish.
  for (auto const& other : config.list("transform.providers"))
    if (std::ranges::find(providers, other) == providers.end()) providers.push_back(other);
  if (!providers.empty()) return providers;
  for (auto const* provider : all_providers()) providers.emplace_back(provider->name());
  return providers;
}

}  // namespace

std::vector<kafka::TopicSpec> topic_plan(Config const& config) {
  auto const partitions = static_cast<int>(config.integer("kafka.partitions"));
  auto const replication = static_cast<int>(config.integer("kafka.replication"));
  std::vector<kafka::TopicSpec> plan;
  auto const add = [&](std::string name, TopicConfig keep) {
    plan.push_back({.name = std::move(name), .partitions = partitions, .replication = replication, .config = std::move(keep)});
  };
  auto const add_with_dead = [&](std::string const& name, TopicConfig keep) {
    add(name, std::move(keep));
    add(name + ".dead", kept_for_days(dead_letter_days));
  };
  for (auto const& provider : providers_of(config)) add_with_dead("raw." + provider, kept_for_days(7));
  for (auto const kind : kind_names) add_with_dead("md." + std::string{kind}, config_of_kind(kind));
  add(Topic{ledger_topic}, kept_as_totals());
  // A mark must outlive its letters, which go a segment at a time.
  add(Topic{dead_marks_topic}, kept_for_days(2 * dead_letter_days));
  return plan;
}

}  // namespace penstock
