/// penstock audit: whether it adds up, partition by partition, from the raw topics to the tables.
#include "agents/audit.hpp"

#include "agents/connections.hpp"
#include "agents/operate/audit_facts.hpp"
#include "agents/operate/audit_report.hpp"
#include "agents/operate/commands.hpp"
#include "agents/operate/reach.hpp"
#include "schemas/kinds.hpp"
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

std::vector<std::string> kinds_of(Config const& config) {
  auto kinds = config.list("store.kinds");
  if (kinds.empty()) kinds.assign(kind_names.begin(), kind_names.end());
  return kinds;
}

int run(Invocation const& invocation) {
  auto const& [config, stop] = std::tie(invocation.config, invocation.stop);
  auto const kafka = connection_of(config);
  if (!wait_for_broker(kafka, stop, 5s)) return gave_up;
  auto const database = open_database(config, stop);
  require_schema(*database);
  std::stop_callback const interrupt{stop, [&] { database->interrupt(1s); }};

  auto const deep = invocation.has("deep");
  AuditSources const sources{.kafka = kafka,
                             .database = *database,
                             .transform_group = config.text("transform.group"),
                             .store_group = config.text("store.group"),
                             .kinds = kinds_of(config),
                             .read_all = deep,
                             .stop = stop};
  auto const tables = deep ? count_rows(*database, sources.kinds) : std::vector<TableAccount>{};
  AuditFacts facts;
  std::vector<Remark> remarks;
  for (int look = 1; look <= looks_max; ++look) {
    if (look > 1) system_clock().sleep(look_again_after, stop);
    facts = audit_facts(sources);
    facts.tables = tables;
    remarks = reconcile(facts);
    if (adds_up(remarks)) break;
  }
  std::cout << (invocation.has("json") ? audit_json(facts, remarks) : audit_text(facts, remarks)) << std::flush;
  return adds_up(remarks) ? stopped_as_asked : gave_up;
}

}  // namespace

Command const audit_command{
    .name = "audit",
    .summary = "Prove that it adds up: ledgers, offsets and dead letters, partition by partition; exit 1 where they differ",
    .sections = {"", "kafka", "database", "transform", "store"},
    .flags = {{.name = "deep",
               .help = "Also count the tables' rows, and read letters and records in flight however many there are"},
              {.name = "json", .help = "One JSON object instead of lines"}},
    .example = "penstock audit --deep    while everything runs or not; names the partition where a record is missing or too many",
    .run = run,
};

}  // namespace penstock
