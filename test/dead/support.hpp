/// What the tests of dead letters share: topics of their own on the broker, letters, and the program itself.
#pragma once

#include "agents/dead/letter.hpp"
#include "agents/dead/marks.hpp"
#include "agents/operate/record_text.hpp"
#include "agents/settings.hpp"
#include "agents/topic_plan.hpp"
#include "streaming/kafka/read_to_end.hpp"
#include "test/kafka/support.hpp"
#include "test/program.hpp"

#include <map>

namespace penstock::test {

using namespace kafka::test;

/// A topic with its dead letters, that no earlier run used.
struct World {
  kafka::Connection connection;
  Topic source = fresh("raw.test"), letters = dead_letter_topic(source);

  /// On a broker where the topics are made by others.
  World(kafka::Connection to, Topic of) : connection{std::move(to)}, source{std::move(of)} {}
  explicit World(kafka::Connection to, int partitions = 2) : connection{std::move(to)} {
    std::vector<kafka::TopicSpec> wanted{{.name = source, .partitions = partitions}, {.name = letters, .partitions = partitions}};
    for (auto& topic : topic_plan(load_config()))
      if (topic.name == dead_marks_topic) wanted.push_back(std::move(topic));
    kafka::apply_topics(connection, kafka::plan_topics(connection, wanted));
  }

  /// A letter about the record at `offset` of partition 0.
  Record letter(std::int64_t offset, std::string_view why, std::string const& value = "{}", int attempt = 1,
                Time failed_at = system_clock().now()) const {
    Delivery dead{.position = {source, Partition{0}, Offset{offset}}, .key = "KEY", .value = value};
    auto const before = std::to_string(attempt - 1);
    dead.headers = {{"channel", "trade"}, {"received_at", "2026-01-01T00:00:00.000000Z"}};
    if (attempt > 1) dead.headers.emplace_back("attempt", before);
    auto record = dead_letter(dead, {why, "why"}, "transform", failed_at);
    record.partition = Partition{0};
    return record;
  }
  void write(std::vector<Record> const& records) const { produce(connection, letters, records); }

  Ran dead(Words words) const {
    words.insert(words.begin(), "dead");
    words.insert(words.end(), {"--kafka-brokers", connection.brokers});
    if (!connection.transactions) words.emplace_back("--kafka-transactions=false");
    return run(words);
  }

  struct Read {
    Partition partition{};
    std::string key, value;
    std::map<std::string, std::string> headers;
    std::string place;  ///< PARTITION@OFFSET
  };
  std::vector<Read> all_of(Topic const& topic) const {
    std::vector<Read> found;
    kafka::ReadToEnd reader{connection, {topic}, {}};
    std::vector<Delivery> deliveries;
    while (reader.next(deliveries))
      for (auto const& delivery : deliveries)
        found.push_back({delivery.position.partition,
                         std::string{delivery.key},
                         std::string{delivery.value},
                         {delivery.headers.begin(), delivery.headers.end()},
                         place_text(delivery.position)});
    return found;
  }
  std::vector<std::string> values() const {
    std::vector<std::string> values;
    for (auto const& each : all_of(source)) values.push_back(each.value);
    return values;
  }
  /// Of this world.
  std::vector<DeadAction> marks() const {
    std::vector<DeadAction> found;
    kafka::ReadToEnd reader{connection, {Topic{dead_marks_topic}}, {}};
    std::vector<Delivery> deliveries;
    while (reader.next(deliveries))
      for (auto const& delivery : deliveries)
        if (auto mark = read_mark(delivery); mark.letters.topic == letters) found.push_back(std::move(mark));
    return found;
  }
  /// Letters in all marks.
  std::int64_t marked() const {
    std::int64_t count = 0;
    for (auto const& mark : marks()) count += mark.count;
    return count;
  }
};

}  // namespace penstock::test
