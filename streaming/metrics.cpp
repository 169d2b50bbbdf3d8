#include "streaming/metrics.hpp"

#include "streaming/metric_families.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <fstream>
#include <stdexcept>

namespace penstock {

namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

// A symbol as a label would be a time series per symbol: hundreds of thousands.
void check(Metrics::Labels const& labels) {
  for (auto const& [name, value] : labels)
    if (!std::ranges::contains(metric_labels(), name)) throw std::invalid_argument{"metrics have no label " + name};
}

template <class Measured, class... Bounds>
Measured& add(prometheus::Family<Measured>& family, Metrics::Labels const& labels, Bounds const&... bounds) {
  check(labels);
  return family.Add(labels, bounds...);
}

Histogram& add_histogram(prometheus::Family<Histogram>& family, Metrics::Labels const& labels) {
  auto const bounds = find_metric_family(family.GetName())->bounds;
  return add(family, labels, Histogram::BucketBoundaries(bounds.begin(), bounds.end()));
}

std::int64_t resident_bytes() {
  std::ifstream statm{"/proc/self/statm"};
  std::int64_t pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

double cpu_seconds() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

void append_text(std::string& out, std::string_view text) {
  out += '"';
  for (char const c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  out += '"';
}

// Counts are whole; JSON knows no infinity.
void append_number(std::string& out, double value) {
  if (!std::isfinite(value)) value = 0;
  std::array<char, 40> text{};
  auto const whole = std::nearbyint(value) == value && std::abs(value) < 9e15;
  auto const end = whole ? std::to_chars(text.data(), text.data() + text.size(), static_cast<std::int64_t>(value))
                         : std::to_chars(text.data(), text.data() + text.size(), value);
  out.append(text.data(), end.ptr);
}

void append_histogram(std::string& out, prometheus::ClientMetric::Histogram const& histogram) {
  append_number(out, histogram.sample_sum);
  out += ",\"count\":";
  append_number(out, static_cast<double>(histogram.sample_count));
  out += ",\"buckets\":[";
  std::uint64_t before = 0;
  for (auto const& bucket : histogram.bucket) {
    if (auto const own = bucket.cumulative_count - before; own != 0) {
      if (out.back() != '[') out += ',';
      out += '[';
      if (std::isinf(bucket.upper_bound))
        out += "null";
      else
        append_number(out, bucket.upper_bound);
      out += ',';
      append_number(out, static_cast<double>(own));
      out += ']';
    }
    before = bucket.cumulative_count;
  }
  out += ']';
}

void append_metric(std::string& out, prometheus::MetricFamily const& family, prometheus::ClientMetric const& metric) {
  out += "{\"name\":";
  append_text(out, family.name);
  out += ",\"labels\":{";
  for (auto const& label : metric.label) {
    if (out.back() != '{') out += ',';
    append_text(out, label.name);
    out += ':';
    append_text(out, label.value);
  }
  out += "},\"value\":";
  switch (family.type) {
    case prometheus::MetricType::Counter: append_number(out, metric.counter.value); break;
    case prometheus::MetricType::Histogram: append_histogram(out, metric.histogram); break;
    default: append_number(out, metric.gauge.value);
  }
  out += '}';
}

}  // namespace

struct Metrics::Families {
  explicit Families(std::string_view agent_name) : agent{agent_name} {}

  std::string agent;
  std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();

  template <class Builder>
  auto& made(Builder builder, char const* name) {
    return builder.Name(name).Help(std::string{find_metric_family(name)->help}).Labels({{"agent", agent}}).Register(*registry);
  }
  Family<Counter>& counter(char const* name) { return made(prometheus::BuildCounter(), name); }
  Family<Gauge>& gauge(char const* name) { return made(prometheus::BuildGauge(), name); }
  Family<Histogram>& histogram(char const* name) { return made(prometheus::BuildHistogram(), name); }

  Family<Counter>& received = counter("penstock_received_total");
  Family<Counter>& written = counter("penstock_written_total");
  Family<Counter>& duplicate = counter("penstock_duplicate_total");
  Family<Counter>& ignored = counter("penstock_ignored_total");
  Family<Counter>& dead = counter("penstock_dead_total");
  Family<Counter>& retried = counter("penstock_retried_total");
  Family<Counter>& gaps = counter("penstock_gaps_total");
  Family<Counter>& reconnects = counter("penstock_reconnects_total");
  Family<Gauge>& lag_records = gauge("penstock_lag_records");
  Family<Gauge>& stale_streams = gauge("penstock_stale_streams");
  Family<Gauge>& last_event_age = gauge("penstock_last_event_age_seconds");
  Family<Gauge>& budget_remaining = gauge("penstock_budget_remaining");
  Family<Gauge>& spool_records = gauge("penstock_spool_records");
  Family<Gauge>& spool_bytes = gauge("penstock_spool_bytes");
  Family<Gauge>& audit_ok = gauge("penstock_audit_ok");
  Family<Gauge>& audit_timestamp = gauge("penstock_audit_timestamp_seconds");
  Family<Histogram>& batch_seconds = histogram("penstock_batch_seconds");
  Family<Histogram>& hop_seconds = histogram("penstock_hop_seconds");
};

Metrics::Metrics(std::string_view agent) : families_{std::make_unique<Families>(agent)} {}
Metrics::~Metrics() = default;

Counter& Metrics::received(Labels const& labels) { return add(families_->received, labels); }
Counter& Metrics::written(Labels const& labels) { return add(families_->written, labels); }
Counter& Metrics::duplicate(Labels const& labels) { return add(families_->duplicate, labels); }
Counter& Metrics::ignored(Labels const& labels) { return add(families_->ignored, labels); }
Counter& Metrics::dead(Labels const& labels) { return add(families_->dead, labels); }
Counter& Metrics::retried(Labels const& labels) { return add(families_->retried, labels); }
Counter& Metrics::gaps(Labels const& labels) { return add(families_->gaps, labels); }
Counter& Metrics::reconnects(Labels const& labels) { return add(families_->reconnects, labels); }
Gauge& Metrics::lag_records(Labels const& labels) { return add(families_->lag_records, labels); }
Gauge& Metrics::stale_streams(Labels const& labels) { return add(families_->stale_streams, labels); }
Gauge& Metrics::last_event_age(Labels const& labels) { return add(families_->last_event_age, labels); }
Gauge& Metrics::budget_remaining(Labels const& labels) { return add(families_->budget_remaining, labels); }
Gauge& Metrics::spool_records(Labels const& labels) { return add(families_->spool_records, labels); }
Gauge& Metrics::spool_bytes(Labels const& labels) { return add(families_->spool_bytes, labels); }
Gauge& Metrics::audit_ok(Labels const& labels) { return add(families_->audit_ok, labels); }
Gauge& Metrics::audit_timestamp(Labels const& labels) { return add(families_->audit_timestamp, labels); }
Histogram& Metrics::batch_seconds(Labels const& labels) { return add_histogram(families_->batch_seconds, labels); }
Histogram& Metrics::hop_seconds(Labels const& labels) { return add_histogram(families_->hop_seconds, labels); }

void Metrics::observe_hops(Labels const& labels, Time now, std::span<Time const> since) {
  auto const bounds = find_metric_family("penstock_hop_seconds")->bounds;
  std::vector<double> counts(bounds.size() + 1);
  double sum = 0;
  for (auto const each : since) {
    auto const seconds = std::chrono::duration<double>(now - each).count();
    ++counts[static_cast<std::size_t>(std::ranges::lower_bound(bounds, seconds) - bounds.begin())];
    sum += seconds;
  }
  hop_seconds(labels).ObserveMultiple(counts, sum);
}

std::shared_ptr<prometheus::Registry> Metrics::registry() const { return families_->registry; }

std::optional<double> Metrics::sum(std::string_view family) const {
  std::optional<double> sum;
  for (auto const& each : families_->registry->Collect())
    if (each.name == family)
      for (auto const& metric : each.metric) sum = sum.value_or(0) + metric.counter.value + metric.gauge.value;
  return sum;
}

std::string Metrics::status_line(std::string_view more) const {
  std::string out = "{\"agent\":";
  append_text(out, families_->agent);
  out += ",\"pid\":" + std::to_string(::getpid());
  out += ",\"rss_bytes\":" + std::to_string(resident_bytes());
  out += ",\"cpu_seconds\":";
  append_number(out, cpu_seconds());
  out += ',';
  out += more;
  out += "\"metrics\":[";
  for (auto const& family : families_->registry->Collect())
    for (auto const& metric : family.metric) {
      if (out.back() != '[') out += ',';
      append_metric(out, family, metric);
    }
  return out += "]}";
}

}  // namespace penstock
