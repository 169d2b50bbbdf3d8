#include "agents/topic_plan.hpp"

#include "agents/dead/marks.hpp"
#include "agents/ledger.hpp"
#include "agents/provider.hpp"
#include "schemas/kinds.hpp"
#include "streaming/fault.hpp"

#include <algorithm>

namespace penstock {
namespace {

using TopicConfig = std::map<std::string, std::string>;

constexpr std::int64_t gaps_hours_least = 30 * 24;
constexpr std::string_view record_bytes_max = "20971520";

std::string milliseconds_of(std::int64_t hours) { return std::to_string(hours < 0 ? -1 : hours * 3'600'000); }

TopicConfig kept_for(std::int64_t hours) {
  return {{"cleanup.policy", "delete"},
          {"retention.ms", milliseconds_of(hours)},
          {"max.message.bytes", std::string{record_bytes_max}}};
}

/// The last record of each key for ever. The older ones stay long enough for every reader to count them.
TopicConfig kept_by_key() {
  return {{"cleanup.policy", "compact"},
          {"min.compaction.lag.ms", milliseconds_of(7 * 24)},
          {"max.message.bytes", std::string{record_bytes_max}}};
}

/// Running totals: the last record of a key says it all, and reading the topic must stay quick.
TopicConfig kept_as_totals() {
  return {{"cleanup.policy", "compact"}, {"segment.bytes", "16777216"}, {"min.cleanable.dirty.ratio", "0.1"}};
}

TopicConfig config_of_kind(std::string_view kind, std::int64_t hours) {
  // A catalogue is read from its beginning: whoever comes late needs each instrument once.
  if (is_kept_by_key(kind)) return kept_by_key();
  // Not by key: a symbol has many gaps under one key, and the open ones must stay until they are closed.
  if (kind == Gap::kind && hours >= 0) return kept_for(std::max(hours, gaps_hours_least));
  return kept_for(hours);
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

/// A topic with what [kafka] says of all, and its own section of it.
kafka::TopicSpec spec_of(Config const& config, std::string const& name, TopicConfig keep) {
  auto const own = "topics." + name + '.';
  auto const or_all = [&](char const* key) {
    auto const value = config.integer(own + key);
    return static_cast<int>(value != 0 ? value : config.integer(std::string{"kafka."} + key));
  };
  kafka::TopicSpec spec{
      .name = name, .partitions = or_all("partitions"), .replication = or_all("replication"), .config = std::move(keep)};
  auto const compression = config.text(own + "compression");
  spec.config["compression.type"] = compression == "default" ? config.text("kafka.compression") : compression;
  auto const in_sync = config.integer("kafka.min_insync_replicas");
  if (in_sync > spec.replication)
    throw UsageError{config.origin("kafka.min_insync_replicas") + ": kafka.min_insync_replicas is " + std::to_string(in_sync) +
                     ", but topic " + name + " has only " + std::to_string(spec.replication) +
                     " copies: nothing could be written; raise kafka.replication"};
  // Redpanda has no such setting: it is always the majority there.
  if (config.given("kafka.min_insync_replicas")) spec.config["min.insync.replicas"] = std::to_string(in_sync);
  if (auto const hours = config.integer(own + "retention_hours"); hours != 0) {
    if (!spec.config.contains("retention.ms"))
      throw UsageError{config.origin(own + "retention_hours") + ": topic " + name +
                       " keeps the last record of each key for ever; leave retention_hours out"};
    spec.config["retention.ms"] = milliseconds_of(hours);
  }
  return spec;
}

}  // namespace

std::vector<kafka::TopicSpec> topic_plan(Config const& config) {
  std::vector<kafka::TopicSpec> plan;
  auto const dead_hours = config.integer("kafka.dead_retention_hours");
  auto const add = [&](std::string const& name, TopicConfig keep) { plan.push_back(spec_of(config, name, std::move(keep))); };
  auto const add_with_dead = [&](std::string const& name, TopicConfig keep) {
    add(name, std::move(keep));
    add(name + ".dead", kept_for(dead_hours));
  };
  for (auto const& provider : providers_of(config))
    add_with_dead("raw." + provider, kept_for(config.integer("kafka.raw_retention_hours")));
  for (auto const kind : kind_names)
    add_with_dead("md." + std::string{kind}, config_of_kind(kind, config.integer("kafka.md_retention_hours")));
  add(Topic{ledger_topic}, kept_as_totals());
  // A mark must outlive its letters, which go a segment at a time.
  add(Topic{dead_marks_topic}, kept_for(2 * dead_hours));
  return plan;
}

bool is_kept_by_key(std::string_view kind) { return kind == Instrument::kind || kind == Venue::kind; }

bool is_our_topic(Topic const& topic) {
  return topic.starts_with("raw.") || topic.starts_with("md.") || topic.starts_with("penstock.");
}

}  // namespace penstock
