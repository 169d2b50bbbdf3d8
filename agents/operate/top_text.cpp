#include "agents/operate/top_text.hpp"

#include "agents/operate/text_table.hpp"
#include "streaming/json.hpp"

#include <cmath>
#include <format>

namespace penstock {

namespace {

constexpr std::string_view unknown = "-";

std::vector<TopRow> rows_of(TopView const& view, TopLook const& look) {
  return arranged(look.by_provider ? view.providers : view.agents, look.order, look.filter);
}

// 1234567 -> 1,234,567; small ones with a decimal.
std::string count_text(double value) {
  if (value > 0 && value < 10 && value != std::floor(value)) return std::format("{:.1f}", value);
  auto text = std::format("{:.0f}", value);
  for (auto at = std::ssize(text) - 3; at > (text.front() == '-' ? 1 : 0); at -= 3)
    text.insert(static_cast<std::size_t>(at), ",");
  return text;
}

std::string count_text(std::optional<double> value) { return value ? count_text(*value) : std::string{unknown}; }

std::vector<std::string> cells_of(TopRow const& row) {
  return {row.name,
          count_text(row.received),
          count_text(row.written),
          row.latency ? seconds_text(row.latency->p50) : std::string{unknown},
          row.latency ? seconds_text(row.latency->p99) : std::string{unknown},
          count_text(row.lag_records),
          count_text(row.gaps),
          count_text(row.stale_streams),
          count_text(row.dead),
          count_text(row.spool_records),
          std::format("{:.0f}", row.rss_bytes / (1 << 20)),
          std::to_string(row.restarts),
          row.state};
}

std::string number_json(std::optional<double> value) {
  return value && std::isfinite(*value) ? std::format("{:.6g}", *value) : "null";
}

std::string latency_json(std::optional<Latency> const& latency) {
  return std::format(R"("p50_seconds":{},"p99_seconds":{})", number_json(latency ? std::optional{latency->p50} : std::nullopt),
                     number_json(latency ? std::optional{latency->p99} : std::nullopt));
}

std::string row_json(TopRow const& row) {
  return "{\"name\":" + json_string(row.name) + ",\"state\":" + json_string(row.state) +
         std::format(R"(,"received_per_second":{},"written_per_second":{},{},"lag_records":{:.0f},"gaps":{:.0f},)"
                     R"("stale_streams":{:.0f},"dead":{:.0f},"spool_records":{:.0f},"rss_bytes":{:.0f},"restarts":{}}})",
                     number_json(row.received), number_json(row.written), latency_json(row.latency), row.lag_records, row.gaps,
                     row.stale_streams, row.dead, row.spool_records, row.rss_bytes, row.restarts);
}

std::string rows_json(std::vector<TopRow> const& rows) {
  std::string out = "[";
  for (auto const& row : rows) out += (out.size() > 1 ? "," : "") + row_json(row);
  return out + ']';
}

}  // namespace

std::string seconds_text(double seconds) {
  if (!std::isfinite(seconds)) return "> 1 d";
  if (std::abs(seconds) < 1) return std::format("{:g} ms", std::round(seconds * 1e4) / 10);
  return std::format("{:g} s", seconds);
}

std::string top_table(TopView const& view, TopLook const& look) {
  std::vector<std::vector<std::string>> rows{{look.by_provider ? "PROVIDER" : "AGENT", "IN/S", "OUT/S", "P50", "P99", "LAG",
                                              "GAPS", "STALE", "DEAD", "SPOOL", "MB", "RESTARTS", "STATE"}};
  for (auto const& row : rows_of(view, look)) rows.push_back(cells_of(row));
  rows.push_back(cells_of(view.total));
  return text_table(rows, Cells::numbers);
}

std::string top_hops(TopView const& view, TopLook const& look) {
  std::vector<std::vector<std::string>> rows;
  for (auto const& hop : view.hops)
    if (!look.by_provider || hop.provider.contains(look.filter))
      rows.push_back({hop.from + " -> " + hop.to, hop.provider.empty() ? "all" : hop.provider,
                      "p50 " + seconds_text(hop.latency.p50), "p99 " + seconds_text(hop.latency.p99)});
  return text_table(rows);
}

std::vector<std::string> top_lines(TopView const& view, TopLook const& look) {
  std::vector<std::string> lines;
  for (auto const& row : rows_of(view, look)) {
    auto line = std::format("time={} {}=", to_text(view.at), look.by_provider ? "provider" : "agent");
    line += row.name.contains(' ') ? json_string(row.name) : row.name;
    if (!row.state.empty()) line += " state=" + row.state;
    if (row.received) line += std::format(" in={:.1f}", *row.received);
    if (row.written) line += std::format(" out={:.1f}", *row.written);
    if (row.latency) line += std::format(" p50_s={:g} p99_s={:g}", row.latency->p50, row.latency->p99);
    line +=
        std::format(" lag={:.0f} gaps={:.0f} stale={:.0f} dead={:.0f} spool={:.0f} rss_mb={:.1f} restarts={}", row.lag_records,
                    row.gaps, row.stale_streams, row.dead, row.spool_records, row.rss_bytes / (1 << 20), row.restarts);
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string top_json(TopView const& view, TopLook const& look) {
  std::string hops;
  for (auto const& hop : view.hops)
    hops += (hops.empty() ? "" : ",") + ("{\"provider\":" + json_string(hop.provider)) + ",\"from\":" + json_string(hop.from) +
            ",\"to\":" + json_string(hop.to) + ',' + latency_json(hop.latency) + '}';
  return "{\"time\":" + json_string(to_text(view.at)) +
         ",\"agents\":" + rows_json(arranged(view.agents, look.order, look.filter)) +
         ",\"providers\":" + rows_json(arranged(view.providers, look.order, look.filter)) + ",\"total\":" + row_json(view.total) +
         ",\"hops\":[" + hops + "]}";
}

}  // namespace penstock
