/// The metrics and labels that there are: a closed list, which dashboards and alerts rely on. Any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace penstock {

struct MetricFamily {
  enum class Type : std::uint8_t { counter, gauge, histogram };
  std::string_view name;
  Type type;
  std::string_view help;
  std::span<double const> bounds{};  ///< of a histogram's buckets, without the last one, which is infinite
};

std::span<MetricFamily const> metric_families();
/// nullptr: there is none.
MetricFamily const* find_metric_family(std::string_view name);

/// What a series may be told apart by; never a symbol: that would be a series each.
std::span<std::string_view const> metric_labels();

}  // namespace penstock
