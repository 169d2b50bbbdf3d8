/// What `penstock top` shows: what changed between two snapshots, by agent and by provider. Pure; any thread.
#pragma once

#include "agents/operate/top_snapshot.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

/// Seconds that half, and 99 of 100, took at most: upper bounds of histogram buckets.
struct Latency {
  double p50 = 0, p99 = 0;
};

struct TopRow {
  std::string name;                         ///< of the agent or provider
  std::string state;                        ///< of the agent; of a provider: its publisher's, "" where it has none here
  std::optional<double> received, written;  ///< records per second; nothing: there is nothing to compare with yet
  std::optional<Latency> latency;           ///< from received to this station; of providers: to transformed
  double lag_records = 0, spool_records = 0, stale_streams = 0;  ///< now
  double gaps = 0, dead = 0;                                     ///< since the agents started
  double rss_bytes = 0;
  std::int64_t restarts = 0;
};

/// One hop of the records of one provider ("": of all), during the interval.
struct TopHop {
  std::string provider, from, to;
  Latency latency;
};

struct TopView {
  Time at{};
  std::vector<TopRow> agents, providers;
  TopRow total;  ///< received: the publishers'; written: the stores' or whatever is last; latency: none
  std::vector<TopHop> hops;
};

/// `before`: nullptr: none yet. An agent that started anew since then counts from 0.
TopView top_view(Snapshot const* before, Snapshot const& now);

/// What rows may be sorted by. Names ascend, numbers descend.
enum class TopOrder : std::uint8_t { name, received, written, latency, lag, gaps, stale, dead, spool, memory, restarts };
std::string_view to_text(TopOrder order);
std::optional<TopOrder> parse_order(std::string_view text);
std::vector<std::string> order_names();

/// Those whose name has `filter` in it, sorted; equal ones by name.
std::vector<TopRow> arranged(std::vector<TopRow> rows, TopOrder order, std::string_view filter);

}  // namespace penstock
