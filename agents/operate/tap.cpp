/// penstock tap TOPIC: what a topic holds or gets, one line a record, while everything else runs on.
#include "agents/connections.hpp"
#include "agents/operate/commands.hpp"
#include "agents/operate/reach.hpp"
#include "agents/operate/record_text.hpp"
#include "streaming/fault.hpp"
#include "streaming/kafka/topics.hpp"
#include "streaming/whole_number.hpp"

#include <simdjson.h>

#include <algorithm>
#include <cstdio>
#include <format>
#include <optional>

namespace penstock {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t line_bytes_max = 2'000;  ///< of a value, for people; --json shows all of it

struct Start {
  bool from_earliest = false;
  Time from_time{};
  std::optional<Offset> offset;
  std::optional<Partition> partition;
};

struct Filter {
  std::string key, symbol;
  std::vector<std::pair<std::string, std::string>> fields;
};

/// beginning, end, a time, an offset of every partition, or PARTITION@OFFSET as tap prints it.
Start start_of(std::string const& text) {
  if (text == "end") return {};
  if (text == "beginning") return {.from_earliest = true};
  if (auto const place = parse_place(text)) return {.from_earliest = true, .offset = place->second, .partition = place->first};
  if (auto const offset = whole_number<std::int64_t>(text)) return {.from_earliest = true, .offset = Offset{*offset}};
  if (auto const time = parse_time(text)) return {.from_time = *time};
  throw UsageError{"--from is \"" + text +
                   "\": it takes beginning, end, a time such as 2026-01-31T12:00:00Z, an offset, or PARTITION@OFFSET"};
}

Filter filter_of(Invocation const& invocation) {
  Filter filter{.key = invocation.flag("key"), .symbol = invocation.flag("symbol")};
  std::string_view rest = invocation.has("where") ? invocation.flags.at("where") : std::string_view{};
  while (!rest.empty()) {
    auto const line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    auto const equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0)
      throw UsageError{"--where is \"" + std::string{line} + "\": it takes field=value, such as side=buy"};
    filter.fields.emplace_back(line.substr(0, equals), line.substr(equals + 1));
  }
  return filter;
}

simdjson::dom::parser& thread_parser() {
  thread_local simdjson::dom::parser parser;
  return parser;
}

bool field_is(simdjson::dom::element const& record, std::string const& name, std::string const& wanted) {
  simdjson::dom::element value;
  if (record.at_key(name).get(value) != simdjson::SUCCESS) return false;
  std::string_view text;
  return value.get(text) == simdjson::SUCCESS ? text == wanted : simdjson::minify(value) == wanted;
}

bool passes(Filter const& filter, Delivery const& delivery) {
  if (!filter.key.empty() && delivery.key != filter.key) return false;
  // Raw records say the native symbol in a header; canonical ones are keyed by <source>:<symbol>.
  if (!filter.symbol.empty() && delivery.header("symbol") != filter.symbol) {
    auto const colon = delivery.key.find(':');
    if (colon == std::string_view::npos || delivery.key.substr(colon + 1) != filter.symbol) return false;
  }
  if (filter.fields.empty()) return true;
  simdjson::dom::element record;
  if (thread_parser().parse(delivery.value.data(), delivery.value.size()).get(record) != simdjson::SUCCESS) return false;
  return std::ranges::all_of(filter.fields, [&](auto const& field) { return field_is(record, field.first, field.second); });
}

std::string line_of(Delivery const& delivery) {
  auto line = to_text(delivery.timestamp) + ' ' + place_text(delivery.position) + ' ' + visible(delivery.key);
  // Why a dead letter is one comes first.
  if (auto const reason = delivery.header("reason"); !reason.empty())
    line += std::format("  DEAD {}: {}", visible(reason), visible(delivery.header("detail")));
  line += "  " + visible(delivery.value, line_bytes_max);
  if (delivery.headers.empty()) return line;
  line += "  [";
  for (auto const& [name, value] : delivery.headers)
    line += std::format("{}{}={}", line.back() == '[' ? "" : " ", visible(name), visible(value, 200));
  return line + ']';
}

void require_topic(kafka::Connection const& connection, Topic const& topic) {
  auto const topics = kafka::list_topics(connection);
  if (topics.contains(topic)) return;
  std::vector<std::string> names;
  for (auto const& [name, partitions] : topics) names.push_back(name);
  auto const near = nearest(topic, names);
  throw UsageError{"there is no topic " + topic +
                   (near.empty() ? ": `penstock topics plan` shows those that there should be" : "; did you mean " + near + "?")};
}

/// Holds the partitions that are not asked for.
void go_to(Consumer& follower, Start const& start) {
  if (!start.offset) return;
  Offsets wanted;
  std::vector<TopicPartition> others;
  for (auto const& partition : follower.assigned()) {
    if (start.partition && *start.partition != partition.partition)
      others.push_back(partition);
    else
      wanted[partition] = *start.offset;
  }
  if (wanted.empty())
    throw UsageError{std::format("--from names partition {}, which the topic does not have", to_integer(*start.partition))};
  follower.pause(others);
  follower.seek(wanted);
}

/// Lines go out at once, and a closed pipe (`| head`) ends it.
bool print(std::string const& line) {
  return std::fwrite(line.data(), 1, line.size(), stdout) == line.size() && std::fputc('\n', stdout) != EOF;
}

int run(Invocation const& invocation) {
  auto const& topic = invocation.arguments.at(0);
  auto const start = start_of(invocation.flag("from", "end"));
  auto const filter = filter_of(invocation);
  auto const count = whole_number<std::int64_t>(invocation.flag("count", "0"));
  if (!count) throw UsageError{"--count is \"" + invocation.flag("count") + "\": it takes a number of records"};

  auto const connection = connection_of(invocation.config);
  if (!wait_for_broker(connection, invocation.stop, 5s)) return stopped_as_asked;
  require_topic(connection, topic);
  auto const follower =
      kafka::make_follower(connection, {topic}, {.from_earliest = start.from_earliest, .from_time = start.from_time});
  go_to(*follower, start);

  auto const json = invocation.has("json");
  std::int64_t shown = 0;
  std::vector<Delivery> deliveries;
  while (!invocation.stop.stop_requested()) {
    deliveries.clear();
    follower->poll(deliveries, 1'000, 100ms);
    for (auto const& delivery : deliveries) {
      // An offset that is not there any more, or not yet, starts at the earliest one instead.
      if (start.offset && delivery.position.offset < *start.offset) continue;
      if (!passes(filter, delivery)) continue;
      if (!print(json ? json_of(delivery) : line_of(delivery))) return gave_up;
      if (++shown == *count) return stopped_as_asked;
    }
    if (!deliveries.empty() && std::fflush(stdout) != 0) return gave_up;
  }
  return stopped_as_asked;
}

}  // namespace

Command const tap_command{
    .name = "tap",
    .summary = "Show the records of a topic as they come; nothing is taken away from anybody",
    .arguments = "TOPIC",
    .arguments_least = 1,
    .arguments_most = 1,
    .sections = {"", "kafka"},
    .flags = {{.name = "from",
               .argument = "WHERE",
               .help = "Where to begin: beginning, end, a time (2026-01-31T12:00:00Z), an offset, or PARTITION@OFFSET",
               .fallback = "end"},
              {.name = "count", .argument = "N", .help = "Stop after N records; 0: go on until interrupted", .fallback = "0"},
              {.name = "key", .argument = "KEY", .help = "Only records with this key"},
              {.name = "symbol", .argument = "SYMBOL", .help = "Only records of this symbol"},
              {.name = "where",
               .argument = "FIELD=VALUE",
               .help = "Only records whose JSON has this; of several: all",
               .repeats = true},
              {.name = "json", .argument = "", .help = "One JSON object a line, with all bytes of the value"}},
    .example = "penstock tap md.trades --from beginning --count 10 --symbol BTC/USDT   shows the first ten trades of BTC/USDT",
    .run = run};

}  // namespace penstock
