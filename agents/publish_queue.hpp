/// Between the outside world and the producer: keeps, in order, what the broker does not take yet, so that nothing that was
/// received is dropped. While the broker is away it goes to the spool, where there is one: docs/decisions/spool.md. Bounded
/// by its users: they give nothing more while it is not open(). One thread.
///
/// Order: what is in the spool, then sent_, then waiting_. The oldest of them, up to some point, are with the producer.
#pragma once

#include "streaming/backoff.hpp"
#include "streaming/fault.hpp"
#include "streaming/health.hpp"
#include "streaming/metrics.hpp"
#include "streaming/producer.hpp"
#include "streaming/spool.hpp"

#include <chrono>
#include <deque>
#include <optional>
#include <string>

namespace penstock {

class PublishQueue {
 public:
  using Instant = std::chrono::steady_clock::time_point;

  /// The broker is away when it acknowledged nothing for so long.
  static constexpr std::chrono::milliseconds away_after{1'000};

  /// `spool`: nullptr: none. What it holds goes first.
  PublishQueue(Producer& producer, Spool* spool, Clock& clock, Metrics& metrics, std::string_view provider);

  /// Takes the record for good and hands on what it can; where very many come, drain() hands on those of 20 ms together.
  /// Throws the producer's Fault; the record is kept.
  void put(Topic const& topic, Record record);
  /// False: stop what feeds it.
  bool open() const { return !stuck_ && (!held_ || (spool_ && away_)); }
  /// Since when the spool has no room; nothing: it has, or there is none.
  std::optional<Instant> full_since() const { return full_since_; }
  /// True when all that was put is acknowledged by the broker or in the spool.
  bool kept() const { return waiting_.empty() && (spool_ ? sent_.empty() : producer_.queued_records() == 0); }

  /// Hands on what waits; to be called in each turn of the loop.
  void drain();
  /// Serves acknowledgements and counts them.
  void poll();
  /// Checks "output" and, where there is one, "spool".
  void tell(Health& health) const;
  /// Something failed, mostly the broker: nothing is given to it for a while. Throws fatal ones on.
  void hold(Fault const& fault);
  /// Once more everything that waits. A transient Fault where not all is acknowledged within `limit`.
  void flush(std::chrono::milliseconds limit);
  /// What is not acknowledged goes to the spool, and outlives the machine. False: there is none, or no room in it.
  bool keep();

 private:
  using Waiting = Spooled;

  bool is_away(Instant now);
  bool is_to_gather(Instant now);
  void hand_over();
  void settle();
  void set_aside();
  bool append(Waiting const& one, bool given);
  void sync_when_due();
  void show_depth();

  // Set once.
  Producer& producer_;
  Spool* spool_;
  Clock& clock_;
  prometheus::Counter& written_;
  prometheus::Counter& retried_;
  prometheus::Gauge* spool_records_ = nullptr;
  prometheus::Gauge* spool_bytes_ = nullptr;
  // Changes.
  std::deque<Waiting> sent_;     ///< with the producer, and neither acknowledged nor in the spool; none where there is no spool
  std::deque<Waiting> waiting_;  ///< neither with the producer nor in the spool
  std::int64_t settled_before_ = 0;
  bool stuck_ = false;      ///< what waits could not be handed on
  bool gathering_ = false;  ///< what comes waits for the end of the burst
  std::size_t burst_ = 0;   ///< records that came in it
  Instant burst_until_{};
  Instant moved_at_;  ///< last time that the broker acknowledged something, or had nothing to acknowledge
  bool away_ = false;
  bool spooling_ = false;  ///< told
  std::optional<Instant> full_since_;
  Instant append_again_{}, sync_at_{}, full_told_{};
  bool held_ = false;
  std::string held_why_, full_why_;
  Instant held_until_{}, told_{};
  Backoff backoff_{std::chrono::milliseconds{250}, std::chrono::seconds{10}};
  std::int64_t written_before_ = 0;
};

}  // namespace penstock
