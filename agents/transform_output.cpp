#include "agents/transform_output.hpp"

#include "agents/dead_letter.hpp"

#include <numeric>

namespace penstock {
namespace {

constexpr std::string_view stage = "transform";

}  // namespace

std::int64_t Counts::total(ByKind const& counts) { return std::accumulate(counts.begin(), counts.end(), std::int64_t{0}); }
std::int64_t Counts::total(std::map<std::string_view, std::int64_t> const& counts) {
  std::int64_t sum = 0;
  for (auto const& [name, count] : counts) sum += count;
  return sum;
}

Record ledger_record(std::string_view instance, TopicPartition const& partition, Counts const& counts, Offset to,
                     std::size_t held, Time now) {
  Record record;
  record.key = partition.topic + '/' + std::to_string(to_integer(partition.partition));
  record.headers = {{"schema", "ledger/1"}};
  auto& json = record.value;
  json = R"({"agent":"transform","instance":")";
  json += instance;
  json += R"(","topic":")" + partition.topic + '"';
  auto const add = [&](std::string_view name, std::int64_t value) {
    json.append(",\"").append(name).append("\":").append(std::to_string(value));
  };
  add("partition", to_integer(partition.partition));
  add("from_offset", to_integer(counts.from));
  add("to_offset", to_integer(to));
  add("frames", counts.frames);
  add("ignored", counts.ignored);
  add("dead_frames", counts.dead_frames);
  add("records", counts.records);
  add("held_before", counts.held_before);
  add("written", Counts::total(counts.written));
  add("duplicate", Counts::total(counts.duplicate));
  add("dead", Counts::total(counts.dead));
  add("held", static_cast<std::int64_t>(held));
  add("gaps", counts.gaps);
  json += R"(,"time":")" + to_text(now) + "\"}";
  return record;
}

Output::Output(Exchange& exchange, Clock& clock) : exchange_{exchange}, clock_{clock} {
  for (std::size_t kind = 0; kind < kind_names.size(); ++kind) topics_[kind] = "md." + std::string{kind_names[kind]};
}

void Output::write(MarketRecord const& record, Origin origin) {
  auto const& common = common_of(record);
  counts_->last_event = common.time;
  counts_->last_received = common.received_at;
  ++counts_->written[record.index()];
  produce(record, origin);
}

void Output::gap(Gap const& gap, bool is_new) {
  ++counts_->gaps;
  if (is_new) ++counts_->new_gaps[to_text(gap.cause)];
  produce(gap, Origin::live);
}

void Output::reject(std::size_t index, Reject const& why) {
  ++counts_->dead[why.reason];
  exchange_.produce(dead_letter_topic(delivery_->position.topic), dead_letter(*delivery_, why, stage, clock_.now(), index));
}

void Output::reject_frame(Reject const& why) {
  ++counts_->dead_frames;
  ++counts_->dead_frames_of[why.reason];
  exchange_.produce(dead_letter_topic(delivery_->position.topic), dead_letter(*delivery_, why, stage, clock_.now()));
}

void Output::produce(MarketRecord const& record, Origin origin) {
  auto& out = prepared(record, origin);
  out.key.clear();
  append_key(out.key, common_of(record));
  out.value.clear();
  append_json(out.value, record);
  exchange_.produce(topics_[record.index()], out);
}

Record& Output::prepared(MarketRecord const& record, Origin origin) {
  auto& out = records_[record.index()][static_cast<std::size_t>(origin)];
  if (out.headers.empty()) out.headers = {{"schema", std::string{schema_of(record)}}, {"origin", std::string{to_text(origin)}}};
  return out;
}

}  // namespace penstock
