#include "agents/transform/sequence.hpp"

#include <algorithm>

namespace penstock {

Sequence::Sequence(Provider const& provider, OpenGaps const& open_gaps, Offset live_from, Books::Limits const& limits,
                   Duration grace)
    : provider_{provider}, open_gaps_{open_gaps}, live_from_{live_from}, limits_{limits}, grace_{grace} {}

void Sequence::advance(Time received_at, Offset offset, Downstream& out) {
  input_time_ = std::max(input_time_, received_at);
  now_ = input_time_;
  if (now_ >= due_) run_due(out);
  if (offset >= due_offset_) release_old(offset, out);
}

void Sequence::begin(Frame const& frame, Downstream& out) {
  advance(frame.received_at, frame.offset, out);
  frame_ = frame;
  channel_ = &channel_of(frame.channel);
  last_series_ = nullptr;
  bool const live = frame.origin == Origin::live && !frame.replayed;
  if (live && channel_->twins.hear(frame.publisher, now_)) frame_.grace = grace_;
}

void Sequence::see(MarketRecord& record, bool repeated, Downstream& out) {
  auto const* trade = std::get_if<Trade>(&record);
  switch (channel_->kind) {
    case Continuity::Kind::ids:
      // A series begins where the stream does, not with something old.
      if (!trade || (frame_.replayed && !channel_->ids.contains(trade->symbol))) break;
      {
        auto& ids = series_of(channel_->ids, *trade);
        ids.see(*trade, frame_, now_, out);
        if (frame_.origin != Origin::live && !frame_.replayed && !std::ranges::contains(ids_touched_, &ids))
          ids_touched_.push_back(&ids);
        due_ = std::min(due_, ids.due());
      }
      break;
    case Continuity::Kind::reconnect:
      if (!trade || frame_.replayed) break;
      {
        auto& reconnect = series_of(channel_->reconnects, *trade);
        reconnect.see(*trade, repeated, frame_);
        if (!std::ranges::contains(reconnects_touched_, &reconnect)) reconnects_touched_.push_back(&reconnect);
      }
      break;
    case Continuity::Kind::book:
      if (auto const* book = std::get_if<Book>(&record); book && !repeated) {
        auto& books = series_of(channel_->books, *book, limits_, held_);
        books.see(record, frame_, now_, out);
        due_ = std::min(due_, books.due());
        due_offset_ = std::min(due_offset_, books.due_offset());
        return;
      }
      break;
    case Continuity::Kind::none: break;
  }
  if (repeated)
    out.drop(record);
  else
    out.write(record, frame_.origin);
}

void Sequence::end(Downstream& out) {
  for (auto* ids : ids_touched_) ids->end(frame_, now_, out);
  ids_touched_.clear();
  for (auto* reconnect : reconnects_touched_) {
    reconnect->end(frame_, now_, out);
    due_ = std::min(due_, reconnect->due());
  }
  reconnects_touched_.clear();
  if (series_ > series_max) forget_quiet();
}

void Sequence::tick(Duration quiet, Downstream& out) {
  now_ = std::max(now_, input_time_ + quiet);
  if (now_ >= due_) run_due(out);
}

void Sequence::restate(Downstream& out) {
  each_series([&](auto& series, std::string_view symbol, std::string_view channel) {
    series.restate(open_gaps_.of(provider_.name(), symbol, channel), now_, out);
  });
  run_due(out);
}

void Sequence::run_due(Downstream& out) {
  due_ = never;
  each_series([&](auto& series, auto&&...) {
    if (series.due() <= now_) series.tick(now_, out);
    due_ = std::min(due_, series.due());
  });
}

void Sequence::release_old(Offset offset, Downstream& out) {
  due_offset_ = Books::no_offset;
  for (auto& channel : channels_)
    for (auto& [symbol, each] : channel->books) {
      each.series.pass(offset, now_, out);
      due_offset_ = std::min(due_offset_, each.series.due_offset());
    }
}

Sequence::Channel& Sequence::channel_of(std::string_view name) {
  for (auto& channel : channels_)
    if (channel->name == name) return *channel;
  auto channel = std::make_unique<Channel>();
  channel->name = name;
  channel->kind = provider_.continuity(name).kind;
  return *channels_.emplace_back(std::move(channel));
}

// Most frames are about one symbol.
template <class Series, class Record, class... Arguments>
Series& Sequence::series_of(ByText<Followed<Series>>& all, Record const& record, Arguments&&... arguments) {
  auto const& symbol = record.symbol;
  if (last_series_ && symbol_ == symbol) return *static_cast<Series*>(last_series_);
  auto found = all.find(symbol);
  if (found == all.end()) {
    found = all.try_emplace(symbol, std::forward<Arguments>(arguments)...).first;
    ++series_;
    found->second.series.resume(open_gaps_.of(record.source, symbol, channel_->name), record, frame_.offset < live_from_);
  }
  found->second.seen = frame_.offset;
  symbol_ = symbol;
  last_series_ = &found->second.series;
  return found->second.series;
}

void Sequence::each_series(auto&& act) {
  for (auto& channel : channels_) {
    for (auto& [symbol, each] : channel->ids) act(each.series, symbol, channel->name);
    for (auto& [symbol, each] : channel->books) act(each.series, symbol, channel->name);
    for (auto& [symbol, each] : channel->reconnects) act(each.series, symbol, channel->name);
  }
}

// Those with an open gap or held updates stay: they are due some time.
void Sequence::forget_quiet() {
  std::vector<Offset> seen;
  auto const collect = [&](auto const& all) {
    for (auto const& [symbol, each] : all) seen.push_back(each.seen);
  };
  auto const forget = [&](auto& all, Offset before) {
    series_ -= erase_if(all, [&](auto const& entry) { return entry.second.seen < before && entry.second.series.due() == never; });
  };
  for (auto const& channel : channels_) collect(channel->ids), collect(channel->books), collect(channel->reconnects);
  auto const quarter = seen.begin() + static_cast<std::ptrdiff_t>(seen.size() / 4);
  std::ranges::nth_element(seen, quarter);
  for (auto& channel : channels_)
    forget(channel->ids, *quarter), forget(channel->books, *quarter), forget(channel->reconnects, *quarter);
}

}  // namespace penstock
