#include "agents/operate/top_snapshot.hpp"

#include <simdjson.h>

#include <limits>

namespace penstock {

namespace {

using simdjson::SUCCESS;
using simdjson::dom::element;

std::string text_in(element const& of, std::string_view name) {
  std::string_view text;
  return of[name].get(text) == SUCCESS ? std::string{text} : std::string{};
}

double number_in(element const& of, std::string_view name) {
  double number = 0;
  return of[name].get(number) == SUCCESS ? number : 0;
}

std::map<double, double> buckets_in(element const& metric) {
  std::map<double, double> buckets;
  simdjson::dom::array pairs;
  if (metric["buckets"].get(pairs) != SUCCESS) return buckets;
  for (auto const pair : pairs) {
    double bound = std::numeric_limits<double>::infinity(), count = 0;
    bool const has_bound = pair.at(0).get(bound) == SUCCESS || pair.at(0).is_null();
    if (has_bound && pair.at(1).get(count) == SUCCESS) buckets[bound] += count;
  }
  return buckets;
}

Series series_in(element const& metric) {
  Series series{
      .name = text_in(metric, "name"), .labels = {}, .value = number_in(metric, "value"), .buckets = buckets_in(metric)};
  simdjson::dom::object labels;
  if (metric["labels"].get(labels) != SUCCESS) return series;
  for (auto const [name, value] : labels)
    if (std::string_view text; value.get(text) == SUCCESS) series.labels.emplace(name, text);
  return series;
}

AgentSnapshot agent_in(element const& report) {
  AgentSnapshot agent{.name = text_in(report, "name"),
                      .state = text_in(report, "state"),
                      .pid = static_cast<std::int64_t>(number_in(report, "pid")),
                      .restarts = static_cast<std::int64_t>(number_in(report, "restarts")),
                      .series = {}};
  element status;
  if (report["status"].get(status) != SUCCESS || !status.is_object()) return agent;
  // What a process held is gone with it.
  if (agent.state == "running") agent.rss_bytes = number_in(status, "rss_bytes");
  simdjson::dom::array metrics;
  if (status["metrics"].get(metrics) != SUCCESS) return agent;
  for (auto const metric : metrics) agent.series.push_back(series_in(metric));
  return agent;
}

}  // namespace

std::string_view Series::label(std::string_view of) const {
  auto const found = labels.find(of);
  return found == labels.end() ? std::string_view{} : found->second;
}

std::string_view AgentSnapshot::kind() const { return std::string_view{name}.substr(0, name.find(' ')); }

std::string_view AgentSnapshot::provider() const {
  if (kind() != "publish") return {};
  auto const rest = std::string_view{name}.substr(std::min(name.size(), kind().size() + 1));
  return rest.substr(0, rest.find(' '));
}

std::optional<Snapshot> parse_snapshot(std::string_view json, Time at) {
  simdjson::dom::parser parser;
  simdjson::padded_string const padded{json};
  element document;
  simdjson::dom::array agents;
  if (parser.parse(padded).get(document) != SUCCESS) return std::nullopt;
  if (document.get(agents) != SUCCESS && document["agents"].get(agents) != SUCCESS) return std::nullopt;
  Snapshot snapshot{.at = at, .agents = {}};
  for (auto const report : agents) snapshot.agents.push_back(agent_in(report));
  return snapshot;
}

}  // namespace penstock
