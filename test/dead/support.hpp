/// What the tests of dead letters share: topics of their own on the broker, letters, and the program itself.
#pragma once

#include "agents/dead_letter.hpp"
#include "agents/dead_marks.hpp"
#include "agents/operate/record_text.hpp"
#include "agents/settings.hpp"
#include "agents/topic_plan.hpp"
#include "streaming/kafka/read_to_end.hpp"
#include "test/kafka/support.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <map>

namespace penstock::test {

using namespace kafka::test;
using Words = std::vector<std::string>;

struct Ran {
  int code = -1;
  std::string text;  ///< stdout and stderr
};

/// Without a terminal. The words must not hold a quote.
inline Ran penstock(Words const& words) {
  std::string command = PENSTOCK_PROGRAM;
  for (auto const& word : words) command += " '" + word + "'";
  auto* const pipe = ::popen((command + " 2>&1 < /dev/null").c_str(), "r");
  REQUIRE(pipe != nullptr);
  Ran ran;
  std::array<char, 4096> buffer{};
  while (auto const size = std::fread(buffer.data(), 1, buffer.size(), pipe)) ran.text.append(buffer.data(), size);
  ran.code = WEXITSTATUS(::pclose(pipe));
  return ran;
}

/// Runs in the background; killed at the end.
class Process {
 public:
  explicit Process(Words words) {
    words.insert(words.begin(), PENSTOCK_PROGRAM);
    std::vector<char*> pointers;
    for (auto& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::execv(pointers.front(), pointers.data());
    ::_exit(127);
  }
  ~Process() { end(SIGKILL); }
  Process(Process const&) = delete;
  Process& operator=(Process const&) = delete;

  /// The signal that it died of; 0: it had ended by itself.
  int end(int signal) {
    if (pid_ <= 0) return 0;
    ::kill(pid_, signal);
    int status = 0;
    ::waitpid(std::exchange(pid_, 0), &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }

 private:
  pid_t pid_ = 0;
};

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
    return penstock(words);
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
