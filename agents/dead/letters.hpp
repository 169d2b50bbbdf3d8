/// Going through dead letters: what there is, and doing something with those that a rule names. One thread. All functions
/// throw Fault. A stop makes them return early, with what was done until then.
#pragma once

#include "agents/dead/marks.hpp"
#include "agents/dead/rule.hpp"
#include "streaming/health.hpp"
#include "streaming/kafka/kafka.hpp"
#include "streaming/metrics.hpp"

#include <set>
#include <stop_token>

namespace penstock {

/// <topic>.dead of the broker, by name.
std::vector<Topic> dead_letter_topics(kafka::Connection const& connection);

/// All marks there are; what was read once is not read again.
class KnownMarks {
 public:
  /// To the end. Empty where the topic is not there yet. Valid until the next call.
  DeadMarks const& read(kafka::Connection const& connection, std::stop_token const& stop);

 private:
  DeadMarks marks_;
  Offsets ends_;
  std::int64_t count_ = 0, count_first_ = 0;  ///< of marks; of those that a read from the beginning brought
};

struct DeadAsk {
  DeadRule rule;
  std::int64_t limit = std::numeric_limits<std::int64_t>::max();  ///< letters; those about one record are not parted
  Offsets from;                                                   ///< where to begin, in dead-letter topics
  Offsets until;                                                  ///< what stands there or later is left alone
};

/// Letters of one topic and reason that the rule names.
struct DeadTally {
  std::int64_t open = 0, replayed = 0, dropped = 0;
  int attempts_least = std::numeric_limits<int>::max(), attempts_most = 0;  ///< of the open ones, as the next two
  Time oldest = Time::max(), newest = Time::min();                          ///< failed_at
};

struct DeadOutcome {
  std::map<std::pair<Topic, std::string>, DeadTally> tallies;  ///< by dead-letter topic and reason
  std::int64_t letters = 0, records = 0;                       ///< chosen; what they bring back. After an action: done
  std::int64_t worn_out = 0;                                   ///< letters that failed too often
  std::int64_t strange = 0;                                    ///< records that are no letters
  std::set<Topic> chosen_in;                                   ///< dead-letter topics
  Offsets ends;                                                ///< of all that was looked at
  Offsets again;           ///< where to look again, once the delays are over or what was chosen is done
  Time due = Time::max();  ///< the first of these delays
};

/// What `kind` would do. Changes nothing.
DeadOutcome look_at_letters(kafka::Connection const& connection, std::vector<Topic> const& topics, DeadAsk const& ask, Time now,
                            DeadAction::Kind kind, KnownMarks& known, std::stop_token const& stop);

struct DeadDeed {
  DeadAction::Kind kind = DeadAction::Kind::replay;
  std::string rule = "{}";  ///< for the mark
  std::string instance;     ///< the same
  kafka::Pacing pacing;
};

/// Replays or drops. What goes back and the mark of it are one transaction: killed and called again, nothing goes back twice.
/// Where the connection has no transactions the mark comes after what went back: a crash in between repeats at most what one
/// read brought. Whoever comes later for the same topic ends the one before, whose Fault says so.
DeadOutcome act_on_letters(kafka::Connection const& connection, Topic const& topic, DeadAsk const& ask, DeadDeed const& deed,
                           Clock& clock, KnownMarks& known, std::stop_token const& stop);

struct DeadRetryOptions {
  DeadRule rule;  ///< with its delay
  DeadDeed deed;
  std::chrono::milliseconds look_every{10'000};
};
/// Replays what the rule names whenever its delay is over, until stop.
void run_dead_retry(kafka::Connection const& connection, DeadRetryOptions const& options, Clock& clock, Metrics& metrics,
                    Health& health, std::stop_token const& stop);

}  // namespace penstock
