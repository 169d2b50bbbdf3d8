/// What the mock cluster cannot show: transactions, fencing, offsets that last. On the Kafka of PENSTOCK_TEST_BROKERS.
#include "test/kafka/support.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

using namespace penstock;
using namespace penstock::kafka;
using namespace penstock::kafka::test;

namespace {

Connection connection_to(std::string const& brokers) { return {.brokers = brokers}; }

Topic make_topic(Connection const& connection, std::string const& name, int partitions,
                 std::map<std::string, std::string> config = {}) {
  auto const topic = fresh(name);
  apply_topics(connection, plan_topics(connection, {{.name = topic, .partitions = partitions, .config = std::move(config)}}));
  return topic;
}

/// Everything that is in a topic up to its end, or up to an open transaction.
/// Those that are expected may take a while, with a broker that has just come back; what is beyond them comes with them.
std::vector<std::string> committed_values(Connection const& connection, Topic const& topic, std::size_t expected) {
  auto const follower = make_follower(connection, {topic}, {});
  std::vector<std::string> values;
  bool moved = true;
  int quiet = 0;
  until([&] { return !moved && values.size() >= expected && ((expected > 0 && follower->lag_records() == 0) || ++quiet == 10); },
        [&] {
          auto more = read(*follower, 1'000, 100ms);
          moved = !more.empty();
          std::ranges::move(more, std::back_inserter(values));
        });
  return values;
}

struct Input {
  Topic topic;
  std::string group;
  std::unique_ptr<Consumer> consumer;
  TopicPartition partition;

  Input(Connection const& connection, int records)
      : topic{make_topic(connection, "raw.in", 1)}, group{fresh("group")}, partition{topic, Partition{0}} {
    produce(connection, topic, numbered(0, records));
    consumer = make_consumer(connection, {.group = group});
    consumer->subscribe({topic}, nullptr);
    REQUIRE(read(*consumer, static_cast<std::size_t>(records)).size() == static_cast<std::size_t>(records));
  }
};

}  // namespace

TEST_CASE("topics: what is missing is made, too few partitions become more, settings change, and then nothing differs") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  auto const connection = connection_to(brokers);
  std::vector<TopicSpec> wanted{
      {.name = fresh("raw.a"), .partitions = 2, .config = {{"retention.ms", "86400000"}, {"max.message.bytes", "20971520"}}},
      {.name = fresh("md.b"), .partitions = 1, .config = {{"cleanup.policy", "compact"}}}};
  auto differences = plan_topics(connection, wanted);
  REQUIRE(differences.size() == 2);
  CHECK(differences[0].kind == TopicDifference::Kind::create);
  apply_topics(connection, differences);
  CHECK(list_topics(connection).at(wanted[0].name) == 2);
  CHECK(plan_topics(connection, wanted).empty());
  apply_topics(connection, differences);  // A second time: what is there already is no error.

  wanted[0].partitions = 3;
  wanted[0].config["retention.ms"] = "172800000";
  wanted[1].partitions = 1;
  differences = plan_topics(connection, wanted);
  REQUIRE(differences.size() == 2);
  CHECK(differences[0].kind == TopicDifference::Kind::add_partitions);
  CHECK(differences[1].kind == TopicDifference::Kind::config);
  CHECK(differences[1].detail == "retention.ms is 86400000, planned 172800000");
  apply_topics(connection, differences);
  CHECK(plan_topics(connection, wanted).empty());

  wanted[0].partitions = 1;
  differences = plan_topics(connection, wanted);
  REQUIRE(differences.size() == 1);
  CHECK(differences[0].kind == TopicDifference::Kind::fewer_partitions);
  CHECK_FALSE(differences[0].can_be_made());
  apply_topics(connection, differences);
  CHECK(list_topics(connection).at(wanted[0].name) == 3);
}

TEST_CASE("topics: what would destroy records, or mix up a key's, is told apart from what would not") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  auto const connection = connection_to(brokers);
  auto const name = fresh("md.risky");
  using Config = std::map<std::string, std::string>;
  auto const risk_of = [&](int partitions, Config const& config) {
    auto const differences = plan_topics(connection, {{.name = name, .partitions = partitions, .config = config}});
    REQUIRE(differences.size() == 1);
    CHECK(differences[0].can_be_made());
    return differences[0].risk;
  };
  Config const now{{"cleanup.policy", "delete"}, {"retention.ms", "86400000"}};
  CHECK(risk_of(1, now).empty());
  apply_topics(connection, plan_topics(connection, {{.name = name, .partitions = 1, .config = now}}));
  CHECK(risk_of(1, {{"cleanup.policy", "delete"}, {"retention.ms", "86399999"}}).contains("deletes records"));
  CHECK(risk_of(1, {{"cleanup.policy", "delete"}, {"retention.ms", "86400001"}}).empty());
  CHECK(risk_of(1, {{"cleanup.policy", "delete"}, {"retention.ms", "-1"}}).empty());
  CHECK(risk_of(1, {{"cleanup.policy", "compact"}}).contains("deletes all but the last record"));
  CHECK(risk_of(1, {{"max.message.bytes", "2000000"}}).empty());
  CHECK(risk_of(2, now).contains("partition"));
}

TEST_CASE("topics: copies that differ are told with the tool that changes them, and topics of ours without a plan are listed") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  auto const connection = connection_to(brokers);
  auto const planned = fresh("raw.planned"), forgotten = fresh("raw.forgotten");
  for (auto const& name : {planned, forgotten})
    apply_topics(connection, plan_topics(connection, {{.name = name, .partitions = 1, .config = {}}}));
  auto const differences = plan_topics(connection, {{.name = planned, .partitions = 1, .replication = 3, .config = {}}},
                                       [&](Topic const& topic) { return topic == forgotten || topic == planned; });
  REQUIRE(differences.size() == 2);
  CHECK(differences[0].kind == TopicDifference::Kind::replication);
  CHECK(differences[0].detail.starts_with("has 1 copies, planned 3; the broker's own tool changes this"));
  CHECK(differences[1].kind == TopicDifference::Kind::unplanned);
  CHECK(differences[1].spec.name == forgotten);
  apply_topics(connection, differences);
  CHECK(list_topics(connection).contains(forgotten));
}

TEST_CASE("topics: a setting that the broker refuses is a fatal fault that names the topic") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  auto const connection = connection_to(brokers);
  auto const name = fresh("raw.a");
  auto const text = fault_text(
      [&] {
        apply_topics(connection,
                     plan_topics(connection, {{.name = name, .partitions = 1, .config = {{"retention.ms", "soon"}}}}));
      },
      Fault::Kind::fatal);
  CHECK(text.contains(name));
  CHECK(text.contains("retention.ms"));
}

TEST_CASE("kafka: a subscribed topic that does not exist is a fatal fault, not silence; so is writing to one") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  auto const connection = connection_to(brokers);
  auto const name = fresh("raw.missing");
  auto const consumer = make_consumer(connection, {.group = fresh("g")});
  consumer->subscribe({name}, nullptr);
  std::string text;
  std::vector<Delivery> none;
  until([&] { return !text.empty(); }, [&] { text = fault_if_any([&] { consumer->poll(none, 1, 50ms); }, Fault::Kind::fatal); },
        20s);
  CHECK(text.contains(name));
  CHECK(text.contains("penstock topics apply"));

  auto const producer = make_producer(connection, {});
  text.clear();
  until([&] { return !text.empty(); },
        [&] {
          text = fault_if_any(
              [&] {
                producer->produce(name, record("k", "v"));
                producer->poll(50ms);
              },
              Fault::Kind::fatal);
        },
        20s);
  CHECK(text.contains(name));
  CHECK(text.contains("penstock topics apply"));
}

TEST_CASE("kafka: a record that is too large for its topic is a fatal fault that names the setting") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  auto const connection = connection_to(brokers);
  auto const topic = make_topic(connection, "raw.small", 1, {{"max.message.bytes", "1000"}});
  auto const producer = make_producer(connection, {});
  std::string noise(100'000, ' ');
  std::uint32_t state = 1;
  for (auto& c : noise) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  REQUIRE(producer->produce(topic, record("k", noise)));
  std::string text;
  until([&] { return !text.empty(); }, [&] { text = fault_if_any([&] { producer->poll(50ms); }, Fault::Kind::fatal); }, 20s);
  CHECK(text.contains(topic));
  CHECK(text.contains("max.message.bytes"));
}

TEST_CASE("exchange: output and offsets appear together, and the lag is 0 behind the marks of transactions") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  auto const connection = connection_to(brokers);
  Input input{connection, 100};
  auto const output = make_topic(connection, "md.out", 2);
  auto const exchange = make_exchange(connection, {.transactional_id = fresh("id"), .group = input.group});
  for (int i = 0; i < 50; ++i) exchange->produce(output, record(std::to_string(i), std::to_string(i)));
  CHECK(committed_values(connection, output, 0).empty());
  commit_and_settle(*exchange, {{input.partition, {Offset{50}, R"({"a":1})"}}}, *input.consumer);
  // A commit is answered before its marks stand in the log.
  CHECK(committed_values(connection, output, 50).size() == 50);
  CHECK(input.consumer->committed({input.partition}).at(input.partition) == Commit{Offset{50}, R"({"a":1})"});
  for (int i = 50; i < 100; ++i) exchange->produce(output, record(std::to_string(i), std::to_string(i)));
  commit_and_settle(*exchange, {{input.partition, Offset{100}}}, *input.consumer);
  auto const follower = make_follower(connection, {output}, {});
  CHECK(read(*follower, 100).size() == 100);
  CHECK(read(*follower, 1, 500ms).empty());
  CHECK(follower->lag_records() == 0);
  auto const member = make_consumer(connection, {.group = fresh("reader")});
  member->subscribe({output}, nullptr);
  CHECK(read(*member, 100).size() == 100);
  exchange->produce(output, record("k", "given up"));
  CHECK(exchange->settled(0ms));
  std::this_thread::sleep_for(100ms);
  exchange->abort();
  std::vector<Delivery> none;
  for (auto* const reader : {follower.get(), member.get()})
    CHECK(until([&] { return reader->lag_records() == 0; }, [&] { reader->poll(none, 1'000, 50ms); }, 10s));
  CHECK(none.empty());
  CHECK(input.consumer->committed({input.partition}).at(input.partition).offset == Offset{100});
}

TEST_CASE("exchange: records keep their order, while a transaction ends and when the next one begins") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  auto const connection = connection_to(brokers);
  Input input{connection, 1};
  auto const output = make_topic(connection, "md.out", 1);
  auto const exchange = make_exchange(connection, {.transactional_id = fresh("id"), .group = input.group});
  std::vector<std::string> expected;
  for (int transaction = 0; transaction < 50; ++transaction) {
    // Without a pause, from before the commit is answered until the next transaction runs.
    for (auto const end = Steady::now() + 18ms; Steady::now() < end;) {
      auto number = std::to_string(expected.size());
      exchange->produce(output, record("k", number));
      expected.push_back(std::move(number));
    }
    exchange->commit({{input.partition, Offset{1}}}, *input.consumer);
  }
  CHECK(exchange->settled(20s));
  auto const values = committed_values(connection, output, expected.size());
  CHECK(values.size() == expected.size());
  auto const [found, other] = std::ranges::mismatch(values, expected);
  CHECK((found == values.end() ? "the end" : "not " + *other + " but " + *found) == "the end");
}

TEST_CASE("exchange: what was aborted is never seen, its offsets do not count, and the next interval works") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  auto const connection = connection_to(brokers);
  Input input{connection, 20};
  auto const output = make_topic(connection, "md.out", 1);
  auto const exchange = make_exchange(connection, {.transactional_id = fresh("id"), .group = input.group});
  exchange->produce(output, record("k", "kept"));
  commit_and_settle(*exchange, {{input.partition, Offset{5}}}, *input.consumer);
  for (int i = 0; i < 10; ++i) exchange->produce(output, record("k", "aborted"));
  exchange->abort();
  exchange->abort();  // Nothing is open: nothing happens.
  exchange->produce(output, record("k", "kept, too"));
  commit_and_settle(*exchange, {{input.partition, Offset{6}}}, *input.consumer);
  CHECK(committed_values(connection, output, 2) == std::vector<std::string>{"kept", "kept, too"});
  CHECK(input.consumer->committed({input.partition}).at(input.partition).offset == Offset{6});
}

TEST_CASE(
    "exchange: a second instance with the same id makes the first one's interval a transient fault that says so, and nothing of "
    "it, or behind it, is seen") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  auto const connection = connection_to(brokers);
  Input input{connection, 20};
  auto const output = make_topic(connection, "md.out", 1);
  auto const id = fresh("id");
  auto const first = make_exchange(connection, {.transactional_id = id, .group = input.group});
  first->produce(output, record("k", "first"));
  auto const second = make_exchange(connection, {.transactional_id = id, .group = input.group});
  auto const text =
      fault_text([&] { commit_and_settle(*first, {{input.partition, Offset{5}}}, *input.consumer); }, Fault::Kind::transient);
  CHECK(text.contains("another instance with the same id took over"));
  CHECK(text.contains(id));
  // Until abort() nothing else is taken.
  fault_text([&] { first->settled(0ms); }, Fault::Kind::transient);
  first->produce(output, record("k", "behind it"));
  fault_text([&] { first->commit({{input.partition, Offset{6}}}, *input.consumer); }, Fault::Kind::transient);
  second->produce(output, record("k", "second"));
  commit_and_settle(*second, {{input.partition, Offset{7}}}, *input.consumer);
  CHECK(committed_values(connection, output, 1) == std::vector<std::string>{"second"});
  CHECK(input.consumer->committed({input.partition}).at(input.partition).offset == Offset{7});
  first->abort();
  first->produce(output, record("k", "again"));
  commit_and_settle(*first, {{input.partition, Offset{8}}}, *input.consumer);
  CHECK(committed_values(connection, output, 2) == std::vector<std::string>{"second", "again"});
}

TEST_CASE(
    "exchange: a consumer that is not in its group any more makes the interval a transient fault, and nothing of it counts") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  auto const connection = connection_to(brokers);
  Input input{connection, 20};
  auto const output = make_topic(connection, "md.out", 1);
  auto const exchange = make_exchange(connection, {.transactional_id = fresh("id"), .group = input.group});
  exchange->produce(output, record("k", "too late"));
  // Someone else has the partition by the time of the commit.
  auto const stale = make_consumer(connection, {.group = input.group});
  stale->subscribe({input.topic}, nullptr);
  REQUIRE(until([&] { return input.consumer->assigned().size() + stale->assigned().size() == 1 && !stale->assigned().empty(); },
                [&] {
                  std::vector<Delivery> none;
                  stale->poll(none, 1, 20ms);
                  if (stale->assigned().empty()) input.consumer->close();
                },
                60s));
  fault_text([&] { commit_and_settle(*exchange, {{input.partition, Offset{5}}}, *input.consumer); }, Fault::Kind::transient);
  exchange->abort();
  CHECK(committed_values(connection, output, 0).empty());
  CHECK_FALSE(stale->committed({input.partition}).contains(input.partition));
  exchange->produce(output, record("k", "in time"));
  commit_and_settle(*exchange, {{input.partition, Offset{6}}}, *stale);
  CHECK(committed_values(connection, output, 1) == std::vector<std::string>{"in time"});
}

TEST_CASE("kafka: committed offsets are there for the next process of the group") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  auto const connection = connection_to(brokers);
  std::string group;
  Topic topic;
  {
    Input input{connection, 20};
    group = input.group;
    topic = input.topic;
    input.consumer->commit({{input.partition, Offset{12}}});
    input.consumer->close();
  }
  auto const consumer = make_consumer(connection, {.group = group});
  consumer->subscribe({topic}, nullptr);
  CHECK(read(*consumer, 1).at(0) == "12");
  consumer->close();
}

TEST_CASE("kafka: a consumer says where a topic begins, also after retention took what was before") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  auto const connection = connection_to(brokers);
  Input const input{connection, 20};
  CHECK(input.consumer->beginnings({input.partition}) == Offsets{{input.partition, Offset{0}}});

  trim(connection, input.partition, Offset{3});
  CHECK(input.consumer->beginnings({input.partition}) == Offsets{{input.partition, Offset{3}}});
}

TEST_CASE("kafka: members come and go while records flow, and each record is read at least once, by the offsets of its reader") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  auto const connection = connection_to(brokers);
  auto const topic = make_topic(connection, "raw.in", 4);
  auto const group = fresh("group");
  constexpr int records = 3'000;
  std::mutex mutex;
  std::set<int> seen;
  auto const member = [&](std::stop_token const& stop) {
    auto const consumer = make_consumer(connection, {.group = group, .session_timeout = 6s});
    Offsets done;
    consumer->subscribe({topic}, [&](Assignment const& assignment) {
      // Nothing of a lost partition may be committed afterwards.
      Offsets last;
      for (auto const& partition : assignment.lost)
        if (auto node = done.extract(partition)) last.insert(std::move(node));
      consumer->commit({last.begin(), last.end()});
      return Offsets{};
    });
    std::vector<Delivery> deliveries;
    while (!stop.stop_requested()) {
      deliveries.clear();
      consumer->poll(deliveries, 20, 20ms);
      for (auto const& delivery : deliveries) {
        std::scoped_lock const lock{mutex};
        seen.insert(std::stoi(std::string{delivery.value}));
        done[{Topic{delivery.position.topic}, delivery.position.partition}] = next(delivery.position.offset);
      }
      consumer->commit({done.begin(), done.end()});
    }
    deliveries.clear();
    consumer->close();
  };
  auto const seen_count = [&] {
    std::scoped_lock const lock{mutex};
    return std::ssize(seen);
  };
  auto const producer = make_producer(connection, {});
  auto const write = [&](int from, int to) {
    for (auto const& one : numbered(from, to))
      REQUIRE(until([&] { return producer->produce(topic, one); }, [&] { producer->poll(5ms); }));
    producer->flush(20s);
  };
  std::jthread first{member};
  write(0, 1'000);
  CHECK(until([&] { return seen_count() == 1'000; }, [] { std::this_thread::yield(); }));
  std::jthread const second{member};
  write(1'000, 2'000);
  CHECK(until([&] { return seen_count() == 2'000; }, [] { std::this_thread::yield(); }));
  first.request_stop();
  first.join();
  write(2'000, records);
  CHECK(until([&] { return seen_count() == records; }, [] { std::this_thread::yield(); }));
}

TEST_CASE("kafka: a member with an instance name that comes back has its partitions at once") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  auto const connection = connection_to(brokers);
  auto const topic = make_topic(connection, "raw.in", 2);
  ConsumerOptions const options{.group = fresh("group"), .instance = "one", .session_timeout = 30s};
  std::vector<Delivery> none;
  auto const take = [&] {
    auto consumer = make_consumer(connection, options);
    consumer->subscribe({topic}, nullptr);
    REQUIRE(until([&] { return consumer->assigned().size() == 2; }, [&] { consumer->poll(none, 1, 20ms); }, 15s));
    return consumer;
  };
  auto first = take();
  first.reset();  // A static member does not leave: as if it had been killed.
  auto const began = Steady::now();
  auto const second = take();
  CHECK(Steady::now() - began < 10s);  // Its session would have lasted 30 s.
}

TEST_CASE("kafka: a second process with the same instance name makes the first give up") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  auto const connection = connection_to(brokers);
  auto const topic = make_topic(connection, "raw.in", 1);
  ConsumerOptions const options{.group = fresh("group"), .instance = "one"};
  std::vector<Delivery> none;
  auto const first = make_consumer(connection, options);
  first->subscribe({topic}, nullptr);
  REQUIRE(until([&] { return first->assigned().size() == 1; }, [&] { first->poll(none, 1, 20ms); }));
  auto const second = make_consumer(connection, options);
  second->subscribe({topic}, nullptr);
  REQUIRE(until([&] { return second->assigned().size() == 1; }, [&] { second->poll(none, 1, 20ms); }));
  std::string text;
  until([&] { return !text.empty(); }, [&] { text = fault_if_any([&] { first->poll(none, 1, 20ms); }, Fault::Kind::displaced); },
        20s);
  CHECK(text.contains("another instance with the same id took over"));
}

TEST_CASE("exchange: a broker that is killed and comes back costs time, and every input is in the output exactly once") {
  auto const brokers = brokers_for_tests();
  auto const* const folder = std::getenv("PENSTOCK_TEST_KAFKA_DIR");
  if (brokers.empty() || folder == nullptr) {
    MESSAGE("skipped: PENSTOCK_TEST_KAFKA_DIR (of kafka_start) is not set");
    return;
  }
  auto const connection = connection_to(brokers);
  auto const input = make_topic(connection, "raw.in", 2);
  auto const output = make_topic(connection, "md.out", 2);
  auto const group = fresh("group");
  constexpr int records = 20'000;
  produce(connection, input, numbered(0, records));
  auto const kill_and_start = [&] {
    pid_t pid = 0;
    std::ifstream{folder + std::string{"/pid"}} >> pid;
    REQUIRE(pid > 0);
    kill(pid, SIGKILL);
    REQUIRE(std::system((std::string{folder} + "/start").c_str()) == 0);
  };

  auto const consumer = make_consumer(connection, {.group = group});
  auto const exchange = make_exchange(connection, {.transactional_id = fresh("id"), .group = group});
  consumer->subscribe({input}, nullptr);
  Commits next_offsets;
  std::vector<Delivery> deliveries;
  int done = 0, outages = 0, faults = 0;
  bool rewind = false;
  // As the transformer's loop does it.
  auto const step = [&] {
    try {
      if (rewind) {
        exchange->abort();
        auto const partitions = consumer->assigned();
        auto starts = offsets_of(consumer->committed(partitions));
        for (auto const& partition : partitions) starts.try_emplace(partition, Offset{0});
        consumer->seek(starts);
        done = 0;
        for (auto const& [partition, offset] : starts) done += static_cast<int>(to_integer(offset));
        next_offsets.clear();
        rewind = false;
      }
      deliveries.clear();
      consumer->poll(deliveries, 500, 20ms);
      for (auto const& delivery : deliveries) {
        exchange->produce(output, {std::string{delivery.key}, std::string{delivery.value}, {}});
        next_offsets[{Topic{delivery.position.topic}, delivery.position.partition}] = next(delivery.position.offset);
        ++done;
      }
      if (outages < 1 && done > records / 2) {
        ++outages;
        kill_and_start();  // In the middle of an interval.
      }
      commit_and_settle(*exchange, next_offsets, *consumer);
      next_offsets.clear();
    } catch (Fault const& fault) {
      INFO(fault.what());
      REQUIRE(fault.kind() == Fault::Kind::transient);
      ++faults;
      rewind = true;
    }
  };
  CHECK(until([&] { return done >= records && !rewind && next_offsets.empty(); }, step, 120s));
  deliveries.clear();
  CHECK(outages == 1);
  MESSAGE("transient faults on the way: ", faults);
  auto values = committed_values(connection, output, records);
  CHECK(values.size() == records);
  std::ranges::sort(values);
  CHECK(std::ranges::adjacent_find(values) == values.end());
}

namespace {

[[maybe_unused]] long resident_kilobytes() {
  std::ifstream status{"/proc/self/status"};
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS:")) return std::stol(line.substr(6));
  return 0;
}

}  // namespace

TEST_CASE("kafka: a consumer that is slower than its topics holds its queue's bytes, not the topics'") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  MESSAGE("skipped: sanitizers keep memory of their own");
#else
  auto const connection = connection_to(brokers);
  auto const topic = make_topic(connection, "raw.in", 4);
  constexpr int records = 30'000, record_bytes = 4'000;
  {
    auto const producer = make_producer(connection, {});
    // What is fetched is limited as it is on its way: compressed.
    std::mt19937_64 random{1};
    std::string noise(4 << 20, ' ');
    std::ranges::generate(noise, [&] { return static_cast<char>(random()); });
    for (int i = 0; i < records; ++i) {
      auto const one = record(std::to_string(i), noise.substr(random() % (noise.size() - record_bytes), record_bytes));
      REQUIRE(until([&] { return producer->produce(topic, one); }, [&] { producer->poll(5ms); }));
      if (i % 100 == 0) producer->poll(0ms);
    }
    producer->flush(60s);
  }
  auto const before = resident_kilobytes();
  auto const consumer = make_consumer(connection, {.group = fresh("g"), .queue_bytes_max = 4 << 20});
  consumer->subscribe({topic}, nullptr);
  long most = 0;
  int got = 0;
  std::vector<Delivery> deliveries;
  auto const read = [&] {
    deliveries.clear();
    consumer->poll(deliveries, 500, 20ms);
    got += static_cast<int>(deliveries.size());
    most = std::max(most, resident_kilobytes());
  };
  REQUIRE(until([&] { return got > 0; }, read));
  std::this_thread::sleep_for(2s);  // Long enough to fetch all that there is.
  REQUIRE(until([&] { return got == records; }, read, 60s));
  deliveries.clear();
  MESSAGE("resident memory grew by kB: ", most - before);
  CHECK(most - before < records * record_bytes / 1024 / 4);  // Without the limit nearly all of it.
#endif
}
