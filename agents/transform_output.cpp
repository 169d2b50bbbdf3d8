#include "agents/transform_output.hpp"

#include "agents/dead/letter.hpp"

namespace penstock {
namespace {

constexpr std::string_view stage = "transform";

}  // namespace

Output::Output(Exchange& exchange, Clock& clock) : exchange_{exchange}, clock_{clock} {}

void Output::write(MarketRecord const& record, Origin origin) {
  auto const& common = common_of(record);
  // A candle's time is when its interval began; a snapshot or a back-fill may tell of what happened long ago.
  if (origin == Origin::live && !std::holds_alternative<Candle>(record)) counts_->last_delay = common.received_at - common.time;
  counts_->last_received = common.received_at;
  if (delivery_ != nullptr) counts_->last_published = delivery_->timestamp;
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
  ++counts_->dead_frames[why.reason];
  exchange_.produce(dead_letter_topic(delivery_->position.topic), dead_letter(*delivery_, why, stage, clock_.now()));
}

void Output::produce(MarketRecord const& record, Origin origin) {
  key_.clear();
  append_key(key_, common_of(record));
  value_.clear();
  append_json(value_, record);
  exchange_.produce(envelope_of(record, origin), key_, value_);
}

Envelope const& Output::envelope_of(MarketRecord const& record, Origin origin) {
  auto*& found = envelopes_[record.index()][static_cast<std::size_t>(origin)];
  if (found == nullptr)
    found = &exchange_.keep({.topic = "md." + std::string{kind_names[record.index()]},
                             .headers = {{"schema", std::string{schema_of(record)}}, {"origin", std::string{to_text(origin)}}}});
  return *found;
}

}  // namespace penstock
