/// penstock topics plan|apply: the topics that penstock needs beside those that the broker has.
#include "agents/connections.hpp"
#include "agents/operate/commands.hpp"
#include "agents/operate/counted.hpp"
#include "agents/operate/output.hpp"
#include "agents/operate/text_table.hpp"
#include "agents/schema_registry.hpp"
#include "agents/topic_plan.hpp"
#include "schemas/texts.hpp"
#include "streaming/fault.hpp"
#include "streaming/json.hpp"

#include <algorithm>
#include <format>
#include <iostream>
#include <optional>

namespace penstock {
namespace {

using Difference = kafka::TopicDifference;

constexpr int something_differs = 3;

std::string_view word_of(Difference::Kind kind) {
  switch (kind) {
    case Difference::Kind::create: return "create";
    case Difference::Kind::add_partitions: return "add-partitions";
    case Difference::Kind::config: return "configure";
    case Difference::Kind::fewer_partitions: return "too-many-partitions";
    case Difference::Kind::replication: return "replication";
    case Difference::Kind::unplanned: return "unplanned";
  }
  return "";
}

std::string_view word_of(SchemaDifference::Kind kind) {
  switch (kind) {
    case SchemaDifference::Kind::compatibility: return "set-compatibility";
    case SchemaDifference::Kind::add: return "register";
    case SchemaDifference::Kind::refused: return "refused";
  }
  return "";
}

struct Plan {
  std::size_t topics = 0;  ///< planned
  std::vector<Difference> differences;
  std::vector<SchemaDifference> schemas;
};

bool waits_for_yes(Difference const& difference, bool yes) { return !yes && !difference.risk.empty(); }

std::string json_of(Difference const& difference) {
  std::string config;
  for (auto const& [name, value] : difference.spec.config)
    config += (config.empty() ? "" : ",") + json_string(name) + ':' + json_string(value);
  return std::format(R"({{"topic":{},"change":"{}","partitions":{},"replication":{},"config":{{{}}},"detail":{},"risk":{}}})",
                     json_string(difference.spec.name), word_of(difference.kind), difference.spec.partitions,
                     difference.spec.replication, config, json_string(difference.detail), json_string(difference.risk));
}

std::string json_of(SchemaDifference const& difference) {
  return std::format(R"({{"subject":{},"change":"{}","detail":{}}})", json_string(difference.subject), word_of(difference.kind),
                     json_string(difference.detail));
}

template <class Things>
std::string json_of_each(Things const& things) {
  std::string list;
  for (auto const& thing : things) list += (list.empty() ? "" : ",") + json_of(thing);
  return "[" + list + "]";
}

void print(Plan const& plan, bool yes) {
  std::vector<std::vector<std::string>> rows{{"CHANGE", "TOPIC", "HOW"}};
  for (auto const& difference : plan.differences) {
    rows.push_back({std::string{word_of(difference.kind)}, difference.spec.name, difference.detail});
    if (!difference.risk.empty()) rows.push_back({"", "", (yes ? "with --yes: " : "needs --yes: ") + difference.risk});
  }
  for (auto const& difference : plan.schemas)
    rows.push_back({std::string{word_of(difference.kind)}, difference.subject, difference.detail});
  if (rows.size() > 1) std::cout << text_table(rows);
}

/// How many changes there are to make, and how many of them wait for --yes.
struct Changes {
  std::int64_t all = 0, waiting = 0;
};

Changes changes_in(Plan const& plan, bool yes) {
  Changes changes{.all = std::ranges::count_if(plan.differences, &Difference::can_be_made),
                  .waiting = std::ranges::count_if(plan.differences, [&](auto const& d) { return waits_for_yes(d, yes); })};
  changes.all += std::ranges::count_if(plan.schemas, [](auto const& d) { return d.kind != SchemaDifference::Kind::refused; });
  return changes;
}

std::string summary(Plan const& plan, Changes changes, bool applied) {
  auto const topics = counted(static_cast<std::int64_t>(plan.topics), "topic") + " planned: ";
  if (changes.all == 0) return topics + "nothing to do";
  if (!applied) return topics + counted(changes.all, "change") + " to make: run `penstock topics apply`";
  auto const made = topics + counted(changes.all - changes.waiting, "change") + " made";
  return changes.waiting == 0 ? made : made + ", " + std::to_string(changes.waiting) + " left out: say --yes where you want them";
}

Plan plan_of(Invocation const& invocation, std::optional<SchemaRegistry>& registry) {
  auto const& config = invocation.config;
  auto const connection = connection_of(config);
  auto const topics = topic_plan(config);
  if (!config.text("schema_registry.url").empty()) registry.emplace(config);
  kafka::check_reachable(connection, std::chrono::seconds{5});
  Plan plan{.topics = topics.size(), .differences = kafka::plan_topics(connection, topics, is_our_topic), .schemas = {}};
  if (registry) plan.schemas = plan_schemas(*registry, schema_texts());
  return plan;
}

int run(Invocation const& invocation) {
  auto const apply = invocation.arguments.at(0) == "apply", yes = invocation.has("yes");
  std::optional<SchemaRegistry> registry;
  auto const plan = plan_of(invocation, registry);
  auto const changes = changes_in(plan, yes);
  if (!invocation.has("json")) print(plan, yes);
  if (apply) {
    auto wanted = plan.differences;
    std::erase_if(wanted, [&](auto const& difference) { return waits_for_yes(difference, yes); });
    kafka::apply_topics(connection_of(invocation.config), wanted);
    if (registry) apply_schemas(*registry, plan.schemas);
  }
  put_line(invocation.has("json")
               ? std::format(R"({{"topics":{},"applied":{},"changes":{},"left_out":{},"differences":{},"schemas":{}}})",
                             plan.topics, apply, changes.all, changes.waiting, json_of_each(plan.differences),
                             json_of_each(plan.schemas))
               : summary(plan, changes, apply));
  auto const refused = std::ranges::contains(plan.schemas, SchemaDifference::Kind::refused, &SchemaDifference::kind);
  if (refused && apply)
    throw Fault{Fault::Kind::fatal, "the schema registry does not take every schema: see above, and docs/operations/topics.md"};
  auto const differs = !plan.differences.empty() || !plan.schemas.empty();
  return !apply && differs && invocation.has("exit-code") ? something_differs : int{stopped_as_asked};
}

}  // namespace

Command const topics_command{
    .name = "topics",
    .summary = "Show (plan) or make (apply) the topics and schemas that penstock needs; none is ever deleted",
    .arguments = "plan|apply",
    .arguments_least = 1,
    .arguments_most = 1,
    .sections = {"", "kafka", "topics.*", "schema_registry"},
    .flags = {{.name = "json", .argument = "", .help = "One JSON object instead of a table"},
              {.name = "yes",
               .argument = "",
               .help =
                   "With apply: also what deletes records (a shorter retention, another cleanup.policy) or gives keys another "
                   "partition (more partitions)"},
              {.name = "exit-code", .argument = "", .help = "With plan: exit 3 where anything differs"}},
    .example = "penstock topics apply --kafka-brokers 127.0.0.1:9092   makes what is missing, sets retention",
    .run = run};

}  // namespace penstock
