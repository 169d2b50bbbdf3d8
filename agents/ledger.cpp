#include "agents/ledger.hpp"

#include <simdjson.h>

#include <algorithm>
#include <numeric>
#include <ranges>

namespace penstock {
namespace {

using Numbers = std::array<std::pair<std::string_view, std::int64_t Ledger::*>, 12>;

constexpr Numbers numbers{{{"frames", &Ledger::frames},
                           {"skipped", &Ledger::skipped},
                           {"trimmed", &Ledger::trimmed},
                           {"decoded", &Ledger::decoded},
                           {"ignored", &Ledger::ignored},
                           {"dead_frames", &Ledger::dead_frames},
                           {"records", &Ledger::records},
                           {"restored", &Ledger::restored},
                           {"dead", &Ledger::dead},
                           {"held", &Ledger::held},
                           {"lost", &Ledger::lost},
                           {"gaps", &Ledger::gaps}}};

std::int64_t total_of_reasons(std::map<std::string_view, std::int64_t> const& counts) {
  auto const values = std::views::values(counts);
  return std::accumulate(values.begin(), values.end(), std::int64_t{0});
}

void append_number(std::string& json, std::string_view name, std::int64_t value) {
  json.append(",\"").append(name).append("\":").append(std::to_string(value));
}

std::int64_t number_of(simdjson::simdjson_result<simdjson::dom::element> found) {
  std::int64_t number = 0;
  return found.get(number) == simdjson::SUCCESS ? number : 0;
}

void parse_by_kind(simdjson::dom::element const& json, Ledger& ledger) {
  for (std::size_t kind = 0; kind < kind_names.size(); ++kind) {
    simdjson::dom::element pair;
    if (json[kind_names[kind]].get(pair) != simdjson::SUCCESS) continue;
    ledger.written[kind] = number_of(pair.at(0));
    ledger.duplicate[kind] = number_of(pair.at(1));
  }
}

}  // namespace

std::int64_t total(Counts::ByKind const& counts) { return std::accumulate(counts.begin(), counts.end(), std::int64_t{0}); }

bool Counts::empty() const { return frames == 0 && gaps == 0 && total(written) == 0; }

void Ledger::add(Counts const& counts) {
  frames += counts.frames;
  skipped += counts.skipped;
  trimmed += counts.trimmed;
  decoded += counts.decoded;
  ignored += counts.ignored;
  dead_frames += total_of_reasons(counts.dead_frames);
  records += counts.records;
  dead += total_of_reasons(counts.dead);
  gaps += counts.gaps;
  for (std::size_t kind = 0; kind < written.size(); ++kind) {
    written[kind] += counts.written[kind];
    duplicate[kind] += counts.duplicate[kind];
  }
}

void Ledger::resume(std::int64_t now) {
  restored += std::max<std::int64_t>(now - held, 0);
  lost += std::max<std::int64_t>(held - now, 0);
  held = now;
}

std::string to_json(Ledger const& ledger, std::string_view group, std::string_view instance, Time time) {
  std::string json{R"({"agent":"transform")"};
  for (auto const& [name, text] : {std::pair{"group", group}, {"instance", instance}, {"topic", std::string_view{ledger.topic}}})
    json.append(",\"").append(name).append("\":\"").append(text).append("\"");
  append_number(json, "partition", to_integer(ledger.partition));
  append_number(json, "from_offset", to_integer(ledger.from));
  append_number(json, "to_offset", to_integer(ledger.to));
  for (auto const& [name, member] : numbers) append_number(json, name, ledger.*member);
  append_number(json, "written", total(ledger.written));
  append_number(json, "duplicate", total(ledger.duplicate));
  json += R"(,"by_kind":{)";
  for (std::size_t kind = 0; kind < kind_names.size(); ++kind) {
    if (ledger.written[kind] == 0 && ledger.duplicate[kind] == 0) continue;
    if (json.back() != '{') json += ',';
    json.append("\"").append(kind_names[kind]).append("\":[").append(std::to_string(ledger.written[kind]));
    json.append(",").append(std::to_string(ledger.duplicate[kind])).append("]");
  }
  return json.append(R"(},"time":")").append(to_text(time)).append("\"}");
}

std::optional<Ledger> parse_ledger(std::string_view json) {
  thread_local simdjson::dom::parser parser;
  simdjson::dom::element element;
  if (parser.parse(json.data(), json.size()).get(element) != simdjson::SUCCESS) return std::nullopt;
  std::string_view agent, topic;
  std::int64_t partition = 0, from = 0, to = 0;
  bool const whole = element["agent"].get(agent) == simdjson::SUCCESS && agent == "transform" &&
                     element["topic"].get(topic) == simdjson::SUCCESS &&
                     element["partition"].get(partition) == simdjson::SUCCESS &&
                     element["from_offset"].get(from) == simdjson::SUCCESS && element["to_offset"].get(to) == simdjson::SUCCESS;
  if (!whole) return std::nullopt;
  Ledger ledger;
  ledger.topic = topic;
  ledger.partition = Partition{static_cast<std::int32_t>(partition)};
  ledger.from = Offset{from};
  ledger.to = Offset{to};
  for (auto const& [name, member] : numbers) ledger.*member = number_of(element[name]);
  if (simdjson::dom::element by_kind; element["by_kind"].get(by_kind) == simdjson::SUCCESS) parse_by_kind(by_kind, ledger);
  return ledger;
}

Record ledger_record(Ledger const& ledger, std::string json) {
  return {.key = ledger.topic + '/' + std::to_string(to_integer(ledger.partition)),
          .value = std::move(json),
          .headers = {{"schema", "ledger/2"}}};
}

}  // namespace penstock
