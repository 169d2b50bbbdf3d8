/// penstock audit: whether it adds up, partition by partition, from the raw topics to the tables.
#include "agents/audit.hpp"

#include "agents/connections.hpp"
#include "agents/health/reporting.hpp"
#include "agents/keep_auditing.hpp"
#include "agents/operate/audit_facts.hpp"
#include "agents/operate/audit_report.hpp"
#include "agents/operate/commands.hpp"
#include "agents/operate/reach.hpp"
#include "agents/settings.hpp"
#include "streaming/fault.hpp"
#include "streaming/time.hpp"

#include <chrono>
#include <iostream>
#include <tuple>

namespace penstock {
namespace {

using namespace std::chrono_literals;

constexpr int looks_max = 3;
constexpr auto look_again_after = 1s;

struct Audited {
  AuditFacts facts;
  std::vector<Remark> remarks;
};

/// What looks like a difference may be on its way: it is looked at again before it is told.
Audited audited(Config const& config, bool deep, std::stop_token const& stop) {
  auto const database = open_database(config, stop);
  require_schema(*database);
  std::stop_callback const interrupt{stop, [&] { database->interrupt(1s); }};
  AuditSources const sources{.kafka = connection_of(config),
                             .database = *database,
                             .transform_group = config.text("transform.group"),
                             .store_group = config.text("store.group"),
                             .kinds = stored_kinds(config),
                             .read_all = deep,
                             .stop = stop};
  auto const tables = deep ? count_rows(*database, sources.kinds) : std::vector<TableAccount>{};
  Audited found;
  for (int look = 1; look <= looks_max; ++look) {
    if (look > 1) system_clock().sleep(look_again_after, stop);
    found.facts = audit_facts(sources);
    found.facts.tables = tables;
    found.remarks = reconcile(found.facts);
    if (adds_up(found.remarks)) break;
  }
  return found;
}

int repeat(Invocation const& invocation) {
  auto const& [config, stop] = std::tie(invocation.config, invocation.stop);
  auto const every = config.milliseconds("audit.every_ms");
  if (every == 0ms) throw UsageError{"--repeat: audit.every_ms is 0; set how often, in milliseconds"};
  Metrics metrics{"audit"};
  Health health;
  Reporting const reporting{config, connection_of(config), metrics, health};
  keep_auditing([&] { return audited(config, invocation.has("deep"), stop).remarks; }, every, metrics, health, stop);
  return stopped_as_asked;
}

int run(Invocation const& invocation) {
  if (invocation.has("repeat")) return repeat(invocation);
  if (!wait_for_broker(connection_of(invocation.config), invocation.stop, 5s)) return gave_up;
  auto const [facts, remarks] = audited(invocation.config, invocation.has("deep"), invocation.stop);
  std::cout << (invocation.has("json") ? audit_json(facts, remarks) : audit_text(facts, remarks));
  return adds_up(remarks) ? stopped_as_asked : gave_up;
}

}  // namespace

Command const audit_command{
    .name = "audit",
    .summary = "Prove that it adds up: ledgers, offsets and dead letters, partition by partition; exit 1 where they differ",
    .sections = {"audit", "kafka", "database", "transform", "store", "http", "health", "status"},
    .flags = {{.name = "deep",
               .help = "Also count the tables' rows, and read letters and records in flight however many there are"},
              {.name = "json", .help = "One JSON object instead of lines"},
              {.name = "repeat",
               .help =
                   "Again and again, each --every-ms, until it is stopped; tells it as metrics and log lines. What `penstock up` "
                   "starts"}},
    .example = "penstock audit --deep    while everything runs or not; names the partition where a record is missing or too many",
    .run = run,
};

}  // namespace penstock
