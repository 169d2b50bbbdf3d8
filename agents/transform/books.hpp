/// Continuity of one symbol's book: bridges the stream of updates to a snapshot and sees holes in the chain. One thread.
///
/// What comes out may be applied in its order. An update may be applied to a book at sequence s when
/// `previous_sequence` <= s < `sequence`: the first one after a snapshot usually began before it; amounts are absolute, so
/// that applying a change twice is harmless.
///
///   unknown  nothing was seen. A snapshot starts the book; an update opens a late-join gap and is held.
///   held     updates wait for a snapshot that is not older than what the first of them follows, at most `hold` long and
///            over `hold_records`; an older one is refused (dropped) and asked for again. Then: the snapshot, the updates
///            it does not hold already (the others are dropped), and the gap is filled.
///   alone    the wait was over, or memory was: updates go on without a snapshot, the gap stays open and is asked for again
///            and again. A snapshot older than what was sent is refused, and updates are held anew.
///   whole    the chain is unbroken since a snapshot. An older snapshot is dropped; a newer one goes on. A hole in the
///            chain opens a gap (cause reconnect where the connection changed) and leads back to `held`.
///   early    the same hole where the feed has another publisher, within its grace (OpenGap): what follows the hole is held
///            until the other one has brought what is missing, and the book is whole again; else as `held`.
/// A hole while updates are held or go alone widens the open gap; those held before it go on alone. A book's gap is never
/// given up: a snapshot can always be had, sooner or later.
#pragma once

#include "agents/transform/open_gap.hpp"

#include <deque>
#include <optional>
#include <string>

namespace penstock {

class Books {
 public:
  /// Beyond all there are.
  static constexpr Offset no_offset{std::numeric_limits<std::int64_t>::max()};

  /// Shared by all books of a partition.
  struct Held {
    std::size_t records = 0;
    std::size_t bytes = 0;
  };
  struct Limits {
    Duration hold = std::chrono::seconds{5};
    std::int64_t hold_records = 50'000;    ///< and at most, of the partition's raw records: more are not read again
    std::size_t held_bytes_max = 8 << 20;  ///< of all books of a partition; more: the updates go on alone
  };

  Books(Limits const& limits, Held& held) : limits_{&limits}, total_{&held} {}
  Books(Books const&) = delete;
  Books& operator=(Books const&) = delete;

  /// Before the first record that is seen, `first`, by whoever goes on with a partition: what is known of the book though
  /// its beginning is not read again. Open gaps that began before it go on, alone. `again`: it was handled by somebody before
  /// and only makes state; then a book that left no late join open is whole.
  void resume(std::vector<Gap> const& open, Book const& first, bool again);
  /// `record` is a Book. It is moved from where it has to be held.
  void see(MarketRecord& record, Frame const& frame, Time now, Downstream& out);
  /// When due(): ends the wait, asks again.
  void tick(Time now, Downstream& out);
  /// Reading has come to `offset`: ends the wait of what would fall out of what a restart reads again.
  void pass(Offset offset, Time now, Downstream& out);
  /// After state was made from the log again: asks for what is open. `left_open`: what md.gaps leaves open. What is held may
  /// have been sent on before the restart, by the clock; it goes on with origin backfill, so that the store looks whether it
  /// has it.
  void restate(std::vector<Gap> const& left_open, Time now, Downstream& out);
  Time due() const;
  Offset due_offset() const { return hold_until_offset_; }

 private:
  enum class State : std::uint8_t { unknown, held, alone, whole, early };
  struct Waiting {
    MarketRecord record;
    Origin origin;
    std::size_t bytes;
  };

  void see_snapshot(MarketRecord const& record, Frame const& frame, Time now, Downstream& out);
  void see_update(MarketRecord& record, Frame const& frame, Time now, Downstream& out);
  void start(MarketRecord const& snapshot, Frame const& frame, Time now, Downstream& out);
  void refuse(MarketRecord const& snapshot, Time now, Downstream& out);
  void open(Book const& update, Frame const& frame, Time now, Downstream& out);
  void join(MarketRecord const& record, Frame const& frame, Downstream& out);
  void ask(Time now, Downstream& out);
  void widen(Book const& update);
  void hold(MarketRecord& record, Frame const& frame, Time now, Downstream& out);
  void go_alone(Time now, Downstream& out);
  void release(Downstream& out, std::int64_t beyond);
  void send(MarketRecord const& record, Origin origin, Downstream& out);
  std::int64_t least_snapshot() const;

  Limits const* limits_;
  Held* total_;
  State state_ = State::unknown;
  std::int64_t last_ = -1;  ///< sequence of the newest record taken
  std::int64_t sent_ = -1;  ///< and of the newest one sent on
  Time last_time_{};
  std::string connection_;
  std::deque<Waiting> waiting_;
  Time hold_until_ = never;
  Offset hold_until_offset_ = no_offset;
  std::optional<OpenGap> gap_;
};

}  // namespace penstock
