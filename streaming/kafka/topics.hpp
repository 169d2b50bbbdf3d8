/// Topics as the broker has them, and making those that are missing. Over librdkafka's admin API.
#pragma once

#include "streaming/kafka/kafka.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace penstock::kafka {

struct TopicSpec {
  Topic name;
  int partitions = 4;
  int replication = 1;
  std::map<std::string, std::string> config;  ///< cleanup.policy, retention.ms, max.message.bytes …
};

/// What differs between the plan and the broker.
struct TopicDifference {
  enum class Kind : std::uint8_t {
    create,
    add_partitions,
    config,
    fewer_partitions,  ///< this and what follows can only be said
    replication,
    unplanned,
  };
  Kind kind;
  TopicSpec spec;      ///< of an unplanned one only its name
  std::string detail;  ///< for people: "retention.ms is 604800000, planned 86400000"
  std::string risk;    ///< what the change would destroy; "": nothing

  bool can_be_made() const { return kind < Kind::fewer_partitions; }
};

/// All topics with their partition counts. Throws Fault.
std::map<Topic, int> list_topics(Connection const& connection);

/// What a log still holds of a partition: up to `end`, which is the next offset to be written.
struct Kept {
  Offset first{}, end{};
};
/// Of all partitions of `topics` (name -> partitions). The ends are asked for last. Throws Fault.
std::map<TopicPartition, Kept> kept_offsets(Connection const& connection, std::map<Topic, int> const& topics);
/// What a group has committed in them; partitions without it are left out. Throws Fault.
Commits committed_offsets(Connection const& connection, std::string const& group, std::map<Topic, int> const& topics);

/// What differs, and whether the broker told how its topics are configured; the embedded one does not. Asks for at most
/// `limit`, give or take a second.
struct TopicComparison {
  std::vector<TopicDifference> differences;
  bool configs_known = true;
};
TopicComparison compare_topics(Connection const& connection, std::vector<TopicSpec> const& wanted,
                               std::chrono::milliseconds limit);
/// The same with all patience that a starting broker needs; one that should tell how its topics are configured must.
/// `ours`: of the topics that are in no plan, which to tell of. Throws Fault.
std::vector<TopicDifference> plan_topics(Connection const& connection, std::vector<TopicSpec> const& wanted,
                                         std::function<bool(Topic const&)> const& ours = nullptr);
/// Makes those that can be made, risk or not, and leaves the others out: creates what is missing, adds partitions, alters
/// configuration; never deletes a topic. Throws Fault that names the topic.
void apply_topics(Connection const& connection, std::vector<TopicDifference> const& differences);

}  // namespace penstock::kafka
