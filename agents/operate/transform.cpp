#include "agents/transform.hpp"

#include "agents/connections.hpp"
#include "agents/health/reporting.hpp"
#include "agents/instance_name.hpp"
#include "agents/keep_running.hpp"
#include "agents/operate/commands.hpp"
#include "agents/operate/reach.hpp"
#include "agents/settings.hpp"
#include "streaming/fault.hpp"
#include "streaming/kafka/kafka.hpp"

#include <algorithm>

namespace penstock {
namespace {

std::vector<Provider const*> providers_of(Config const& config) {
  auto names = config.list("transform.providers");
  if (names.empty()) names = config.sections("publish");
  if (names.empty()) return all_providers();
  std::vector<Provider const*> providers;
  for (auto const& name : names) {
    auto const* provider = find_provider(name);
    if (!provider) throw UsageError{"transform.providers: there is no provider '" + name + "'; `penstock list` shows them all"};
    providers.push_back(provider);
  }
  return providers;
}

// What the stores read; nobody reads letters and the ledger for sure.
kafka::Pacing pacing_of(Config const& config) {
  kafka::Pacing pacing{.bytes_max = static_cast<std::size_t>(config.integer("kafka.pace_bytes_max")), .readers = {}};
  for (auto const& kind : stored_kinds(config)) pacing.readers["md." + kind] = config.text("store.group");
  return pacing;
}

int run(Invocation const& invocation) {
  auto const& config = invocation.config;
  auto const kafka = connection_of(config);
  auto const group = config.text("transform.group");
  InstanceName const instance{group, config.integer("status.instance")};
  TransformOptions const options{.providers = providers_of(config),
                                 .group = group,
                                 .instance = instance.text(),
                                 .commit_after = config.milliseconds("transform.commit_ms_max"),
                                 .commit_count_max = static_cast<std::size_t>(config.integer("transform.commit_count_max")),
                                 .window_records = config.integer("transform.window_records"),
                                 .hold = config.milliseconds("transform.hold_ms_max"),
                                 .grace = config.milliseconds("transform.grace_ms_max"),
                                 .catalogue_wait = config.milliseconds("transform.catalogue_wait_ms_max")};

  Metrics metrics{"transform"};
  Health health;
  Reporting const reporting{config, kafka, metrics, health};
  if (!wait_for_broker(kafka, invocation.stop, config.milliseconds("kafka.wait_ms_max"))) return stopped_as_asked;
  keep_running(invocation.stop, [&] {
    auto const known = kafka::make_follower(kafka, knowledge_topics(), {});
    auto const exchange = kafka::make_exchange(kafka, {.transactional_id = instance.text(),
                                                       .group = group,
                                                       .transaction_timeout = std::chrono::seconds{20},
                                                       .pacing = pacing_of(config),
                                                       .stop = invocation.stop});
    auto const consumer = kafka::make_consumer(kafka, {.group = group,
                                                       .instance = instance.text(),
                                                       .session_timeout = config.milliseconds("kafka.session_timeout_ms"),
                                                       .queue_bytes_max = 4 << 20});
    run_transform(*consumer, *exchange, *known, system_clock(), options, metrics, health, invocation.stop);
  });
  return stopped_as_asked;
}

}  // namespace

Command const transform_command{
    .name = "transform",
    .summary = "Read raw.<provider>, write md.<kind>: decode, validate, remove duplicates, find holes",
    .arguments = "",
    .sections = {"transform", "kafka", "store", "http", "health", "status"},
    .flags = {},
    .example =
        "penstock transform --providers binance --hold-ms-max 2000   one provider; book updates wait 2 s for their snapshot",
    .run = run,
};

}  // namespace penstock
