#include "agents/transform/reconnect.hpp"

#include <algorithm>

namespace penstock {

void Reconnect::resume(std::vector<Gap> const& open, Trade const& first, bool /*again*/) {
  for (auto const& gap : open)
    if (gap.from_time < first.time && gaps_.size() < gaps_max) gaps_.emplace_back(gap);
}

void Reconnect::see(Trade const& trade, bool repeated, Frame const&) {
  if (!seen_) {
    seen_ = Seen{.first = trade, .last = trade.time, .repeated_from = {}};
  } else {
    if (trade.time < seen_->first.time) seen_->first = trade;
    seen_->last = std::max(seen_->last, trade.time);
  }
  if (repeated) seen_->repeated_from = std::min(seen_->repeated_from.value_or(trade.time), trade.time);
}

void Reconnect::end(Frame const& frame, Time now, Downstream& out) {
  if (!seen_) return;
  if (frame.origin != Origin::live) {
    answer(now, out);
  } else {
    bool const missed = is_new(frame.connection) && known_ && !seen_->repeated_from && seen_->first.time >= last_time_;
    if (missed) open(frame, now, out);
    last_time_ = known_ ? std::max(last_time_, seen_->last) : seen_->last;
    known_ = true;
  }
  seen_.reset();
}

bool Reconnect::is_new(std::string_view connection) {
  auto const found = std::ranges::find(connections_, connection);
  bool const heard = found != connections_.end();
  if (heard) {
    std::rotate(connections_.begin(), found, found + 1);
  } else {
    if (connections_.size() == connections_max) connections_.pop_back();
    connections_.emplace(connections_.begin(), connection);
  }
  return !heard;
}

void Reconnect::open(Frame const& frame, Time now, Downstream& out) {
  std::erase_if(gaps_, [&](OpenGap const& open) { return open.gap().from_time == last_time_; });
  if (gaps_.size() == gaps_max) {
    gaps_.front().close(GapState::unfillable, now, out);
    gaps_.erase(gaps_.begin());
  }
  gaps_.emplace_back(gap_of(seen_->first, frame.channel, GapCause::reconnect, last_time_, seen_->first.time, now));
  gaps_.back().ask(now, out);
}

void Reconnect::answer(Time now, Downstream& out) {
  for (auto& open : gaps_) {
    auto const from = open.gap().from_time;
    bool const overlaps = seen_->first.time < from || (seen_->repeated_from && *seen_->repeated_from <= from);
    if (!overlaps) open.gap().to_time = std::min(open.gap().to_time, seen_->first.time);
    open.close(overlaps ? GapState::filled : GapState::unfillable, now, out);
  }
  gaps_.clear();
}

void Reconnect::tick(Time now, Downstream& out) {
  std::erase_if(gaps_, [&](OpenGap& open) {
    if (now < open.next()) return false;
    if (!open.is_hopeless()) return open.ask(now, out), false;
    open.close(GapState::unfillable, now, out);
    return true;
  });
}

void Reconnect::restate(Time now, Downstream& out) {
  for (auto& open : gaps_) {
    open.progress(now);
    open.ask(now, out);
  }
}

Time Reconnect::due() const {
  Time earliest = never;
  for (auto const& open : gaps_) earliest = std::min(earliest, open.next());
  return earliest;
}

}  // namespace penstock
