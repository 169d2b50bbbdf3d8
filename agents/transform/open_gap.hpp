/// A gap that somebody is asked to close, and when to ask again. Writing the record to md.gaps is asking: the provider's
/// publisher follows that topic.
///
/// Where the feed has another publisher, what is missing may be on its way: the gap then waits for a grace before anybody is
/// told. What comes by itself within that time was never missing.
#pragma once

#include "agents/transform/stage.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>
#include <vector>

namespace penstock {

inline constexpr Time never = Time::max();

/// Asked again after 5 s, then after twice as long each time, at most 5 minutes.
inline constexpr std::chrono::seconds ask_again_first{5};
inline constexpr std::chrono::seconds ask_again_most{300};
/// Where history may be missing for good: asked so often without progress, a gap is unfillable (after about 10 minutes).
inline constexpr int asks_max = 8;
/// An answer that does not help is asked for again no sooner.
inline constexpr std::chrono::seconds ask_again_least{1};

class OpenGap {
 public:
  /// Common fields, channel and cause are taken from `gap`; it is open.
  explicit OpenGap(Gap gap) : gap_{std::move(gap)} { gap_.state = GapState::open; }
  /// One that md.gaps has already.
  static OpenGap left_open(Gap gap) {
    OpenGap open{std::move(gap)};
    open.told_ = true;
    open.said_ = open.gap_.received_at;
    return open;
  }

  Gap& gap() { return gap_; }
  Gap const& gap() const { return gap_; }

  /// Asks, after `grace`: then it is due.
  void begin(Duration grace, Time now, Downstream& out) {
    if (grace > Duration{})
      next_ = now + grace;
    else
      ask(now, out);
  }
  void ask(Time now, Downstream& out) { ask_for(gap_, now, out); }
  /// Asks for a part of it: same identity.
  void ask_for(Gap gap, Time now, Downstream& out) {
    gap.state = GapState::open;
    gap.time = gap.received_at = say(now);
    out.gap(gap, !std::exchange(told_, true));
    ++asks_;
    asked_ = now;
    next_ = now + wait_;
    wait_ = std::min<Duration>(wait_ * 2, ask_again_most);
  }
  /// Asked again as soon as that is allowed.
  void hurry() { next_ = std::min(next_, asked_ + ask_again_least); }
  /// Something of it came: waits begin anew.
  void progress(Time now) {
    if (!told_) return;
    asks_ = 1;
    wait_ = ask_again_first;
    next_ = now + wait_;
  }
  /// Filled before anybody was told, it was none.
  void close(GapState state, Time now, Downstream& out) {
    if (state == GapState::filled && !told_) return;
    gap_.state = state;
    gap_.time = gap_.received_at = say(now);
    out.gap(gap_, false);
  }

  /// The time that a record about it bears which is written now. In md.gaps the later one wins, and the clock, which asks while
  /// nothing comes, may have been ahead of the input that closes it, as may have been whoever had the partition before.
  Time say(Time now) { return said_ = std::max(said_, now); }

  /// After a restart: told by whoever had the partition before, it is in `left_open`. Whether it was told.
  bool recall(std::vector<Gap> const& left_open) {
    auto const known = std::ranges::find(left_open, gap_.from_time, &Gap::from_time);
    if (known != left_open.end()) {
      told_ = true;
      say(known->received_at);
    }
    return told_;
  }

  bool is_told() const { return told_; }
  Time next() const { return next_; }
  bool is_hopeless() const { return asks_ >= asks_max; }

 private:
  Gap gap_;
  bool told_ = false;
  int asks_ = 0;
  Time asked_{}, next_{}, said_{};
  Duration wait_ = ask_again_first;
};

/// A gap's fixed parts. Its own time is when it was found.
inline Gap gap_of(Common const& record, std::string_view channel, GapCause cause, Time from_time, Time to_time, Time now) {
  Gap gap;
  gap.source = record.source;
  gap.symbol = record.symbol;
  gap.time = gap.received_at = now;
  gap.channel = channel;
  gap.from_time = from_time;
  gap.to_time = to_time;
  gap.cause = cause;
  return gap;
}

}  // namespace penstock
