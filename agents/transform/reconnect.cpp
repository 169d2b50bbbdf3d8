#include "agents/transform/reconnect.hpp"

#include <algorithm>

namespace penstock {

void Reconnect::resume(std::vector<Gap> const& open, Trade const& first, bool /*again*/) {
  for (auto const& gap : open)
    if (gap.from_time < first.time && holes_.size() < gaps_max) holes_.push_back({OpenGap::left_open(gap), {}});
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
    bool const joins = is_new(frame.connection);
    if (!joins) pass(frame.connection, now, out);
    bool const missed = joins && known_ && !seen_->repeated_from && seen_->first.time >= last_time_;
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
  auto const same = std::ranges::find(holes_, last_time_, [](Hole const& hole) { return hole.open.gap().from_time; });
  if (same != holes_.end()) {
    same->open.gap().to_time = seen_->first.time;
    same->open.progress(now);
    if (same->open.is_told()) same->open.ask(now, out);
    return;
  }
  if (holes_.size() == gaps_max) {
    holes_.front().open.close(GapState::unfillable, now, out);
    holes_.erase(holes_.begin());
  }
  auto gap = gap_of(seen_->first, frame.channel, GapCause::reconnect, last_time_, seen_->first.time, now);
  holes_.push_back({OpenGap{std::move(gap)}, {connections_.begin() + 1, connections_.end()}});
  holes_.back().open.begin(frame.grace, now, out);
}

void Reconnect::pass(std::string_view connection, Time now, Downstream& out) {
  std::erase_if(holes_, [&](Hole& hole) {
    auto const to = hole.open.gap().to_time;
    bool const beyond = seen_->last > to || (seen_->repeated_from && *seen_->repeated_from >= to);
    if (!beyond || !std::ranges::contains(hole.before, connection)) return false;
    hole.open.close(GapState::filled, now, out);
    return true;
  });
}

void Reconnect::answer(Time now, Downstream& out) {
  std::erase_if(holes_, [&](Hole& hole) {
    auto& gap = hole.open.gap();
    bool const overlaps = seen_->first.time < gap.from_time || (seen_->repeated_from && *seen_->repeated_from <= gap.from_time);
    if (!overlaps && !hole.open.is_told()) return false;  // Nobody has asked for it.
    if (!overlaps) gap.to_time = std::min(gap.to_time, seen_->first.time);
    hole.open.close(overlaps ? GapState::filled : GapState::unfillable, now, out);
    return true;
  });
}

void Reconnect::tick(Time now, Downstream& out) {
  std::erase_if(holes_, [&](Hole& hole) {
    if (now < hole.open.next()) return false;
    if (!hole.open.is_hopeless()) return hole.open.ask(now, out), false;
    hole.open.close(GapState::unfillable, now, out);
    return true;
  });
}

void Reconnect::restate(std::vector<Gap> const& left_open, Time now, Downstream& out) {
  for (auto& hole : holes_) {
    if (!hole.open.recall(left_open)) continue;
    hole.open.progress(now);
    hole.open.ask(now, out);
  }
}

Time Reconnect::due() const {
  Time earliest = never;
  for (auto const& hole : holes_) earliest = std::min(earliest, hole.open.next());
  return earliest;
}

}  // namespace penstock
