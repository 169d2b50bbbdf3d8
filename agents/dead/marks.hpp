/// What was done with dead letters. Kafka cannot delete single records, and a letter can be passed over by a filter, so no
/// offset says which were replayed or dropped; marks in a topic of their own do (docs/decisions/replay.md).
///   key      <dead-letter topic>/<partition>           header `schema` = dead_action/1
///   value    {"action":"replay","topic":"raw.x.dead","partition":2,"offsets":[[17,19],[23,23]],"count":4,
///             "newest":…,"replayed_to":[{"topic":"raw.x","partition":2,"count":3}],"rule":{…},"time":…,"instance":…}
/// `offsets` are first and last of each run of letters, `count` says how many letters, `replayed_to` how many records went
/// back (letters about one frame bring it back once). A letter younger than `newest` is of a later topic of that name.
/// One thread.
#pragma once

#include "streaming/consumer.hpp"

#include <boost/icl/interval_map.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock {

inline constexpr std::string_view dead_marks_topic = "penstock.dead";

struct DeadAction {
  enum class Kind : std::uint8_t { replay, drop };
  Kind kind = Kind::replay;
  TopicPartition letters;
  std::vector<std::pair<Offset, Offset>> offsets;  ///< first and last of each run, ascending
  std::int64_t count = 0;                          ///< letters
  Time newest{};                                   ///< the log's own time of the youngest of them
  std::map<TopicPartition, std::int64_t> replayed_to;
  std::string rule = "{}";  ///< JSON object: what was asked for
  Time time{};
  std::string instance;

  /// A letter of the partition, behind those that are in already.
  void add(Offset offset, Time timestamp);
};

std::string_view to_text(DeadAction::Kind kind);  ///< replay, drop

Record mark_of(DeadAction const& action);
/// Throws a fatal Fault where it is none: letters that were done would look open.
DeadAction read_mark(Delivery const& delivery);

class DeadMarks {
 public:
  void add(DeadAction action);
  /// What was done with the letter; nullptr: it is open. Valid as long as this object.
  DeadAction const* find(Delivery const& letter) const;

 private:
  using Interval = boost::icl::right_open_interval<std::int64_t>;
  using Done = boost::icl::interval_map<std::int64_t, DeadAction const*, boost::icl::partial_absorber, std::less,
                                        boost::icl::inplace_plus, boost::icl::inter_section, Interval>;

  std::deque<DeadAction> actions_;
  std::map<TopicPartition, Done> done_;
};

}  // namespace penstock
