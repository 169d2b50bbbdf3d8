/// Reading a topic completely, on the Kafka of PENSTOCK_TEST_BROKERS, and on the embedded broker.
#include "streaming/kafka/read_to_end.hpp"

#include "test/kafka/support.hpp"

#include <thread>

using namespace penstock;
using namespace penstock::kafka;
using namespace penstock::kafka::test;

namespace {

Topic make_topic(Connection const& connection, std::string const& name, int partitions) {
  auto const topic = fresh(name);
  apply_topics(connection, plan_topics(connection, {{.name = topic, .partitions = partitions}}));
  return topic;
}

std::size_t count(Connection const& connection, Topic const& topic, ReadToEndOptions const& options = {}) {
  ReadToEnd read{connection, {topic}, options};
  std::size_t count = 0;
  std::vector<Delivery> deliveries;
  while (read.next(deliveries)) count += deliveries.size();
  return count;
}

struct Writer {
  std::unique_ptr<Exchange> exchange;
  std::unique_ptr<Consumer> nobody;

  explicit Writer(Connection const& connection)
      : exchange{make_exchange(connection, {.transactional_id = fresh("id"), .group = "none"})},
        nobody{make_consumer(connection, {.group = "none"})} {}
  void write(Topic const& topic, int from, int to) const {
    for (auto const& each : numbered(from, to)) exchange->produce(topic, each);
    CHECK(exchange->settled(0ms));
  }
  void commit() const {
    exchange->commit({}, *nobody);
    CHECK(exchange->settled(20s));
  }
};

}  // namespace

TEST_CASE("read to end: all that was committed comes, once, behind aborted transactions too, and then there is no more") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  Connection const connection{.brokers = brokers};
  auto const topic = make_topic(connection, "raw.whole", 3);
  Writer const writer{connection};
  writer.write(topic, 0, 2'500);
  writer.commit();
  CHECK(count(connection, topic) == 2'500);
  writer.write(topic, 2'500, 2'600);
  writer.exchange->abort();
  CHECK(count(connection, topic) == 2'500);
  CHECK(count(connection, topic, {.from = {{{topic, Partition{0}}, Offset{1'000'000}}}}) ==
        2'500);  // Of an earlier topic of that name.

  ReadToEnd read{connection, {topic}, {}};
  CHECK(count(connection, topic, {.from = read.ends()}) == 0);
}

TEST_CASE("read to end: what was committed behind a transaction that is still open is waited for") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  Connection const connection{.brokers = brokers};
  auto const topic = make_topic(connection, "raw.open", 1);
  Writer const slow{connection}, quick{connection};
  slow.write(topic, 0, 1);
  // It is in the log, not only on its way.
  CHECK(until([&] { return ReadToEnd{connection, {topic}, {}}.ends().at({topic, Partition{0}}) == Offset{1}; }, [] {}));
  quick.write(topic, 10, 20);
  quick.commit();
  slow.write(topic, 1, 5);

  auto const text = fault_text([&] { count(connection, topic, {.stuck_max = 1s}); }, Fault::Kind::transient);
  CHECK(text.contains(topic + " partition 0 beyond offset"));
  std::jthread const end{[&] {
    std::this_thread::sleep_for(300ms);
    slow.commit();
  }};
  CHECK(count(connection, topic) >= 11);
}

TEST_CASE("read to end: what comes later than its making is not read, and a stop ends it") {
  MockCluster cluster;
  auto const connection = cluster.connection();
  cluster.topic("raw.mock", 2);
  produce(connection, "raw.mock", numbered(0, 100));
  ReadToEnd read{connection, {"raw.mock"}, {}};
  produce(connection, "raw.mock", numbered(100, 200));
  std::size_t count_read = 0;
  std::vector<Delivery> deliveries;
  while (read.next(deliveries)) count_read += deliveries.size();
  CHECK(count_read == 100);

  std::stop_source stop;
  stop.request_stop();
  CHECK(count(connection, "raw.mock", {.stop = stop.get_token()}) == 0);
  CHECK(fault_text([&] { count(connection, "raw.none"); }, Fault::Kind::fatal).contains("raw.none"));
}
