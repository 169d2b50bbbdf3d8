#include "agents/transform/books.hpp"

#include <utility>

namespace penstock {
namespace {

Book const& book_of(MarketRecord const& record) { return std::get<Book>(record); }

std::size_t memory_of(Book const& book) {
  return sizeof(MarketRecord) + (book.bids.capacity() + book.asks.capacity()) * sizeof(Level);
}

}  // namespace

void Books::resume(std::vector<Gap> const& open, Book const& first, bool again) {
  if (!first.sequence) return;
  auto const before = std::ranges::find_if(open, [&](Gap const& gap) { return gap.from_time < first.time; });
  auto const joins_here = [&](Gap const& gap) { return gap.cause == GapCause::late_join && gap.from_time >= first.time; };
  if (before != open.end()) {
    gap_.emplace(OpenGap::left_open(*before));
    state_ = State::alone;
  } else if (again && std::ranges::none_of(open, joins_here)) {
    state_ = State::whole;
  } else {
    return;
  }
  // A snapshot that has not closed the gap was refused: what was sent went beyond it.
  bool const refused = again && gap_ && first.type == BookType::snapshot;
  last_ = sent_ = refused ? *first.sequence + 1 : first.previous_sequence.value_or(-1);
  last_time_ = first.time;
}

void Books::see(MarketRecord& record, Frame const& frame, Time now, Downstream& out) {
  auto const& book = book_of(record);
  bool const chains = book.sequence && (book.type == BookType::snapshot || book.previous_sequence);
  if (!chains)
    out.write(record, frame.origin);
  else if (book.type == BookType::snapshot)
    see_snapshot(record, frame, now, out);
  else
    see_update(record, frame, now, out);
}

void Books::see_snapshot(MarketRecord const& record, Frame const& frame, Time now, Downstream& out) {
  auto const sequence = *book_of(record).sequence;
  if (state_ == State::early) return sequence >= sent_ ? join(record, frame, out) : out.drop(record);
  if (sequence >= least_snapshot())
    start(record, frame, now, out);
  else if (state_ == State::whole)
    out.drop(record);
  else
    refuse(record, now, out);
}

void Books::see_update(MarketRecord& record, Frame const& frame, Time now, Downstream& out) {
  auto const& update = book_of(record);
  bool const follows = *update.previous_sequence <= sent_ && sent_ < *update.sequence;
  if (state_ == State::early && follows) return join(record, frame, out);
  bool const first = state_ == State::unknown;
  if (!first && *update.sequence <= last_) return out.drop(record);
  bool const hole = !first && *update.previous_sequence > last_;
  if (hole && state_ == State::early) ask(now, out);  // One hole is waited for, not two.
  if (first || (hole && state_ == State::whole)) {
    open(update, frame, now, out);
  } else if (hole) {
    // No snapshot can join what is held to what follows the hole.
    release(out, -1);
    widen(update);
  }
  last_ = *update.sequence;
  last_time_ = update.time;
  if (connection_ != frame.connection) connection_ = frame.connection;
  if (state_ == State::held || state_ == State::early)
    hold(record, frame, now, out);
  else
    send(record, frame.origin, out);
}

void Books::tick(Time now, Downstream& out) {
  if (now >= hold_until_) go_alone(now, out);
  if (gap_ && now >= gap_->next()) ask(now, out);
}

void Books::pass(Offset offset, Time now, Downstream& out) {
  if (offset >= hold_until_offset_) go_alone(now, out);
}

void Books::restate(std::vector<Gap> const& left_open, Time now, Downstream& out) {
  // The clock had ended the grace; then came, late, what closes the hole here. A snapshot closes the gap.
  if (state_ == State::whole && !left_open.empty()) {
    gap_.emplace(OpenGap::left_open(left_open.back()));
    state_ = State::alone;
  }
  if (!gap_ || !gap_->recall(left_open)) return;
  for (auto& each : waiting_) each.origin = Origin::backfill;
  gap_->progress(now);
  ask(now, out);
}

Time Books::due() const { return std::min(hold_until_, gap_ ? gap_->next() : never); }

// The least sequence of a snapshot that subscribers can go on from.
std::int64_t Books::least_snapshot() const {
  if (waiting_.empty()) return sent_;
  return std::max(sent_, *book_of(waiting_.front().record).previous_sequence);
}

void Books::start(MarketRecord const& snapshot, Frame const& frame, Time now, Downstream& out) {
  auto const sequence = *book_of(snapshot).sequence;
  send(snapshot, frame.origin, out);
  release(out, sequence);
  last_ = std::max(last_, sequence);
  last_time_ = std::max(last_time_, book_of(snapshot).time);
  state_ = State::whole;
  if (gap_) gap_->close(GapState::filled, now, out);
  gap_.reset();
}

void Books::refuse(MarketRecord const& snapshot, Time now, Downstream& out) {
  out.drop(snapshot);
  // Whoever answers is worth waiting for.
  state_ = State::held;
  gap_->hurry();
  if (now >= gap_->next()) gap_->ask(now, out);
}

// What the other publisher brings goes on where the chain was, and with it what waited as soon as that follows.
void Books::join(MarketRecord const& record, Frame const& frame, Downstream& out) {
  send(record, frame.origin, out);
  if (*book_of(waiting_.front().record).previous_sequence > sent_) return;
  release(out, sent_);
  last_ = sent_;
  state_ = State::whole;
  gap_.reset();
}

void Books::ask(Time now, Downstream& out) {
  if (state_ == State::early) {
    gap_->gap().from_sequence = sent_ + 1;
    state_ = State::held;
  }
  gap_->ask(now, out);
}

void Books::open(Book const& update, Frame const& frame, Time now, Downstream& out) {
  bool const late = state_ == State::unknown;
  auto const cause = late ? GapCause::late_join : connection_ == frame.connection ? GapCause::sequence : GapCause::reconnect;
  auto gap = gap_of(update, frame.channel, cause, late ? update.time : last_time_, update.time, now);
  if (!late) gap.from_sequence = last_ + 1;
  gap.to_sequence = update.previous_sequence;
  gap_.emplace(std::move(gap));
  gap_->begin(late ? Duration{} : frame.grace, now, out);
  state_ = gap_->is_told() ? State::held : State::early;
}

void Books::widen(Book const& update) {
  gap_->gap().to_sequence = update.previous_sequence;
  gap_->gap().to_time = update.time;
  gap_->hurry();
}

void Books::hold(MarketRecord& record, Frame const& frame, Time now, Downstream& out) {
  auto const bytes = memory_of(book_of(record));
  if (total_->bytes + bytes > limits_->held_bytes_max) {
    go_alone(now, out);
    return send(record, frame.origin, out);
  }
  if (waiting_.empty()) {
    hold_until_ = now + limits_->hold;
    hold_until_offset_ = Offset{to_integer(frame.offset) + limits_->hold_records};
  }
  waiting_.push_back({std::move(record), frame.origin, bytes});
  total_->bytes += bytes;
  ++total_->records;
}

void Books::go_alone(Time now, Downstream& out) {
  if (state_ == State::early) ask(now, out);
  release(out, -1);
  state_ = State::alone;
}

// Sends what is held and goes beyond a sequence; what does not is in the snapshot already.
void Books::release(Downstream& out, std::int64_t beyond) {
  for (auto const& [record, origin, bytes] : waiting_) {
    if (*book_of(record).sequence > beyond)
      send(record, origin, out);
    else
      out.drop(record);
    total_->bytes -= bytes;
    --total_->records;
  }
  waiting_.clear();
  hold_until_ = never;
  hold_until_offset_ = no_offset;
}

void Books::send(MarketRecord const& record, Origin origin, Downstream& out) {
  out.write(record, origin);
  sent_ = std::max(sent_, *book_of(record).sequence);
}

}  // namespace penstock
