/// penstock tap TOPIC: what a topic holds or gets, while everything else runs on.
#include "agents/connections.hpp"
#include "agents/operate/commands.hpp"
#include "agents/operate/output.hpp"
#include "agents/operate/reach.hpp"
#include "agents/operate/record_text.hpp"
#include "agents/operate/tap_filter.hpp"
#include "agents/operate/time_word.hpp"
#include "streaming/fault.hpp"
#include "streaming/kafka/topics.hpp"
#include "streaming/whole_number.hpp"

#include <algorithm>
#include <format>
#include <iostream>
#include <map>
#include <optional>
#include <ranges>

namespace penstock {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t line_bytes_max = 2'000;  ///< of a value, for people; --json and --pretty show all of it
constexpr auto new_partitions_every = 2s;

struct Start {
  bool from_earliest = false;
  Time from_time{};
  std::optional<Offset> offset;
  std::optional<Partition> partition;
};

struct Shape {
  bool json = false, pretty = false, headers = false;
};

/// beginning, end, a time, how long ago, an offset of every partition, or PARTITION@OFFSET as tap prints it.
Start start_of(std::string const& text) {
  if (text == "end") return {};
  if (text == "beginning") return {.from_earliest = true};
  if (auto const place = parse_place(text)) return {.from_earliest = true, .offset = place->second, .partition = place->first};
  if (auto const offset = whole_number<std::int64_t>(text)) return {.from_earliest = true, .offset = Offset{*offset}};
  if (auto const time = parse_time(text)) return {.from_time = *time};
  auto const ago = text.starts_with('-') ? parse_span(std::string_view{text}.substr(1)) : std::nullopt;
  if (ago) return {.from_time = system_clock().now() - *ago};
  throw UsageError{"--from is \"" + text +
                   "\": it takes beginning, end, a time such as 2026-01-31T12:00:00Z, how long ago such as -10m (s, m, h, d), an "
                   "offset, or PARTITION@OFFSET"};
}

std::optional<Partition> partition_of(Invocation const& invocation, Start const& start) {
  if (!invocation.has("partition")) return start.partition;
  auto const number = whole_number<std::int32_t>(invocation.flag("partition"));
  if (!number) throw UsageError{"--partition is \"" + invocation.flag("partition") + "\": it takes the number of a partition"};
  if (start.partition && to_integer(*start.partition) != *number)
    throw UsageError{"--from and --partition name different partitions; keep one of them"};
  return Partition{*number};
}

TapFilter filter_of(Invocation const& invocation, Start const& start) {
  TapFilter filter{.key = invocation.flag("key"), .symbols = {}, .partition = partition_of(invocation, start), .conditions = {}};
  if (invocation.has("symbol")) filter.symbols = spellings_of(invocation.flag("symbol"), invocation.arguments.front());
  if (!invocation.has("where")) return filter;
  for (auto const part : std::views::split(invocation.flags.at("where"), '\n'))
    filter.conditions.emplace_back(std::string_view{part});
  return filter;
}

Shape shape_of(Invocation const& invocation) {
  Shape const shape{.json = invocation.has("json"), .pretty = invocation.has("pretty"), .headers = invocation.has("headers")};
  if (shape.json && shape.pretty) throw UsageError{"--json is one line a record, --pretty several: keep one of them"};
  return shape;
}

std::string line_of(Delivery const& delivery, bool headers) {
  auto line = to_text(delivery.timestamp) + ' ' + place_text(delivery.position) + ' ' + visible(delivery.key);
  // Why a dead letter is one comes first.
  if (auto const reason = delivery.header("reason"); !reason.empty())
    line += std::format("  DEAD {}: {}", visible(reason), visible(delivery.header("detail")));
  line += "  " + visible(delivery.value, line_bytes_max);
  if (!headers || delivery.headers.empty()) return line;
  line += "  [";
  for (auto const& [name, value] : delivery.headers)
    line += std::format("{}{}={}", line.back() == '[' ? "" : " ", visible(name), visible(value, 200));
  return line + ']';
}

std::string block_of(Delivery const& delivery, bool headers) {
  auto block = std::format("# {} {} {} {}\n", visible(delivery.position.topic), place_text(delivery.position),
                           to_text(delivery.timestamp), visible(delivery.key));
  for (auto const& [name, value] : delivery.headers)
    if (headers || name == "reason" || name == "detail") block += std::format("# {}: {}\n", visible(name), visible(value));
  return block + indented_json(delivery.value);
}

std::string text_of(Delivery const& delivery, Shape const& shape) {
  if (shape.json) return json_of(delivery);
  return shape.pretty ? block_of(delivery, shape.headers) : line_of(delivery, shape.headers);
}

/// How many partitions it has.
int require_topic(kafka::Connection const& connection, Topic const& topic, std::optional<Partition> partition) {
  auto const topics = kafka::list_topics(connection);
  if (auto const found = topics.find(topic); found != topics.end()) {
    if (!partition || to_integer(*partition) < found->second) return found->second;
    throw UsageError{
        std::format("topic {} has no partition {}: it has 0 to {}", topic, to_integer(*partition), found->second - 1)};
  }
  std::vector<std::string> names;
  for (auto const& [name, partitions] : topics) names.push_back(name);
  auto const near = nearest(topic, names);
  throw UsageError{"there is no topic " + topic +
                   (near.empty() ? ": `penstock topics plan` shows those that there should be" : "; did you mean " + near + "?")};
}

/// Where to begin in each partition: the offset, or the nearest that there is. Says so of a partition that was asked for alone.
Offsets begins(std::map<TopicPartition, kafka::Kept> const& partitions, Offset offset, std::optional<Partition> asked) {
  Offsets wanted;
  for (auto const& [partition, kept] : partitions) {
    wanted[partition] = std::clamp(offset, kept.first, kept.end);
    if (partition.partition != asked || wanted[partition] == offset) continue;
    auto const place = std::format("{} {}@{}", partition.topic, to_integer(*asked), to_integer(offset));
    std::cerr << "penstock tap: " << place
              << (offset < kept.first ? " is gone, retention took it; this begins at "
                                      : " is not written yet; waiting for it from ")
              << to_integer(wanted[partition]) << '\n';
  }
  return wanted;
}

/// Holds the partitions that are not asked for.
void go_to(Consumer& follower, Offsets wanted, std::optional<Partition> partition) {
  std::vector<TopicPartition> others;
  for (auto const& one : follower.assigned())
    if (partition && *partition != one.partition) others.push_back(one), wanted.erase(one);
  follower.pause(others);
  follower.seek(wanted);
}

int run(Invocation const& invocation) {
  auto const& topic = invocation.arguments.at(0);
  auto const start = start_of(invocation.flag("from", "end"));
  auto const filter = filter_of(invocation, start);
  auto const shape = shape_of(invocation);
  auto const count = whole_number<std::int64_t>(invocation.flag("count", "0"));
  if (!count) throw UsageError{"--count is \"" + invocation.flag("count") + "\": it takes a number of records"};

  auto const connection = connection_of(invocation.config);
  if (!wait_for_broker(connection, invocation.stop, 5s)) return stopped_as_asked;
  auto const partitions = require_topic(connection, topic, filter.partition);
  auto const follower = kafka::make_follower(
      connection, {topic},
      {.from_earliest = start.from_earliest, .from_time = start.from_time, .new_partitions_every = new_partitions_every});
  Offsets from;
  if (start.offset) from = begins(kafka::kept_offsets(connection, {{topic, partitions}}), *start.offset, filter.partition);
  go_to(*follower, std::move(from), filter.partition);

  std::int64_t shown = 0;
  std::vector<Delivery> deliveries;
  while (!invocation.stop.stop_requested() && output_is_wanted()) {
    deliveries.clear();
    follower->poll(deliveries, 1'000, 100ms);
    for (auto const& delivery : deliveries) {
      // What comes before one that is not written yet, or is of a partition that was added meanwhile.
      if (start.offset && delivery.position.offset < *start.offset) continue;
      if (!filter.fits(delivery)) continue;
      if (!put_line(text_of(delivery, shape)) || ++shown == *count) return stopped_as_asked;
    }
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
               .help =
                   "Where to begin: beginning, end, a time (2026-01-31T12:00:00Z), how long ago (-10m; s, m, h, d), an offset, "
                   "or PARTITION@OFFSET",
               .fallback = "end"},
              {.name = "count", .argument = "N", .help = "Stop after N records; 0: go on until interrupted", .fallback = "0"},
              {.name = "partition", .argument = "N", .help = "Only this partition"},
              {.name = "key", .argument = "KEY", .help = "Only records with this key"},
              {.name = "symbol", .argument = "SYMBOL", .help = "Only records of this symbol, in either spelling"},
              {.name = "where",
               .argument = "CONDITION",
               .help = "Only records whose JSON fits: side=buy, 'price>=100' (numbers exactly, times as times), data.s!=BTCUSDT; "
                       "of several: all",
               .repeats = true},
              {.name = "headers", .help = "Show the headers, too; --json always does"},
              {.name = "pretty", .help = "Several lines a record: its JSON indented, with all bytes of the value"},
              {.name = "json", .help = "One JSON object a line, with all bytes of the value"}},
    .example = "penstock tap md.trades --from -10m --symbol BTC/USDT --where 'price>=100000'   shows what came in ten minutes",
    .run = run};

}  // namespace penstock
