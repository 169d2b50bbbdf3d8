#include "streaming/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fstream>
#include <stdexcept>

namespace penstock {

namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

constexpr std::array<std::string_view, 6> label_names{"provider", "topic", "reason", "cause", "from", "to"};

// A symbol as a label would be a time series per symbol: hundreds of thousands.
void check(Metrics::Labels const& labels) {
  for (auto const& [name, value] : labels)
    if (std::ranges::find(label_names, name) == label_names.end())
      throw std::invalid_argument{"metrics have no label " + name +
                                  "; they have agent, provider, topic, reason, cause, from, to"};
}

template <class Measured, class... Bounds>
Measured& add(prometheus::Family<Measured>& family, Metrics::Labels const& labels, Bounds const&... bounds) {
  check(labels);
  return family.Add(labels, bounds...);
}

Histogram::BucketBoundaries const& batch_bounds() {
  static Histogram::BucketBoundaries const bounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
  return bounds;
}

// Two machines' clocks differ, so a hop may be negative.
Histogram::BucketBoundaries const& hop_bounds() {
  static Histogram::BucketBoundaries const bounds{-60,  -10,  -1,   -0.1, -0.01, 0,   0.001, 0.0025, 0.005,
                                                  0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15,  0.2,    0.25,
                                                  0.5,  1,    2.5,  5,    10,    60,  600,   3600,   86400};
  return bounds;
}

std::int64_t resident_bytes() {
  std::ifstream statm{"/proc/self/statm"};
  std::int64_t pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
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

  Family<Counter>& counter(char const* name, char const* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Labels({{"agent", agent}}).Register(*registry);
  }
  Family<Gauge>& gauge(char const* name, char const* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Labels({{"agent", agent}}).Register(*registry);
  }
  Family<Histogram>& histogram(char const* name, char const* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Labels({{"agent", agent}}).Register(*registry);
  }

  Family<Counter>& received =
      counter("penstock_received_total", "Records that came in: frames and answers, or records read from a topic");
  Family<Counter>& written = counter("penstock_written_total", "Records acknowledged by the broker, or rows committed");
  Family<Counter>& duplicate = counter("penstock_duplicate_total", "Records left out because they were there already");
  Family<Counter>& ignored = counter("penstock_ignored_total", "Frames that hold no data: acks, heartbeats");
  Family<Counter>& dead = counter("penstock_dead_total", "Records sent to a dead-letter topic");
  Family<Counter>& retried = counter("penstock_retried_total", "Attempts that failed and were, or will be, made again");
  Family<Counter>& gaps = counter("penstock_gaps_total", "Holes found in what providers sent");
  Family<Gauge>& lag_records = gauge("penstock_lag_records", "Records in the log that are not yet read");
  Family<Gauge>& stale_streams = gauge("penstock_stale_streams", "Streams that are quiet for longer than they should be");
  Family<Gauge>& budget_remaining =
      gauge("penstock_budget_remaining", "What is left of the provider's budget in the running window");
  Family<Gauge>& spool_records = gauge("penstock_spool_records", "Records on disk that wait for the broker");
  Family<Gauge>& spool_bytes = gauge("penstock_spool_bytes", "Bytes on disk of the records that wait for the broker");
  Family<Histogram>& batch_seconds = histogram("penstock_batch_seconds", "How long one batch took to become durable");
  Family<Histogram>& hop_seconds =
      histogram("penstock_hop_seconds", "From one station to another: event, received, published, transformed, stored");
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
Gauge& Metrics::lag_records(Labels const& labels) { return add(families_->lag_records, labels); }
Gauge& Metrics::stale_streams(Labels const& labels) { return add(families_->stale_streams, labels); }
Gauge& Metrics::budget_remaining(Labels const& labels) { return add(families_->budget_remaining, labels); }
Gauge& Metrics::spool_records(Labels const& labels) { return add(families_->spool_records, labels); }
Gauge& Metrics::spool_bytes(Labels const& labels) { return add(families_->spool_bytes, labels); }
Histogram& Metrics::batch_seconds(Labels const& labels) { return add(families_->batch_seconds, labels, batch_bounds()); }
Histogram& Metrics::hop_seconds(Labels const& labels) { return add(families_->hop_seconds, labels, hop_bounds()); }

std::shared_ptr<prometheus::Registry> Metrics::registry() const { return families_->registry; }

std::string Metrics::status_line() const {
  std::string out = "{\"agent\":";
  append_text(out, families_->agent);
  out += ",\"pid\":" + std::to_string(::getpid());
  out += ",\"rss_bytes\":" + std::to_string(resident_bytes());
  out += ",\"metrics\":[";
  for (auto const& family : families_->registry->Collect())
    for (auto const& metric : family.metric) {
      if (out.back() != '[') out += ',';
      append_metric(out, family, metric);
    }
  return out += "]}";
}

}  // namespace penstock
