#include "agents/operate/top_view.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>
#include <ranges>
#include <set>

namespace penstock {

namespace {

using Chosen = std::function<bool(AgentSnapshot const&, Series const&)>;
using Buckets = std::map<double, double>;

constexpr std::array<std::string_view, 11> orders{"name",  "in",   "out",   "latency", "lag",     "gaps",
                                                  "stale", "dead", "spool", "memory",  "restarts"};

AgentSnapshot const* same_agent(Snapshot const* before, AgentSnapshot const& agent) {
  if (before == nullptr) return nullptr;
  auto const found = std::ranges::find(before->agents, agent.name, &AgentSnapshot::name);
  return found == before->agents.end() ? nullptr : &*found;
}

double in_bucket(Series const& series, double bound) {
  auto const found = series.buckets.find(bound);
  return found == series.buckets.end() ? 0 : found->second;
}

// A histogram's value is a sum, which may shrink (clocks differ); what is in its buckets may not.
bool could_grow_to(Series const& earlier, Series const& now) {
  if (earlier.buckets.empty()) return earlier.value <= now.value;
  return std::ranges::all_of(earlier.buckets, [&](auto const& one) { return one.second <= in_bucket(now, one.first); });
}

/// The same series when it was looked at before; nullptr: there was none, or its process has been started anew since.
Series const* same_series(AgentSnapshot const* before, Series const& series) {
  if (before == nullptr) return nullptr;
  auto const found = std::ranges::find_if(before->series, [&](Series const& one) {
    return one.name == series.name && one.labels == series.labels && could_grow_to(one, series);
  });
  return found == before->series.end() ? nullptr : &*found;
}

/// Two snapshots, and sums over what is chosen of their series.
class Change {
 public:
  Change(Snapshot const* before, Snapshot const& now) : before_{before}, now_{now} {}

  double sum(std::string_view name, Chosen const& chosen) const {
    double sum = 0;
    each(name, chosen, [&](AgentSnapshot const&, Series const& series) { sum += series.value; });
    return sum;
  }
  std::optional<double> rate(std::string_view name, Chosen const& chosen) const {
    auto const seconds = before_ == nullptr ? 0 : std::chrono::duration<double>(now_.at - before_->at).count();
    if (seconds <= 0) return std::nullopt;
    double grown = 0;
    each(name, chosen, [&](AgentSnapshot const& agent, Series const& series) {
      auto const* const earlier = same_series(same_agent(before_, agent), series);
      grown += series.value - (earlier == nullptr ? 0 : earlier->value);
    });
    return grown / seconds;
  }
  Buckets buckets(std::string_view name, Chosen const& chosen) const {
    Buckets grown;
    each(name, chosen, [&](AgentSnapshot const& agent, Series const& series) {
      auto const* const earlier = same_series(same_agent(before_, agent), series);
      for (auto const& [bound, count] : series.buckets)
        grown[bound] += count - (earlier == nullptr ? 0 : in_bucket(*earlier, bound));
    });
    return grown;
  }

 private:
  template <class Take>
  void each(std::string_view name, Chosen const& chosen, Take const& take) const {
    for (auto const& agent : now_.agents)
      for (auto const& series : agent.series)
        if (series.name == name && chosen(agent, series)) take(agent, series);
  }

  Snapshot const* before_;
  Snapshot const& now_;
};

double quantile(Buckets const& buckets, double part) {
  auto const counts = buckets | std::views::values;
  auto const all = std::accumulate(counts.begin(), counts.end(), 0.0);
  double seen = 0;
  for (auto const& [bound, count] : buckets)
    if ((seen += count) >= part * all && count > 0) return bound;
  return 0;
}

std::optional<Latency> latency_of(Buckets const& buckets) {
  if (std::ranges::all_of(buckets, [](auto const& one) { return one.second <= 0; })) return std::nullopt;
  return Latency{.p50 = quantile(buckets, 0.5), .p99 = quantile(buckets, 0.99)};
}

/// What agents and providers have in common.
TopRow row_of(Change const& change, std::string name, Chosen const& chosen) {
  TopRow row{.name = std::move(name)};
  row.lag_records = change.sum("penstock_lag_records", chosen);
  row.spool_records = change.sum("penstock_spool_records", chosen);
  row.stale_streams = change.sum("penstock_stale_streams", chosen);
  row.gaps = change.sum("penstock_gaps_total", chosen);
  row.dead = change.sum("penstock_dead_total", chosen);
  return row;
}

// What a process holds is gone with it; what it counted stays true.
Chosen of_agent(AgentSnapshot const& agent) {
  return [&agent](AgentSnapshot const& one, Series const& series) {
    return &one == &agent && (one.state == "running" || series.name.ends_with("_total"));
  };
}

TopRow agent_row(Change const& change, AgentSnapshot const& agent) {
  auto const chosen = of_agent(agent);
  auto row = row_of(change, agent.name, chosen);
  row.state = agent.state;
  row.received = change.rate("penstock_received_total", chosen);
  row.written = change.rate("penstock_written_total", chosen);
  row.latency = latency_of(change.buckets("penstock_hop_seconds", [&](AgentSnapshot const& one, Series const& series) {
    return &one == &agent && series.label("from") == "received";
  }));
  row.rss_bytes = agent.rss_bytes;
  row.restarts = agent.restarts;
  return row;
}

TopRow provider_row(Change const& change, Snapshot const& now, std::string const& provider) {
  auto const is_its = [&](AgentSnapshot const& one, Series const& series) {
    return series.label("provider") == provider && (one.state == "running" || series.name.ends_with("_total"));
  };
  auto const its_from = [&](std::string_view kind) -> Chosen {
    return [=, &provider](AgentSnapshot const& one, Series const& series) {
      return one.kind() == kind && series.label("provider") == provider;
    };
  };
  auto row = row_of(change, provider, is_its);
  row.received = change.rate("penstock_received_total", its_from("publish"));
  row.written = change.rate("penstock_written_total", its_from("transform"));
  row.latency = latency_of(change.buckets("penstock_hop_seconds", [&](AgentSnapshot const&, Series const& series) {
    return series.label("provider") == provider && series.label("from") == "received" && series.label("to") == "transformed";
  }));
  for (auto const& agent : now.agents) {
    if (agent.provider() != provider) continue;
    row.state = agent.state;
    row.rss_bytes += agent.rss_bytes;
    row.restarts += agent.restarts;
  }
  return row;
}

std::vector<TopHop> hops_of(Change const& change, Snapshot const& now) {
  std::set<std::array<std::string, 3>> known;
  for (auto const& agent : now.agents)
    for (auto const& series : agent.series)
      if (series.name == "penstock_hop_seconds")
        known.insert({std::string{series.label("provider")}, std::string{series.label("from")}, std::string{series.label("to")}});
  std::vector<TopHop> hops;
  for (auto const& [provider, from, to] : known) {
    auto const latency = latency_of(change.buckets("penstock_hop_seconds", [&](AgentSnapshot const&, Series const& series) {
      return series.label("provider") == provider && series.label("from") == from && series.label("to") == to;
    }));
    if (latency) hops.push_back({.provider = provider, .from = from, .to = to, .latency = *latency});
  }
  return hops;
}

std::set<std::string> providers_in(Snapshot const& now) {
  std::set<std::string> providers;
  for (auto const& agent : now.agents) {
    providers.emplace(agent.provider());
    for (auto const& series : agent.series) providers.emplace(series.label("provider"));
  }
  providers.erase("");
  return providers;
}

// The agents at the end of the way say what has arrived.
TopRow total_of(Change const& change, Snapshot const& now) {
  auto const is_there = [&](std::string_view kind) { return std::ranges::contains(now.agents, kind, &AgentSnapshot::kind); };
  std::string_view const last = is_there("store") ? "store" : is_there("transform") ? "transform" : "publish";
  auto const from = [](std::string_view kind) -> Chosen {
    return [=](AgentSnapshot const& one, Series const&) { return one.kind() == kind; };
  };
  auto total = row_of(change, "all", [](AgentSnapshot const& one, Series const& series) {
    return one.state == "running" || series.name.ends_with("_total");
  });
  total.received = change.rate("penstock_received_total", from("publish"));
  total.written = change.rate("penstock_written_total", from(last));
  for (auto const& agent : now.agents) {
    total.rss_bytes += agent.rss_bytes;
    total.restarts += agent.restarts;
  }
  return total;
}

double number_of(TopRow const& row, TopOrder order) {
  switch (order) {
    case TopOrder::name: return 0;
    case TopOrder::received: return row.received.value_or(0);
    case TopOrder::written: return row.written.value_or(0);
    case TopOrder::latency: return row.latency ? row.latency->p99 : -1;
    case TopOrder::lag: return row.lag_records;
    case TopOrder::gaps: return row.gaps;
    case TopOrder::stale: return row.stale_streams;
    case TopOrder::dead: return row.dead;
    case TopOrder::spool: return row.spool_records;
    case TopOrder::memory: return row.rss_bytes;
    case TopOrder::restarts: return static_cast<double>(row.restarts);
  }
  return 0;
}

}  // namespace

TopView top_view(Snapshot const* before, Snapshot const& now) {
  Change const change{before, now};
  TopView view{.at = now.at, .agents = {}, .providers = {}, .total = total_of(change, now), .hops = hops_of(change, now)};
  for (auto const& agent : now.agents) view.agents.push_back(agent_row(change, agent));
  for (auto const& provider : providers_in(now)) view.providers.push_back(provider_row(change, now, provider));
  return view;
}

std::string_view to_text(TopOrder order) { return orders[static_cast<std::size_t>(order)]; }

std::optional<TopOrder> parse_order(std::string_view text) {
  auto const found = std::ranges::find(orders, text);
  return found == orders.end() ? std::nullopt : std::optional{static_cast<TopOrder>(found - orders.begin())};
}

std::vector<std::string> order_names() { return {orders.begin(), orders.end()}; }

std::vector<TopRow> arranged(std::vector<TopRow> rows, TopOrder order, std::string_view filter) {
  std::erase_if(rows, [&](TopRow const& row) { return !row.name.contains(filter); });
  std::ranges::sort(rows, [&](TopRow const& left, TopRow const& right) {
    auto const left_number = number_of(left, order), right_number = number_of(right, order);
    return left_number != right_number ? left_number > right_number : left.name < right.name;
  });
  return rows;
}

}  // namespace penstock
