#include "agents/health/exposition.hpp"

#include "streaming/metric_families.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <simdjson.h>

#include <limits>
#include <optional>
#include <vector>

namespace penstock {

namespace {

using Json = simdjson::dom::element;
using Labels = Exposition::Labels;

prometheus::MetricType type_of(MetricFamily::Type type) {
  switch (type) {
    case MetricFamily::Type::counter: return prometheus::MetricType::Counter;
    case MetricFamily::Type::gauge: return prometheus::MetricType::Gauge;
    case MetricFamily::Type::histogram: return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

prometheus::ClientMetric series(Labels const& labels) {
  prometheus::ClientMetric metric;
  for (auto const& [name, value] : labels) metric.label.push_back({name, value});
  return metric;
}

std::optional<double> number_in(simdjson::simdjson_result<Json> found) {
  double value = 0;
  if (found.get(value) != simdjson::SUCCESS) return {};
  return value;
}
std::string text_in(simdjson::simdjson_result<Json> found) {
  std::string_view value;
  return found.get(value) == simdjson::SUCCESS ? std::string{value} : std::string{};
}

/// The line leaves out buckets without a sample; here each bound is there, as sums over series need it.
prometheus::ClientMetric::Histogram histogram(Json const& entry, std::span<double const> bounds) {
  std::map<double, double> own;
  simdjson::dom::array buckets;
  if (entry["buckets"].get(buckets) == simdjson::SUCCESS)
    for (auto const bucket : buckets)
      own[number_in(bucket.at(0)).value_or(std::numeric_limits<double>::infinity())] = number_in(bucket.at(1)).value_or(0);
  prometheus::ClientMetric::Histogram made;
  made.sample_sum = number_in(entry["value"]).value_or(0);
  made.sample_count = static_cast<std::uint64_t>(number_in(entry["count"]).value_or(0));
  double below = 0;
  for (auto const bound : bounds) {
    if (auto const found = own.find(bound); found != own.end()) below += found->second;
    made.bucket.push_back({static_cast<std::uint64_t>(below), bound});
  }
  made.bucket.push_back({made.sample_count, std::numeric_limits<double>::infinity()});
  return made;
}

}  // namespace

struct Exposition::Families {
  std::map<std::string_view, prometheus::MetricFamily> by_name;
  simdjson::dom::parser parser;

  /// nullptr: there is no such family.
  prometheus::MetricFamily* of(std::string_view name) {
    auto const* known = find_metric_family(name);
    if (known == nullptr) return nullptr;
    auto& family = by_name[known->name];
    if (family.name.empty()) {
      family.name = known->name;
      family.help = known->help;
      family.type = type_of(known->type);
    }
    return &family;
  }

  void add_metric(Json const& entry, Labels labels) {
    auto const name = text_in(entry["name"]);
    auto* const family = of(name);
    simdjson::dom::object own;
    if (family == nullptr || entry["labels"].get(own) != simdjson::SUCCESS) return;
    for (auto const& [key, value] : own) labels[std::string{key}] = text_in(simdjson::simdjson_result<Json>{Json{value}});
    auto metric = series(labels);
    if (family->type == prometheus::MetricType::Histogram)
      metric.histogram = histogram(entry, find_metric_family(name)->bounds);
    else
      metric.counter.value = metric.gauge.value = number_in(entry["value"]).value_or(0);
    family->metric.push_back(std::move(metric));
  }
};

Exposition::Exposition() : families_{std::make_unique<Families>()} {}
Exposition::~Exposition() = default;

void Exposition::add(std::string_view family, Labels const& labels, double value) {
  auto* const found = families_->of(family);
  if (found == nullptr) return;
  auto metric = series(labels);
  metric.counter.value = metric.gauge.value = value;
  found->metric.push_back(std::move(metric));
}

bool Exposition::add_status(std::string const& line, Labels const& labels) {
  Json document;
  simdjson::dom::array metrics, checks;
  if (line.empty() || families_->parser.parse(line).get(document) != simdjson::SUCCESS) return false;
  if (document["metrics"].get(metrics) != simdjson::SUCCESS) return false;
  for (auto const entry : metrics) families_->add_metric(entry, labels);

  auto all = labels;
  all["agent"] = text_in(document["agent"]);
  auto const with = [&](std::string const& name, std::string value) {
    auto more = all;
    more[name] = std::move(value);
    return more;
  };
  if (auto const bytes = number_in(document["rss_bytes"])) add("process_resident_memory_bytes", all, *bytes);
  if (auto const seconds = number_in(document["cpu_seconds"])) add("process_cpu_seconds_total", all, *seconds);
  if (auto version = text_in(document["version"]); !version.empty())
    add("penstock_build_info", with("version", std::move(version)), 1);
  if (document["checks"].get(checks) == simdjson::SUCCESS)
    for (auto const check : checks) {
      bool ready = false;
      if (check["ready"].get(ready) == simdjson::SUCCESS)
        add("penstock_ready", with("check", text_in(check["name"])), ready ? 1 : 0);
    }
  return true;
}

std::string Exposition::text() const {
  std::vector<prometheus::MetricFamily> families;
  for (auto const& known : metric_families())
    if (auto const found = families_->by_name.find(known.name); found != families_->by_name.end())
      families.push_back(found->second);
  return prometheus::TextSerializer{}.Serialize(families);
}

}  // namespace penstock
