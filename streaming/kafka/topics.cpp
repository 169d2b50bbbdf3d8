#include "streaming/kafka/topics.hpp"

#include "streaming/kafka/consumer.hpp"
#include "streaming/kafka/way_in.hpp"
#include "streaming/log.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <optional>
#include <thread>

namespace penstock::kafka {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// A broker that has just started answers half a minute late, or "not yet".
constexpr auto ready_wait = 30s;
/// A broker that has just started says of itself that it is too few; a wrong setting says so for ever.
constexpr auto replication_wait = 8s;
constexpr auto request_wait = 10s;
constexpr auto told_max = 3s;
constexpr auto again_after = 500ms;

struct Admin {
  explicit Admin(Connection const& connection)
      // Whoever asks is told why it failed; log lines beside that would say it twice.
      : client{Settings{connection}.set("log_level", 0).client(RD_KAFKA_PRODUCER, &trouble)},
        answers{rd_kafka_queue_new(client.get())},
        tells_configs{connection.transactions} {}

  Trouble trouble;
  KafkaClient client;
  KafkaQueue answers;
  bool tells_configs;  ///< false: maybe; the embedded broker does not answer at all
};

KafkaMetadata metadata_of(Admin& admin, std::chrono::milliseconds wait) {
  rd_kafka_metadata_t const* found = nullptr;
  auto const error = rd_kafka_metadata(admin.client.get(), 1, nullptr, &found, milliseconds_of(wait));
  rd_kafka_poll(admin.client.get(), 0);
  if (admin.trouble.fault) throw Fault{*admin.trouble.fault};
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) throw fault_of(error, "the broker does not list its topics", admin.trouble.last_error);
  return KafkaMetadata{found};
}

struct Shape {
  int partitions, replication;
};

std::map<Topic, Shape> shapes_in(rd_kafka_metadata_t const& metadata) {
  std::map<Topic, Shape> topics;
  for (int i = 0; i < metadata.topic_cnt; ++i)
    if (auto const& topic = metadata.topics[i]; topic.err == RD_KAFKA_RESP_ERR_NO_ERROR)
      topics[topic.topic] = {topic.partition_cnt, topic.partition_cnt > 0 ? topic.partitions[0].replica_cnt : 0};
  return topics;
}

std::map<Topic, int> topics_in(rd_kafka_metadata_t const& metadata) {
  std::map<Topic, int> topics;
  for (auto const& [name, shape] : shapes_in(metadata)) topics[name] = shape.partitions;
  return topics;
}

/// Calls `ask` until it does not throw a transient Fault any more, at most for ready_wait.
template <class Ask>
auto when_ready(Ask ask) {
  auto const until = Clock::now() + ready_wait;
  while (true) {
    try {
      return ask();
    } catch (Fault const& fault) {
      if (fault.kind() != Fault::Kind::transient || Clock::now() >= until) throw;
      log::debug("broker is not ready", {{"why", fault.what()}});
    }
    std::this_thread::sleep_for(again_after);
  }
}

/// Waits for the answer to an admin request; throws Fault where there is none.
KafkaEvent answer(Admin& admin, std::string const& doing) {
  KafkaEvent event{rd_kafka_queue_poll(admin.answers.get(), milliseconds_of(request_wait + 5s))};
  if (!event) throw fault_of(RD_KAFKA_RESP_ERR__TIMED_OUT, doing);
  if (auto const error = rd_kafka_event_error(event.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    auto const* const reason = rd_kafka_event_error_string(event.get());
    throw fault_of(error, doing, reason == nullptr ? "" : reason);
  }
  return event;
}

KafkaAdminOptions options_of(Admin& admin, rd_kafka_admin_op_t operation, std::chrono::milliseconds wait = request_wait) {
  KafkaAdminOptions options{rd_kafka_AdminOptions_new(admin.client.get(), operation)};
  std::array<char, 256> why{};
  rd_kafka_AdminOptions_set_request_timeout(options.get(), milliseconds_of(wait), why.data(), why.size());
  return options;
}

bool is_not_ready(rd_kafka_resp_err_t error) {
  return kind_of(error) == Fault::Kind::transient && error != RD_KAFKA_RESP_ERR_INVALID_PARTITIONS &&
         error != RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR && error != RD_KAFKA_RESP_ERR_INVALID_REQUEST;
}

/// What became of one topic. Throws where it failed: transient ones are asked again.
void check_topic(rd_kafka_topic_result_t const* result, std::string const& doing, Clock::time_point began) {
  auto const error = rd_kafka_topic_result_error(result);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) return;
  auto const* const reason = rd_kafka_topic_result_error_string(result);
  std::string const text = fault_of(error, doing + " " + rd_kafka_topic_result_name(result), reason ? reason : "").what();
  if (error == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR) {
    auto const early = Clock::now() < began + replication_wait;
    throw Fault{early ? Fault::Kind::transient : Fault::Kind::fatal,
                text + ": set kafka.replication to at most the number of brokers"};
  }
  throw Fault{is_not_ready(error) ? Fault::Kind::transient : Fault::Kind::fatal, text};
}

/// Nothing where the broker cannot tell (the embedded one).
std::optional<std::map<Topic, std::map<std::string, std::string>>> configs_of(Admin& admin, std::vector<Topic> const& topics) {
  if (topics.empty()) return std::map<Topic, std::map<std::string, std::string>>{};
  using Resource = std::unique_ptr<rd_kafka_ConfigResource_t, Destroy<rd_kafka_ConfigResource_destroy>>;
  std::vector<Resource> resources;
  std::vector<rd_kafka_ConfigResource_t*> asked;
  for (auto const& topic : topics) {
    resources.emplace_back(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
    asked.push_back(resources.back().get());
  }
  auto const options = options_of(admin, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, admin.tells_configs ? request_wait : 2s);
  rd_kafka_DescribeConfigs(admin.client.get(), asked.data(), asked.size(), options.get(), admin.answers.get());
  KafkaEvent const event{rd_kafka_queue_poll(admin.answers.get(), milliseconds_of(request_wait + 5s))};
  if (!event) throw fault_of(RD_KAFKA_RESP_ERR__TIMED_OUT, "the broker does not tell how topics are configured");
  if (auto const error = rd_kafka_event_error(event.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (error == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE || !admin.tells_configs) return std::nullopt;
    throw fault_of(error, "the broker does not tell how topics are configured");
  }
  std::map<Topic, std::map<std::string, std::string>> configs;
  std::size_t count = 0;
  auto const* const* const answered =
      rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event.get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    std::string const name = rd_kafka_ConfigResource_name(answered[i]);
    if (auto const error = rd_kafka_ConfigResource_error(answered[i]); error != RD_KAFKA_RESP_ERR_NO_ERROR)
      throw fault_of(error, "the broker does not tell how topic " + name + " is configured");
    std::size_t entries = 0;
    auto const* const* const entry = rd_kafka_ConfigResource_configs(answered[i], &entries);
    for (std::size_t e = 0; e < entries; ++e)
      if (auto const* const value = rd_kafka_ConfigEntry_value(entry[e]))
        configs[name][rd_kafka_ConfigEntry_name(entry[e])] = value;
  }
  return configs;
}

std::vector<TopicPartition> partitions_of(std::map<Topic, int> const& topics) {
  std::vector<TopicPartition> partitions;
  for (auto const& [topic, count] : topics)
    for (int p = 0; p < count; ++p) partitions.push_back({topic, Partition{p}});
  return partitions;
}

Offsets offsets_at(Admin& admin, std::map<Topic, int> const& topics, rd_kafka_OffsetSpec_t where) {
  auto const asked = list_of(partitions_of(topics));
  for (int i = 0; i < asked->cnt; ++i) asked->elems[i].offset = where;
  auto const options = options_of(admin, RD_KAFKA_ADMIN_OP_LISTOFFSETS);
  rd_kafka_ListOffsets(admin.client.get(), asked.get(), options.get(), admin.answers.get());
  auto const event = answer(admin, "the broker does not tell where partitions begin and end");
  Offsets offsets;
  std::size_t count = 0;
  auto const* const* const infos = rd_kafka_ListOffsets_result_infos(rd_kafka_event_ListOffsets_result(event.get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    auto const& element = *rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]);
    if (element.err != RD_KAFKA_RESP_ERR_NO_ERROR)
      throw fault_of(element.err, std::string{"the broker does not tell where topic "} + element.topic + " begins and ends");
    offsets[partition_of(element)] = Offset{element.offset};
  }
  return offsets;
}

using Differences = std::vector<TopicDifference>;

Differences of_kind(Differences const& differences, TopicDifference::Kind kind) {
  Differences chosen;
  std::ranges::copy_if(differences, std::back_inserter(chosen), [&](auto const& difference) { return difference.kind == kind; });
  return chosen;
}

void create(Admin& admin, Differences const& missing, Clock::time_point began) {
  if (missing.empty()) return;
  using NewTopic = std::unique_ptr<rd_kafka_NewTopic_t, Destroy<rd_kafka_NewTopic_destroy>>;
  std::array<char, 512> why{};
  std::vector<NewTopic> topics;
  std::vector<rd_kafka_NewTopic_t*> asked;
  for (auto const& [kind, spec, detail, risk] : missing) {
    auto* const made = rd_kafka_NewTopic_new(spec.name.c_str(), spec.partitions, spec.replication, why.data(), why.size());
    if (made == nullptr) throw Fault{Fault::Kind::fatal, "cannot create topic " + spec.name + ": " + why.data()};
    topics.emplace_back(made);
    asked.push_back(made);
    for (auto const& [name, value] : spec.config) rd_kafka_NewTopic_set_config(made, name.c_str(), value.c_str());
  }
  auto const options = options_of(admin, RD_KAFKA_ADMIN_OP_CREATETOPICS);
  rd_kafka_CreateTopics(admin.client.get(), asked.data(), asked.size(), options.get(), admin.answers.get());
  auto const event = answer(admin, "cannot create topics");
  std::size_t count = 0;
  auto const* const* const results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  for (std::size_t i = 0; i < count; ++i) check_topic(results[i], "cannot create topic", began);
}

void add_partitions(Admin& admin, TopicSpec const& spec, Clock::time_point began) {
  using NewPartitions = std::unique_ptr<rd_kafka_NewPartitions_t, Destroy<rd_kafka_NewPartitions_destroy>>;
  // An earlier try may have succeeded without its answer reaching us.
  auto const now = topics_in(*metadata_of(admin, request_wait));
  if (auto const found = now.find(spec.name); found != now.end() && found->second >= spec.partitions) return;
  std::array<char, 512> why{};
  NewPartitions const partitions{
      rd_kafka_NewPartitions_new(spec.name.c_str(), static_cast<std::size_t>(spec.partitions), why.data(), why.size())};
  if (!partitions) throw Fault{Fault::Kind::fatal, "cannot add partitions to topic " + spec.name + ": " + why.data()};
  auto* asked = partitions.get();
  auto const options = options_of(admin, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS);
  rd_kafka_CreatePartitions(admin.client.get(), &asked, 1, options.get(), admin.answers.get());
  auto const event = answer(admin, "cannot add partitions to topic " + spec.name);
  std::size_t count = 0;
  auto const* const* const results =
      rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event.get()), &count);
  for (std::size_t i = 0; i < count; ++i) check_topic(results[i], "cannot add partitions to topic", began);
}

void alter(Admin& admin, TopicSpec const& spec) {
  using Resource = std::unique_ptr<rd_kafka_ConfigResource_t, Destroy<rd_kafka_ConfigResource_destroy>>;
  Resource const resource{rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, spec.name.c_str())};
  for (auto const& [name, value] : spec.config)
    if (KafkaError const error{rd_kafka_ConfigResource_add_incremental_config(resource.get(), name.c_str(),
                                                                              RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET, value.c_str())};
        error)
      throw Fault{Fault::Kind::fatal, "cannot configure topic " + spec.name + ": " + rd_kafka_error_string(error.get())};
  auto* asked = resource.get();
  auto const options = options_of(admin, RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS);
  rd_kafka_IncrementalAlterConfigs(admin.client.get(), &asked, 1, options.get(), admin.answers.get());
  auto const event = answer(admin, "cannot configure topic " + spec.name);
  std::size_t count = 0;
  auto const* const* const results =
      rd_kafka_IncrementalAlterConfigs_result_resources(rd_kafka_event_IncrementalAlterConfigs_result(event.get()), &count);
  for (std::size_t i = 0; i < count; ++i)
    if (auto const error = rd_kafka_ConfigResource_error(results[i]); error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      auto const* const reason = rd_kafka_ConfigResource_error_string(results[i]);
      throw fault_of(error, "cannot configure topic " + spec.name, reason == nullptr ? "" : reason);
    }
}

/// Topics can be written to only when each partition has a leader that brokers know of.
void wait_for(Admin& admin, Differences const& created) {
  when_ready([&] {
    auto const metadata = metadata_of(admin, request_wait);
    for (auto const& [kind, spec, detail, risk] : created) {
      auto const* const begin = metadata->topics;
      auto const* const found =
          std::find_if(begin, begin + metadata->topic_cnt, [&](auto const& topic) { return spec.name == topic.topic; });
      auto ready = found != begin + metadata->topic_cnt && found->partition_cnt >= spec.partitions;
      for (int p = 0; ready && p < found->partition_cnt; ++p) ready = found->partitions[p].leader >= 0;
      if (!ready)
        throw Fault{Fault::Kind::transient,
                    "topic " + spec.name + " is created, but has no leader yet: look at the broker's log"};
    }
  });
}

std::string value_in(std::map<std::string, std::string> const& config, std::string const& name) {
  auto const found = config.find(name);
  return found == config.end() ? "not set" : found->second;
}

std::string differences_in(TopicSpec const& spec, std::map<std::string, std::string> const& config) {
  std::string text;
  for (auto const& [name, planned] : spec.config) {
    auto const now = value_in(config, name);
    if (now != planned) text += (text.empty() ? "" : "; ") + name + " is " + now + ", planned " + planned;
  }
  return text;
}

/// A broker that has taken a configuration tells the old one for a moment, and whoever plans meanwhile would see it differ.
void wait_until_told(Admin& admin, Differences const& altered) {
  std::vector<Topic> names;
  for (auto const& difference : altered) names.push_back(difference.spec.name);
  for (auto const until = Clock::now() + told_max; !names.empty() && Clock::now() < until; std::this_thread::sleep_for(50ms)) {
    auto const configs = when_ready([&] { return configs_of(admin, names); });
    if (!configs || std::ranges::all_of(altered, [&](TopicDifference const& each) {
          auto const told = configs->find(each.spec.name);
          return told != configs->end() && differences_in(each.spec, told->second).empty();
        }))
      return;
  }
}

/// Less time or fewer bytes than before; -1 and what is no number are without end.
bool is_shorter(std::string const& planned, std::string const& now) {
  auto const limit = [](std::string const& text) {
    auto const number = std::strtoll(text.c_str(), nullptr, 10);
    return text.empty() || number < 0 || text == "not set" ? std::numeric_limits<long long>::max() : number;
  };
  return limit(planned) < limit(now);
}

/// What a new configuration would destroy.
std::string risk_in(TopicSpec const& spec, std::map<std::string, std::string> const& config) {
  for (auto const& [name, planned] : spec.config) {
    auto const now = value_in(config, name);
    if (name.starts_with("retention.") && is_shorter(planned, now)) return "deletes records that are kept now";
    if (name != "cleanup.policy" || now == planned) continue;
    return planned.contains("compact") ? "deletes all but the last record of each key" : "deletes old records of every key";
  }
  return {};
}

constexpr auto partitions_risk =
    "a key's new records go to another partition than its old ones: they may overtake these, and duplicates of these are not "
    "noticed; do it when the topic is read to its end, and nothing writes";

/// How a topic is, beside how it should be. Configuration is left out where the broker does not tell it.
void compare(TopicSpec const& spec, Shape const& now, std::map<std::string, std::string> const* config,
             std::vector<TopicDifference>& differences) {
  using Kind = TopicDifference::Kind;
  auto const counts = "has " + std::to_string(now.partitions) + " partitions, planned " + std::to_string(spec.partitions);
  if (now.partitions < spec.partitions) differences.push_back({Kind::add_partitions, spec, counts, partitions_risk});
  if (now.partitions > spec.partitions)
    differences.push_back({Kind::fewer_partitions, spec, counts + "; Kafka cannot take partitions away, so they stay", {}});
  // The embedded broker has one copy, whatever it was asked for.
  if (config == nullptr) return;
  if (now.replication != spec.replication)
    differences.push_back({Kind::replication,
                           spec,
                           "has " + std::to_string(now.replication) + " copies, planned " + std::to_string(spec.replication) +
                               "; the broker's own tool changes this: kafka-reassign-partitions.sh, or rpk topic alter-config",
                           {}});
  if (auto detail = differences_in(spec, *config); !detail.empty())
    differences.push_back({Kind::config, spec, std::move(detail), risk_in(spec, *config)});
}

using Configs = std::map<Topic, std::map<std::string, std::string>>;

std::vector<Topic> those_there(std::vector<TopicSpec> const& wanted, std::map<Topic, Shape> const& there) {
  std::vector<Topic> known;
  for (auto const& spec : wanted)
    if (there.contains(spec.name)) known.push_back(spec.name);
  return known;
}

Differences differences_between(std::vector<TopicSpec> const& wanted, std::map<Topic, Shape> there,
                                std::optional<Configs> configs, std::function<bool(Topic const&)> const& ours) {
  using Kind = TopicDifference::Kind;
  Differences differences;
  for (auto const& spec : wanted) {
    auto const found = there.find(spec.name);
    if (found == there.end()) {
      differences.push_back({Kind::create, spec, std::to_string(spec.partitions) + " partitions", {}});
      continue;
    }
    compare(spec, found->second, configs ? &(*configs)[spec.name] : nullptr, differences);
    there.erase(found);
  }
  if (ours)
    for (auto const& [name, shape] : there)
      if (ours(name))
        differences.push_back({Kind::unplanned,
                               {.name = name, .partitions = shape.partitions, .replication = shape.replication, .config = {}},
                               std::to_string(shape.partitions) + " partitions, which nothing here writes or reads",
                               {}});
  return differences;
}

}  // namespace

std::map<Topic, int> list_topics(Connection const& connection) {
  Admin admin{connection};
  return when_ready([&] { return topics_in(*metadata_of(admin, request_wait)); });
}

std::map<TopicPartition, Kept> kept_offsets(Connection const& connection, std::map<Topic, int> const& topics) {
  if (topics.empty()) return {};
  Admin admin{connection};
  auto const firsts = when_ready([&] { return offsets_at(admin, topics, RD_KAFKA_OFFSET_SPEC_EARLIEST); });
  auto const ends = when_ready([&] { return offsets_at(admin, topics, RD_KAFKA_OFFSET_SPEC_LATEST); });
  std::map<TopicPartition, Kept> kept;
  for (auto const& [partition, end] : ends) kept[partition] = {firsts.at(partition), end};
  return kept;
}

Commits committed_offsets(Connection const& connection, std::string const& group, std::map<Topic, int> const& topics) {
  // librdkafka's admin request for it (2.8) is left without an answer, or ends the process, where the broker is slow.
  KafkaConsumer asking{connection, {.group = group}};
  return when_ready([&] { return asking.committed(partitions_of(topics)); });
}

std::vector<TopicDifference> plan_topics(Connection const& connection, std::vector<TopicSpec> const& wanted,
                                         std::function<bool(Topic const&)> const& ours) {
  Admin admin{connection};
  auto const there = when_ready([&] { return shapes_in(*metadata_of(admin, request_wait)); });
  return differences_between(wanted, there, when_ready([&] { return configs_of(admin, those_there(wanted, there)); }), ours);
}

TopicComparison compare_topics(Connection const& connection, std::vector<TopicSpec> const& wanted,
                               std::chrono::milliseconds limit) {
  Admin admin{connection};
  admin.tells_configs = false;  // It may, and is not waited for.
  auto const there = shapes_in(*metadata_of(admin, std::min<std::chrono::milliseconds>(limit, request_wait)));
  auto const configs = configs_of(admin, those_there(wanted, there));
  return {.differences = differences_between(wanted, there, configs, nullptr), .configs_known = configs.has_value()};
}

void apply_topics(Connection const& connection, std::vector<TopicDifference> const& differences) {
  using Kind = TopicDifference::Kind;
  Admin admin{connection};
  auto const began = Clock::now();
  auto const missing = of_kind(differences, Kind::create);
  auto const small = of_kind(differences, Kind::add_partitions);
  when_ready([&] { create(admin, missing, began); });
  for (auto const& difference : small) when_ready([&] { add_partitions(admin, difference.spec, began); });
  for (auto const& difference : of_kind(differences, Kind::config)) when_ready([&] { alter(admin, difference.spec); });
  wait_for(admin, missing);
  wait_for(admin, small);
  wait_until_told(admin, of_kind(differences, Kind::config));
}

}  // namespace penstock::kafka
