#include "agents/dead/marks.hpp"

#include "streaming/fault.hpp"
#include "streaming/json.hpp"

#include <simdjson.h>

namespace penstock {
namespace {

constexpr std::string_view schema = "dead_action/1";

namespace dom = simdjson::dom;

DeadAction::Kind kind_of(std::string_view text) {
  if (text == to_text(DeadAction::Kind::replay)) return DeadAction::Kind::replay;
  if (text == to_text(DeadAction::Kind::drop)) return DeadAction::Kind::drop;
  throw simdjson::simdjson_error{simdjson::INCORRECT_TYPE};
}

Time time_of(std::string_view text) {
  auto const time = parse_time(text);
  if (!time) throw simdjson::simdjson_error{simdjson::INCORRECT_TYPE};
  return *time;
}

TopicPartition partition_of(dom::element const& object) {
  return {Topic{object["topic"].get_string().value()},
          Partition{static_cast<std::int32_t>(object["partition"].get_int64().value())}};
}

DeadAction parsed(std::string_view json) {
  dom::parser parser;
  dom::element const object = parser.parse(json.data(), json.size());
  DeadAction action{.kind = kind_of(object["action"].get_string()),
                    .letters = partition_of(object),
                    .count = object["count"].get_int64(),
                    .newest = time_of(object["newest"].get_string()),
                    .rule = simdjson::minify(object["rule"].value()),
                    .time = time_of(object["time"].get_string()),
                    .instance = std::string{object["instance"].get_string().value()}};
  for (auto const run : object["offsets"].get_array())
    action.offsets.emplace_back(Offset{run.at(0).get_int64().value()}, Offset{run.at(1).get_int64().value()});
  for (auto const to : object["replayed_to"].get_array()) action.replayed_to[partition_of(to)] = to["count"].get_int64();
  return action;
}

}  // namespace

void DeadAction::add(Offset offset, Time timestamp) {
  if (!offsets.empty() && next(offsets.back().second) == offset)
    offsets.back().second = offset;
  else
    offsets.emplace_back(offset, offset);
  ++count;
  newest = std::max(newest, timestamp);
}

std::string_view to_text(DeadAction::Kind kind) { return kind == DeadAction::Kind::replay ? "replay" : "drop"; }

Record mark_of(DeadAction const& action) {
  auto const partition = std::to_string(to_integer(action.letters.partition));
  std::string json = R"({"action":")" + std::string{to_text(action.kind)} + R"(","topic":)" + json_string(action.letters.topic) +
                     R"(,"partition":)" + partition + R"(,"offsets":[)";
  for (auto const& [first, last] : action.offsets)
    json += (json.back() == '[' ? "[" : ",[") + std::to_string(to_integer(first)) + ',' + std::to_string(to_integer(last)) + ']';
  json += R"(],"count":)" + std::to_string(action.count) + R"(,"newest":")" + to_text(action.newest) + R"(","replayed_to":[)";
  for (auto const& [to, count] : action.replayed_to)
    json += (json.back() == '[' ? R"({"topic":)" : R"(,{"topic":)") + json_string(to.topic) + R"(,"partition":)" +
            std::to_string(to_integer(to.partition)) + R"(,"count":)" + std::to_string(count) + '}';
  json += R"(],"rule":)" + action.rule + R"(,"time":")" + to_text(action.time) + R"(","instance":)" +
          json_string(action.instance) + '}';
  return {.key = action.letters.topic + '/' + partition, .value = std::move(json), .headers = {{"schema", std::string{schema}}}};
}

DeadAction read_mark(Delivery const& delivery) try {
  if (delivery.header("schema") != schema) throw simdjson::simdjson_error{simdjson::INCORRECT_TYPE};
  return parsed(delivery.value);
} catch (simdjson::simdjson_error const&) {
  throw Fault{Fault::Kind::fatal, "topic " + std::string{delivery.position.topic} + " has a record at " +
                                      std::to_string(to_integer(delivery.position.partition)) + '@' +
                                      std::to_string(to_integer(delivery.position.offset)) + " that is no mark (" +
                                      std::string{schema} + "): use the version of penstock that wrote it"};
}

void DeadMarks::add(DeadAction action) {
  auto const& kept = actions_.emplace_back(std::move(action));
  // The later mark wins: what an older one says of the same offsets was of an earlier topic of that name.
  for (auto const& [first, last] : kept.offsets)
    done_[kept.letters].set({Interval{to_integer(first), to_integer(last) + 1}, &kept});
}

DeadAction const* DeadMarks::find(Delivery const& letter) const {
  auto const partition = done_.find({Topic{letter.position.topic}, letter.position.partition});
  if (partition == done_.end()) return nullptr;
  auto const found = partition->second.find(to_integer(letter.position.offset));
  return found == partition->second.end() || found->second->newest < letter.timestamp ? nullptr : found->second;
}

}  // namespace penstock
