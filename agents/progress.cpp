#include "agents/progress.hpp"

#include "streaming/json.hpp"

#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <ranges>
#include <string_view>

namespace penstock {

namespace {

struct Metric {
  std::string name, labels, topic;
  double value = 0;
};
struct Status {
  double rss_bytes = 0;
  std::vector<Metric> metrics;
};

// A line that is not what it should be counts as none: the next one comes in a second.
Status parsed(std::string const& line) {
  Status status;
  if (line.empty()) return status;
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  if (parser.parse(line).get(document) != simdjson::SUCCESS) return status;
  if (document["rss_bytes"].get(status.rss_bytes) != simdjson::SUCCESS) return status;
  simdjson::dom::array metrics;
  if (document["metrics"].get(metrics) != simdjson::SUCCESS) return status;
  for (auto const entry : metrics) {
    Metric metric;
    std::string_view text;
    if (entry["name"].get(text) == simdjson::SUCCESS) metric.name = text;
    simdjson::dom::element labels;
    if (entry["labels"].get(labels) == simdjson::SUCCESS) metric.labels = simdjson::minify(labels);
    if (entry["labels"]["topic"].get(text) == simdjson::SUCCESS) metric.topic = text;
    if (entry["value"].get(metric.value) == simdjson::SUCCESS) status.metrics.push_back(std::move(metric));
  }
  return status;
}

std::string_view first_word(std::string_view name) { return name.substr(0, name.find(' ')); }

// The agents at the end of the way say what has arrived.
std::string_view last_station(std::vector<AgentReport> const& reports) {
  for (std::string_view const station : {"store", "transform"})
    for (auto const& report : reports)
      if (first_word(report.name) == station && !(report.state == "stopped" && report.status.empty())) return station;
  return "publish";
}

double sum(std::map<std::string, double> const& values) {
  auto const all = values | std::views::values;
  return std::accumulate(all.begin(), all.end(), 0.0);
}

std::string whole(double value) { return std::to_string(std::llround(value)); }

// 1234567 -> 1,234,567.
std::string grouped(double value) {
  auto text = whole(value);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > (text.front() == '-' ? 1 : 0); at -= 3)
    text.insert(static_cast<std::size_t>(at), ",");
  return text;
}

void append_object(std::string& out, std::map<std::string, double> const& values) {
  out += '{';
  for (auto const& [name, value] : values) {
    if (out.back() != '{') out += ',';
    append_json_string(out, name);
    out += ':' + whole(value);
  }
  out += '}';
}

}  // namespace

double lag_in(std::string const& status) {
  double lag = -1;
  for (auto const& metric : parsed(status).metrics)
    if (metric.name == "penstock_lag_records") lag = std::max(lag, 0.0) + metric.value;
  return lag;
}

void Progress::update(std::vector<AgentReport> const& reports, Instant now) {
  auto const before = totals_.written;
  totals_ = {};
  complete_ = std::ranges::all_of(reports, [](AgentReport const& report) {
    return report.state == "stopped" || (report.state == "running" && !report.status.empty());
  });
  auto const station = last_station(reports);
  for (auto const& report : reports) {
    totals_.restarts += report.restarts;
    auto const status = parsed(report.status);
    auto const running =
        report.state == "running";  // What an agent counted stays true when it has ended; what it holds does not.
    if (running) totals_.rss_bytes += status.rss_bytes;
    for (auto const& metric : status.metrics) {
      if (running && metric.name == "penstock_lag_records") totals_.lag_records += metric.value;
      if (running && metric.name == "penstock_spool_records") totals_.spool_records += metric.value;
      if (metric.name == "penstock_dead_total") dead_[{report.key, metric.labels}].see(metric.value);
      if (metric.name == "penstock_written_total" && first_word(report.name) == station)
        written_[{report.key, metric.topic}].see(metric.value);
    }
  }
  for (auto const& counter : dead_ | std::views::values) totals_.dead += counter.value();
  for (auto const& [of, counter] : written_) totals_.written[of.second] += counter.value();

  auto const seconds = std::max(0.001, std::chrono::duration<double>(now - at_).count());
  for (auto const& [topic, count] : totals_.written) {
    auto const found = before.find(topic);
    totals_.per_second[topic] = (count - (found == before.end() ? 0 : found->second)) / seconds;
  }
  if (sum(totals_.written) != sum(before)) changed_at_ = now;
  at_ = now;
}

bool Progress::idle_for(std::chrono::milliseconds how_long, Instant now) const {
  return complete_ && sum(totals_.written) > 0 && totals_.lag_records == 0 && totals_.spool_records == 0 &&
         now - changed_at_ >= how_long;
}

std::string Progress::line(Instant now) const {
  auto out = std::to_string(std::chrono::floor<std::chrono::seconds>(now - began_).count()) + " s";
  for (auto const& [topic, rate] : totals_.per_second)
    out += "  " + (topic.starts_with("md.") ? topic.substr(3) : topic) + ' ' + grouped(rate) + "/s";
  if (totals_.per_second.empty()) out += "  nothing written yet";
  out += "  lag " + grouped(totals_.lag_records);
  if (totals_.spool_records > 0) out += "  spool " + grouped(totals_.spool_records);
  return out + "  dead " + grouped(totals_.dead) + "  restarts " + std::to_string(totals_.restarts) + "  " +
         grouped(totals_.rss_bytes / (1 << 20)) + " MB";
}

std::string Progress::json(std::vector<AgentReport> const& reports, Instant now) const {
  std::string out =
      "{\"running_seconds\":" + std::to_string(std::chrono::floor<std::chrono::seconds>(now - began_).count()) + ",\"agents\":[";
  for (auto const& report : reports) {
    if (out.back() != '[') out += ',';
    auto const sound = !parsed(report.status).metrics.empty() || parsed(report.status).rss_bytes > 0;
    out += "{\"name\":" + json_string(report.name) + ",\"state\":" + json_string(report.state) +
           ",\"pid\":" + std::to_string(report.pid) + ",\"restarts\":" + std::to_string(report.restarts) +
           ",\"reason\":" + json_string(report.reason) + ",\"status\":" + (sound ? report.status : "null") + '}';
  }
  out += "],\"written\":";
  append_object(out, totals_.written);
  out += ",\"per_second\":";
  append_object(out, totals_.per_second);
  return out + ",\"lag_records\":" + whole(totals_.lag_records) + ",\"spool_records\":" + whole(totals_.spool_records) +
         ",\"dead\":" + whole(totals_.dead) + ",\"restarts\":" + std::to_string(totals_.restarts) +
         ",\"rss_bytes\":" + whole(totals_.rss_bytes) + '}';
}

}  // namespace penstock
