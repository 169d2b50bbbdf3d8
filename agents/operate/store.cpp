#include "agents/store.hpp"

#include "agents/connections.hpp"
#include "agents/health/reporting.hpp"
#include "agents/instance_name.hpp"
#include "agents/keep_running.hpp"
#include "agents/operate/commands.hpp"
#include "agents/operate/reach.hpp"
#include "agents/retention.hpp"
#include "agents/settings.hpp"
#include "schemas/table_shapes.hpp"
#include "streaming/fault.hpp"
#include "streaming/kafka/kafka.hpp"
#include "streaming/log.hpp"
#include "streaming/postgres/sink.hpp"

namespace penstock {
namespace {

Retention::Days retention_of(Config const& config, std::vector<std::string> const& kinds) {
  Retention::Days days;
  for (auto const& kind : kinds) days[kind] = config.integer("retention." + kind + "_days");
  return days;
}

// What waiting cannot change ends it here; a database that is away is waited for.
void look_at_database(Config const& config, std::stop_token const& stop) try {
  require_schema(*open_database(config, stop));
} catch (Fault const& fault) {
  if (fault.kind() != Fault::Kind::transient) throw;
  if (!stop.stop_requested()) log::warning("the database is away; it is waited for", {{"why", fault.what()}});
}

int run(Invocation const& invocation) {
  auto const& config = invocation.config;
  auto const kinds = stored_kinds(config);
  auto const kafka = connection_of(config);
  auto const group = config.text("store.group");
  InstanceName const instance{group, config.integer("status.instance")};
  StoreOptions options{.topics = {},
                       .batch_count_max = static_cast<std::size_t>(config.integer("store.batch_count_max")),
                       .batch_bytes_max = static_cast<std::size_t>(config.integer("store.batch_bytes_max")),
                       .batch_age_max = config.milliseconds("store.batch_age_ms_max")};
  for (auto const& kind : kinds) options.topics.push_back("md." + kind);

  Metrics metrics{"store"};
  Health health;
  Reporting const reporting{config, kafka, metrics, health};
  if (!wait_for_broker(kafka, invocation.stop, config.milliseconds("kafka.wait_ms_max"))) return stopped_as_asked;
  look_at_database(config, invocation.stop);
  Retention const retention{database_of(config), retention_of(config, kinds)};
  keep_running(invocation.stop, [&] {
    auto const consumer = kafka::make_consumer(kafka, {.group = group,
                                                       .instance = instance.text(),
                                                       .session_timeout = config.milliseconds("kafka.session_timeout_ms"),
                                                       .queue_bytes_max = 4 << 20});
    auto const dead_letters = kafka::make_producer(kafka, {});
    postgres::PostgresSink sink{
        {.database = database_of(config), .group = group, .instance = instance.text(), .shape_of = table_shape_of}};
    run_store(*consumer, sink, *dead_letters, system_clock(), options, metrics, health, invocation.stop);
  });
  return stopped_as_asked;
}

}  // namespace

Command const store_command{
    .name = "store",
    .summary = "Write md.<kind> topics to the tables, rows and offsets in one transaction",
    .arguments = "",
    .sections = {"store", "kafka", "database", "retention", "http", "health", "status"},
    .flags = {},
    .example = "penstock store --kinds trades,candles --batch-age-ms-max 200   writes two kinds, in batches of up to 200 ms",
    .run = run,
};

}  // namespace penstock
