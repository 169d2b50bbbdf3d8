/// penstock topics plan|apply: the topics that penstock needs beside those that the broker has.
#include "agents/connections.hpp"
#include "agents/operate/commands.hpp"
#include "agents/topic_plan.hpp"
#include "streaming/fault.hpp"

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

/// Names, numbers and configuration values of topics: plain ASCII but for quotes.
std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (auto const c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

std::string json_of(Difference const& difference) {
  std::string config;
  for (auto const& [name, value] : difference.spec.config)
    config += (config.empty() ? "" : ",") + json_text(name) + ':' + json_text(value);
  return std::format(R"({{"topic":{},"change":"{}","partitions":{},"replication":{},"config":{{{}}},"detail":{}}})",
                     json_text(difference.spec.name), word_of(difference.kind), difference.spec.partitions,
                     difference.spec.replication, config, json_text(difference.detail));
}

void print(std::vector<Difference> const& differences, std::size_t planned, bool applied, bool json) {
  if (json) {
    std::string lines;
    for (auto const& difference : differences) lines += (lines.empty() ? "" : ",") + json_of(difference);
    std::puts(std::format(R"({{"topics":{},"applied":{},"differences":[{}]}})", planned, applied, lines).c_str());
    return;
  }
  for (auto const& difference : differences)
    std::puts(std::format("{:<14} {:<28} {}", word_of(difference.kind), difference.spec.name, difference.detail).c_str());
  auto const changes =
      std::ranges::count_if(differences, [](auto const& d) { return d.kind != Difference::Kind::fewer_partitions; });
  std::puts(changes == 0 ? std::format("{} topics are as planned; nothing to do", planned).c_str()
            : applied    ? std::format("{} changes made to {} topics", changes, planned).c_str()
                         : std::format("{} changes to make to {} topics: run `penstock topics apply`", changes, planned).c_str());
}

int run(Invocation const& invocation) {
  auto const& verb = invocation.arguments.at(0);
  if (verb != "plan" && verb != "apply") throw UsageError{"penstock topics takes plan or apply, not \"" + verb + "\""};
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
    .summary = "shows (plan) or makes (apply) the topics that penstock needs; never deletes one",
    .arguments = "plan|apply",
    .arguments_least = 1,
    .arguments_most = 1,
    .sections = {"", "kafka"},
    .flags = {{.name = "json", .argument = "", .help = "one JSON object instead of lines"}},
    .example = "penstock topics apply --kafka-brokers 127.0.0.1:9092   makes what is missing, adds partitions, sets retention",
    .run = run};

}  // namespace penstock
