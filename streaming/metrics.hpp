/// The counters of design: fixed names, labels agent, provider, topic, reason; never a symbol. Any thread.
/// prometheus-cpp underneath, so that an HTTP exposer can be put on the same registry.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
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
  prometheus::Gauge& lag_records(Labels const& labels);        ///< penstock_lag_records
  prometheus::Gauge& stale_streams(Labels const& labels);      ///< penstock_stale_streams
  prometheus::Gauge& budget_remaining(Labels const& labels);   ///< penstock_budget_remaining
  prometheus::Gauge& spool_records(Labels const& labels);      ///< penstock_spool_records
  prometheus::Gauge& spool_bytes(Labels const& labels);        ///< penstock_spool_bytes
  prometheus::Histogram& batch_seconds(Labels const& labels);  ///< penstock_batch_seconds
  prometheus::Histogram& hop_seconds(Labels const& labels);    ///< penstock_hop_seconds, labels from, to; signed clocks

  std::shared_ptr<prometheus::Registry> registry() const;

  /// One JSON line for whoever started this process:
  /// {"agent":…,"pid":…,"rss_bytes":…,"metrics":[{"name":…,"labels":{…},"value":…},…]}
  std::string status_line() const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace penstock
