#include "agents/operate/dead_show.hpp"

#include "agents/connections.hpp"
#include "agents/dead/decode.hpp"
#include "agents/dead/letters.hpp"
#include "agents/knowledge.hpp"
#include "agents/operate/record_text.hpp"
#include "streaming/fault.hpp"
#include "streaming/json.hpp"
#include "streaming/kafka/read_to_end.hpp"

#include <simdjson.h>

#include <algorithm>
#include <format>
#include <iostream>
#include <optional>

namespace penstock {
namespace {

/// The reader outlives what it has read.
struct Found {
  std::unique_ptr<kafka::ReadToEnd> reader;
  std::vector<Delivery> deliveries;
  Delivery const& letter() const { return deliveries.front(); }
};

[[noreturn]] void refuse(Topic const& topic, std::string const& place) {
  throw UsageError{topic + " has no letter at " + place + ": `penstock tap " + topic + " --from beginning` shows where they are"};
}

Found find(kafka::Connection const& connection, Topic const& topic, std::string const& place, std::stop_token const& stop) {
  auto const at = parse_place(place);
  if (!at) throw UsageError{"\"" + place + "\" is no place of a letter: it is PARTITION@OFFSET, such as 0@17, as tap prints it"};
  auto from = kafka::ReadToEnd{connection, {topic}, {}}.ends();
  TopicPartition const partition{topic, at->first};
  auto const end = from.find(partition);
  if (end == from.end() || at->second >= end->second) refuse(topic, place);
  end->second = at->second;  // Of the others nothing.
  Found found{.reader = std::make_unique<kafka::ReadToEnd>(connection, std::vector{topic},
                                                           kafka::ReadToEndOptions{.from = from, .stop = stop})};
  found.reader->next(found.deliveries);
  std::erase_if(found.deliveries,
                [&](Delivery const& each) { return each.position.partition != at->first || each.position.offset != at->second; });
  if (found.deliveries.empty()) refuse(topic, place);
  return found;
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (auto const byte : bytes) out += std::format("{:02x}", static_cast<unsigned char>(byte));
  return out;
}

std::string_view word(DeadAction::Kind kind) { return kind == DeadAction::Kind::replay ? "replayed" : "dropped"; }

void print_text(Delivery const& letter, DeadAction const* done, DecodedNow const& now) {
  auto const line = [](std::string_view name, std::string const& value) { std::cout << std::format("{:<12} {}\n", name, value); };
  line("letter",
       std::string{letter.position.topic} + ' ' + place_text(letter.position) + ", written " + to_text(letter.timestamp));
  line("state", done ? std::format("{} at {} by {}, asked for: {}", word(done->kind), to_text(done->time), done->instance,
                                   visible(done->rule))
                     : "open");
  line("key", visible(letter.key));
  for (auto const& [name, value] : letter.headers) line(visible(name), visible(value));
  line("bytes", std::to_string(letter.value.size()));
  std::cout << visible(letter.value) << "\n\n";
  for (auto const& reject : now.frame)
    std::cout << std::format("now: rejected again, {}: {}\n", reject.reason, visible(reject.detail));
  if (now.ignored) std::cout << "now: a control frame, ignored\n";
  if (!now.impossible.empty()) std::cout << "now: cannot be decoded: " << visible(now.impossible) << '\n';
  for (auto const& [index, reject] : now.rejected)
    std::cout << std::format("now: record {} rejected again, {}: {}\n", index, reject.reason, visible(reject.detail));
  for (auto const& [kind, json] : now.records) std::cout << std::format("now: md.{} {}\n", kind, visible(json));
}

std::string json_of(Reject const& reject) {
  return R"("reason":)" + json_string(reject.reason) + R"(,"detail":)" + json_string(reject.detail);
}

void print_json(Delivery const& letter, DeadAction const* done, DecodedNow const& now) {
  std::string out = R"({"letter":)" + json_of(letter);
  // A JSON text cannot hold every byte.
  if (!simdjson::validate_utf8(letter.value.data(), letter.value.size())) out += R"(,"value_hex":")" + hex(letter.value) + '"';
  out += R"(,"state":")" + std::string{done ? word(done->kind) : "open"} + '"';
  if (done) out += R"(,"mark":)" + mark_of(*done).value;
  out += R"(,"now":{"records":[)";
  for (auto const& [kind, json] : now.records)
    out += std::format("{}{{\"topic\":\"md.{}\",\"value\":{}}}", out.back() == '[' ? "" : ",", kind, json);
  out += R"(],"rejected":[)";
  for (auto const& reject : now.frame) out += '{' + json_of(reject) + '}';
  for (auto const& [index, reject] : now.rejected)
    out += std::format("{}{{\"record\":{},{}}}", out.back() == '[' ? "" : ",", index, json_of(reject));
  out += R"(],"ignored":)" + std::string{now.ignored ? "true" : "false"};
  if (!now.impossible.empty()) out += R"(,"impossible":)" + json_string(now.impossible);
  std::cout << out << "}}" << std::endl;
}

}  // namespace

int show_dead_letter(Invocation const& invocation, Topic const& topic, std::string const& place) {
  auto const connection = connection_of(invocation.config);
  auto const found = find(connection, topic, place, invocation.stop);
  KnownMarks known_marks;
  auto const& marks = known_marks.read(connection, invocation.stop);
  auto const follower = kafka::make_follower(connection, {"md." + std::string{Instrument::kind}}, {});
  Knowledge known{*follower, system_clock()};
  known.read(invocation.stop);
  auto const source = topic.substr(0, topic.rfind('.'));
  auto const now = decode_now(found.letter(), source, known.catalogue());
  if (invocation.has("json"))
    print_json(found.letter(), marks.find(found.letter()), now);
  else
    print_text(found.letter(), marks.find(found.letter()), now);
  return stopped_as_asked;
}

}  // namespace penstock
