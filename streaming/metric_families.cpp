#include "streaming/metric_families.hpp"

#include <algorithm>
#include <array>

namespace penstock {

namespace {

using enum MetricFamily::Type;

constexpr std::array batch_bounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0};

// Two machines' clocks differ, so a hop may be negative.
constexpr std::array hop_bounds{-60.0, -10.0, -1.0, -0.1, -0.01, 0.0, 0.001, 0.0025, 0.005, 0.01, 0.02,  0.03,   0.05,   0.075,
                                0.1,   0.15,  0.2,  0.25, 0.5,   1.0, 2.5,   5.0,    10.0,  60.0, 600.0, 3600.0, 86400.0};

constexpr auto families = std::to_array<MetricFamily>({
    {"penstock_received_total", counter, "Records that came in: frames and answers, or records read from a topic"},
    {"penstock_written_total", counter, "Records acknowledged by the broker, or rows committed"},
    {"penstock_duplicate_total", counter, "Records left out because they were there already"},
    {"penstock_ignored_total", counter, "Frames that hold no data: acks, heartbeats"},
    {"penstock_dead_total", counter, "Records sent to a dead-letter topic"},
    {"penstock_retried_total", counter, "Attempts that failed and were, or will be, made again"},
    {"penstock_gaps_total", counter, "Holes found in what providers sent"},
    {"penstock_reconnects_total", counter, "Streams that were opened again after a loss"},
    {"penstock_lag_records", gauge, "Records in the log that are not yet read"},
    {"penstock_stale_streams", gauge, "Streams and polls that have been quiet for longer than they should be"},
    {"penstock_last_event_age_seconds", gauge, "Time since the channel brought something, or since the start"},
    {"penstock_budget_remaining", gauge, "What is left of the provider's budget in the running window"},
    {"penstock_spool_records", gauge, "Records on disk that wait for the broker"},
    {"penstock_spool_bytes", gauge, "Bytes on disk of the records that wait for the broker"},
    {"penstock_audit_ok", gauge, "1: the last audit adds up, 0: it does not"},
    {"penstock_audit_timestamp_seconds", gauge, "When the last audit ended, or the first began to wait; since 1970"},
    {"penstock_batch_seconds", histogram, "How long one batch took to become durable", batch_bounds},
    {"penstock_hop_seconds", histogram, "From one station to another: event, received, published, transformed, stored",
     hop_bounds},
    {"penstock_ready", gauge, "1: the check of /readyz is passed, 0: it is not"},
    {"penstock_build_info", gauge, "1; the version is in the label"},
    {"penstock_up", gauge, "1: the agent runs and reports, 0: it does not"},
    {"penstock_restarts_total", counter, "How often the agent was started again"},
    {"process_resident_memory_bytes", gauge, "Memory that the process holds"},
    {"process_cpu_seconds_total", counter, "CPU time that the process has used"},
});

constexpr std::array<std::string_view, 11> labels{"agent", "instance", "provider", "topic",   "channel", "reason",
                                                  "cause", "from",     "to",       "version", "check"};

}  // namespace

std::span<MetricFamily const> metric_families() { return families; }

MetricFamily const* find_metric_family(std::string_view name) {
  auto const found = std::ranges::find(families, name, &MetricFamily::name);
  return found == families.end() ? nullptr : &*found;
}

std::span<std::string_view const> metric_labels() { return labels; }

}  // namespace penstock
