/// penstock topics plan|apply: the topics that penstock needs beside those that the broker has.
#include "agents/connections.hpp"
#include "agents/operate/commands.hpp"
#include "agents/topic_plan.hpp"
#include "streaming/json.hpp"

#include <algorithm>
#include <cstdio>
#include <format>

namespace penstock {
namespace {

using Difference = kafka::TopicDifference;

std::string_view word_of(Difference::Kind kind) {
  switch (kind) {
    case Difference::Kind::create: return "create";
    case Difference::Kind::add_partitions: return "add-partitions";
    case Difference::Kind::fewer_partitions: return "more-partitions-than-planned";
    case Difference::Kind::config: return "configure";
  }
  return "";
}

std::string json_of(Difference const& difference) {
  std::string config;
  for (auto const& [name, value] : difference.spec.config)
    config += (config.empty() ? "" : ",") + json_string(name) + ':' + json_string(value);
  return std::format(R"({{"topic":{},"change":"{}","partitions":{},"replication":{},"config":{{{}}},"detail":{}}})",
                     json_string(difference.spec.name), word_of(difference.kind), difference.spec.partitions,
                     difference.spec.replication, config, json_string(difference.detail));
}

void print(std::vector<Difference> const& differences, std::size_t planned, bool applied, bool json) {
  if (json) {
    std::string lines;
    for (auto const& difference : differences) lines += (lines.empty() ? "" : ",") + json_of(difference);
    std::puts(std::format(R"({{"topics":{},"applied":{},"differences":[{}]}})", planned, applied, lines).c_str());
    return;
  }
  std::size_t widest = 0;
  for (auto const& difference : differences) widest = std::max(widest, word_of(difference.kind).size());
  for (auto const& difference : differences)
    std::puts(
        std::format("{:<{}}  {:<28} {}", word_of(difference.kind), widest, difference.spec.name, difference.detail).c_str());
  auto const changes =
      std::ranges::count_if(differences, [](auto const& d) { return d.kind != Difference::Kind::fewer_partitions; });
  auto const counted = std::format("{} {}", changes, changes == 1 ? "change" : "changes");
  std::puts(changes == 0 ? std::format("{} topics planned, all are there; nothing to do", planned).c_str()
            : applied    ? std::format("{} made; {} topics are as planned", counted, planned).c_str()
                         : std::format("{} to make, for {} topics: run `penstock topics apply`", counted, planned).c_str());
}

int run(Invocation const& invocation) {
  auto const& verb = invocation.arguments.at(0);
  auto const connection = connection_of(invocation.config);
  kafka::check_reachable(connection, std::chrono::seconds{5});
  auto const plan = topic_plan(invocation.config);
  auto const differences = kafka::plan_topics(connection, plan);
  auto const apply = verb == "apply";
  if (apply) kafka::apply_topics(connection, differences);
  print(differences, plan.size(), apply, invocation.has("json"));
  return stopped_as_asked;
}

}  // namespace

Command const topics_command{
    .name = "topics",
    .summary = "Show (plan) or make (apply) the topics that penstock needs; none is ever deleted",
    .arguments = "plan|apply",
    .arguments_least = 1,
    .arguments_most = 1,
    .sections = {"", "kafka"},
    .flags = {{.name = "json", .argument = "", .help = "One JSON object instead of lines"}},
    .example = "penstock topics apply --kafka-brokers 127.0.0.1:9092   makes what is missing, adds partitions, sets retention",
    .run = run};

}  // namespace penstock
