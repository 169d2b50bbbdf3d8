/// What one agent counts: the names and labels of streaming/metric_families.hpp, never a symbol. Any thread.
/// prometheus-cpp underneath.
#pragma once

#include "streaming/time.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
class Registry;
}  // namespace prometheus

namespace penstock {

class Metrics {
 public:
  /// `agent`: publish, transform, store.
  explicit Metrics(std::string_view agent);
  ~Metrics();

  using Labels = std::map<std::string, std::string>;
  // Hot paths keep the reference; it lives as long as this object.
  prometheus::Counter& received(Labels const& labels);         ///< penstock_received_total
  prometheus::Counter& written(Labels const& labels);          ///< penstock_written_total
  prometheus::Counter& duplicate(Labels const& labels);        ///< penstock_duplicate_total
  prometheus::Counter& ignored(Labels const& labels);          ///< penstock_ignored_total
  prometheus::Counter& dead(Labels const& labels);             ///< penstock_dead_total, label reason
  prometheus::Counter& retried(Labels const& labels);          ///< penstock_retried_total, label reason
  prometheus::Counter& gaps(Labels const& labels);             ///< penstock_gaps_total, label cause
  prometheus::Counter& reconnects(Labels const& labels);       ///< penstock_reconnects_total
  prometheus::Gauge& lag_records(Labels const& labels);        ///< penstock_lag_records
  prometheus::Gauge& stale_streams(Labels const& labels);      ///< penstock_stale_streams
  prometheus::Gauge& last_event_age(Labels const& labels);     ///< penstock_last_event_age_seconds, label channel
  prometheus::Gauge& budget_remaining(Labels const& labels);   ///< penstock_budget_remaining
  prometheus::Gauge& spool_records(Labels const& labels);      ///< penstock_spool_records
  prometheus::Gauge& spool_bytes(Labels const& labels);        ///< penstock_spool_bytes
  prometheus::Gauge& audit_ok(Labels const& labels);           ///< penstock_audit_ok
  prometheus::Gauge& audit_timestamp(Labels const& labels);    ///< penstock_audit_timestamp_seconds
  prometheus::Histogram& batch_seconds(Labels const& labels);  ///< penstock_batch_seconds
  prometheus::Histogram& hop_seconds(Labels const& labels);    ///< penstock_hop_seconds, labels from, to; signed clocks

  /// Many at once into hop_seconds(labels): how long before `now` each of `since` was.
  void observe_hops(Labels const& labels, Time now, std::span<Time const> since);

  std::shared_ptr<prometheus::Registry> registry() const;

  /// Over all series of a family of counters or gauges; nothing where it has none.
  std::optional<double> sum(std::string_view family) const;

  /// One JSON line for whoever started this process, and what /metrics is made of:
  /// {"agent":…,"pid":…,"rss_bytes":…,"cpu_seconds":…,<more>"metrics":[{"name":…,"labels":{…},"value":…},…]}. Histograms have
  /// "value" (their sum), "count" and "buckets": [[upper bound, or null for infinity; own count],…] without the empty ones.
  /// `more`: further members, each with its comma.
  std::string status_line(std::string_view more = {}) const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace penstock
