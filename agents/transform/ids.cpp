#include "agents/transform/ids.hpp"

#include <charconv>
#include <limits>

namespace penstock {
namespace {

/// Refused as an id, so that the one after an id is always a number, too.
constexpr auto number_max = std::numeric_limits<std::int64_t>::max();

}  // namespace

std::optional<std::int64_t> Ids::number_of(std::string_view id) {
  if (id.starts_with('a')) id.remove_prefix(1);
  std::int64_t number = 0;
  auto const [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  if (error != std::errc{} || end != id.data() + id.size() || number < 0 || number == number_max) return std::nullopt;
  return number;
}

void Ids::resume(std::vector<Gap> const& open, Trade const& first, bool /*again*/) {
  for (auto const& gap : open)
    if (gap.from_time < first.time && gap.from_sequence && gap.to_sequence && holes_.size() < gaps_max)
      holes_.push_back({OpenGap::left_open(gap), {Run{*gap.from_sequence, *gap.to_sequence, gap.from_time, gap.to_time}}});
}

void Ids::see(Trade const& trade, Frame const& frame, Time now, Downstream& out) {
  auto const id = number_of(trade.id);
  if (!id) return;
  if (frame.origin == Origin::live) {
    if (last_ && *id - 1 > *last_) open(*last_ + 1, *id - 1, trade, frame, now, out);
    if (!last_ || *id > *last_) {
      last_ = id;
      last_time_ = trade.time;
    } else {
      fill(*id, trade.time, now, out);
    }
    if (connection_ != frame.connection) connection_ = frame.connection;
  } else {
    fill(*id, trade.time, now, out);
    if (frame.replayed) return;
    answer_least_ = std::min(answer_least_.value_or(*id), *id);
    answer_most_ = std::max(answer_most_.value_or(*id), *id);
  }
}

void Ids::end(Frame const& frame, Time now, Downstream& out) {
  if (frame.origin == Origin::live || !answer_least_) return;
  std::erase_if(holes_, [&](Hole& hole) {
    if (!hole.open.is_told()) return false;  // Nobody has asked for it.
    deny(hole, *answer_least_, *answer_most_);
    if (!is_answered(hole)) return false;
    give_up(hole, now, out);
    return true;
  });
  answer_least_ = answer_most_ = std::nullopt;
}

void Ids::tick(Time now, Downstream& out) {
  std::erase_if(holes_, [&](Hole& hole) {
    if (now < hole.open.next()) return false;
    if (!hole.open.is_hopeless()) return hole.open.ask_for(still_missing(hole), now, out), false;
    give_up(hole, now, out);
    return true;
  });
}

void Ids::restate(std::vector<Gap> const& left_open, Time now, Downstream& out) {
  for (auto& hole : holes_) {
    if (!hole.open.recall(left_open)) continue;
    hole.open.progress(now);
    hole.open.ask_for(still_missing(hole), now, out);
  }
}

Time Ids::due() const {
  Time earliest = never;
  for (auto const& hole : holes_) earliest = std::min(earliest, hole.open.next());
  return earliest;
}

void Ids::open(std::int64_t from, std::int64_t to, Trade const& after, Frame const& frame, Time now, Downstream& out) {
  Run const run{from, to, last_time_, after.time};
  // Trades of one millisecond: a second hole after the same time is the same gap, grown.
  if (!holes_.empty() && holes_.back().open.gap().from_time == last_time_) {
    auto& hole = holes_.back();
    hole.missing.push_back(run);
    hole.open.gap().to_sequence = to;
    hole.open.gap().to_time = after.time;
    if (hole.open.is_told()) hole.open.ask_for(still_missing(hole), now, out);
    return;
  }
  if (holes_.size() == gaps_max) {
    give_up(holes_.front(), now, out);
    holes_.erase(holes_.begin());
  }
  auto const cause = connection_ == frame.connection ? GapCause::sequence : GapCause::reconnect;
  auto gap = gap_of(after, frame.channel, cause, last_time_, after.time, now);
  gap.from_sequence = from;
  gap.to_sequence = to;
  holes_.push_back({OpenGap{std::move(gap)}, {run}});
  holes_.back().open.begin(frame.grace, now, out);
}

void Ids::fill(std::int64_t id, Time time, Time now, Downstream& out) {
  for (auto hole = holes_.begin(); hole != holes_.end(); ++hole) {
    auto& missing = hole->missing;
    auto const run = std::ranges::find_if(missing, [&](Run const& each) { return each.from <= id && id <= each.to; });
    if (run == missing.end()) continue;
    if (run->from == run->to) {
      missing.erase(run);
    } else if (id == run->from) {
      run->from = id + 1, run->from_time = time;
    } else if (id == run->to) {
      run->to = id - 1, run->to_time = time;
    } else if (missing.size() < runs_max) {
      Run const rest{id + 1, run->to, time, run->to_time, run->denied};
      run->to = id - 1, run->to_time = time;
      missing.insert(run + 1, rest);
    }
    hole->open.progress(now);
    if (!missing.empty()) return;
    hole->open.close(GapState::filled, now, out);
    holes_.erase(hole);
    return;
  }
}

// What the provider's answer spans and did not hold, it does not have.
void Ids::deny(Hole& hole, std::int64_t least, std::int64_t most) {
  std::vector<Run> runs;
  for (auto const& run : hole.missing) {
    auto const from = std::max(run.from, least), to = std::min(run.to, most);
    bool const splits = run.from < from || to < run.to;
    if (from > to || run.denied || (splits && hole.missing.size() + 2 > runs_max)) {
      runs.push_back(run);
      continue;
    }
    if (run.from < from) runs.push_back({run.from, from - 1, run.from_time, run.from_time});
    runs.push_back({from, to, run.from_time, run.to_time, true});
    if (to < run.to) runs.push_back({to + 1, run.to, run.to_time, run.to_time});
  }
  hole.missing = std::move(runs);
}

bool Ids::is_answered(Hole const& hole) { return std::ranges::all_of(hole.missing, &Run::denied); }

Gap Ids::still_missing(Hole const& hole) {
  auto gap = hole.open.gap();
  auto const first = std::ranges::find(hole.missing, false, &Run::denied);
  auto const last = std::ranges::find(hole.missing.rbegin(), hole.missing.rend(), false, &Run::denied);
  if (first == hole.missing.end()) return gap;
  gap.from_sequence = first->from;
  gap.to_sequence = last->to;
  gap.to_time = last->to_time;
  return gap;
}

void Ids::give_up(Hole& hole, Time now, Downstream& out) {
  auto const whole = hole.open.gap();
  auto const time = hole.open.say(now);
  std::vector<Gap> records;
  auto const add = [&](std::int64_t from, std::int64_t to, Time from_time, Time to_time, GapState state) {
    if (from > to) return;
    // One identity, one record; neighbours of the same state are one run.
    if (!records.empty() && (records.back().from_time == from_time || records.back().state == state)) {
      auto& before = records.back();
      before.to_sequence = to;
      before.to_time = to_time;
      if (state == GapState::unfillable) before.state = state;
      return;
    }
    auto& record = records.emplace_back(whole);
    record.time = record.received_at = time;
    record.from_sequence = from, record.to_sequence = to;
    record.from_time = from_time, record.to_time = to_time;
    record.state = state;
  };
  auto next = *whole.from_sequence;
  auto next_time = whole.from_time;
  for (auto const& run : hole.missing) {
    add(next, run.from - 1, next_time, run.from_time, GapState::filled);
    add(run.from, run.to, run.from_time, run.to_time, GapState::unfillable);
    next = run.to + 1, next_time = run.to_time;
  }
  add(next, *whole.to_sequence, next_time, whole.to_time, GapState::filled);
  for (auto const& record : records) out.gap(record, false);
}

}  // namespace penstock
