#include "streaming/kafka/pacing.hpp"

#include "test/kafka/support.hpp"

#include <atomic>
#include <random>
#include <set>
#include <thread>

using namespace penstock;
using namespace penstock::kafka;
using namespace penstock::kafka::test;

TEST_CASE("pacing: a backlog admits up to its limit, counting what is on its way for every partition") {
  Backlog backlog{1000};
  CHECK(backlog.admits(1000));
  backlog.queued(600);
  CHECK(backlog.admits(400));
  CHECK_FALSE(backlog.admits(401));
  backlog.written(Partition{0}, Offset{0}, 600);
  CHECK(backlog.waiting_bytes(Partition{0}) == 600);
  CHECK_FALSE(backlog.admits(401));
  backlog.committed(Partition{0}, Offset{1});
  CHECK(backlog.waiting_bytes(Partition{0}) == 0);
  CHECK(backlog.admits(1000));
}

TEST_CASE("pacing: a record larger than the limit passes once nothing else waits") {
  Backlog backlog{1000};
  CHECK(backlog.admits(5000));
  backlog.queued(5000);
  CHECK_FALSE(backlog.admits(1));
  backlog.written(Partition{2}, Offset{7}, 5000);
  CHECK_FALSE(backlog.admits(5000));
  backlog.committed(Partition{2}, Offset{8});
  CHECK(backlog.admits(5000));
}

TEST_CASE("pacing: a record that was not delivered gives its room back") {
  Backlog backlog{1000};
  backlog.queued(1000);
  backlog.failed(1000);
  CHECK(backlog.admits(1000));
}

TEST_CASE("pacing: a backlog never counts less than what is really waiting, and catches up at the end") {
  Backlog backlog{1 << 20};
  constexpr int records = 5000;
  constexpr std::int64_t size = 333;
  for (int i = 0; i < records; ++i) {
    backlog.queued(size);
    backlog.written(Partition{0}, Offset{i}, size);
  }
  for (int next = 0; next <= records; next += 97) {
    backlog.committed(Partition{0}, Offset{next});
    auto const really = (records - next) * size;
    CHECK(backlog.waiting_bytes(Partition{0}) >= really);
    CHECK(backlog.waiting_bytes(Partition{0}) <= really + (32 << 10));
  }
  backlog.committed(Partition{0}, Offset{records});
  CHECK(backlog.waiting_bytes(Partition{0}) == 0);
}

namespace {

/// Writes `count` records of 20 kB that do not compress to two partitions, while a reader that takes its time reads
/// them; returns the numbers that arrived. Without a pace it reads nothing before all is written.
std::set<int> run_through(std::size_t pace_bytes_max, int count) {
  EmbeddedBroker broker;
  broker.create_topic("raw.test", 2);
  Connection const connection{.brokers = broker.brokers(), .transactions = false};

  std::atomic<bool> written{false};
  std::set<int> arrived;
  std::jthread reader{[&] {
    if (pace_bytes_max == 0) written.wait(false);
    auto const consumer = make_consumer(connection, {.group = "slow", .queue_bytes_max = 256 << 10});
    consumer->subscribe({"raw.test"}, nullptr);
    auto quiet_since = Steady::now();
    // Without pacing the end is reached with holes: then silence ends it.
    while (static_cast<int>(arrived.size()) < count && !(written && Steady::now() - quiet_since > 3s)) {
      std::vector<Delivery> deliveries;
      consumer->poll(deliveries, 50, 20ms);
      Offsets offsets;
      for (auto const& delivery : deliveries) {
        arrived.insert(std::stoi(std::string{delivery.key}));
        offsets[{Topic{delivery.position.topic}, delivery.position.partition}] = next(delivery.position.offset);
      }
      consumer->commit({offsets.begin(), offsets.end()});
      if (deliveries.empty()) continue;
      quiet_since = Steady::now();
      std::this_thread::sleep_for(10ms);  // It is slow: that is its part in this story.
    }
    consumer->close();
  }};

  auto const producer = make_producer(connection, {.pacing = {.bytes_max = pace_bytes_max, .readers = {{"raw.test", "slow"}}}});
  std::minstd_rand random{7};
  std::string noise(20'000, ' ');
  for (int i = 0; i < count; ++i) {
    for (auto& byte : noise) byte = static_cast<char>(random() >> 8);
    auto const one = record(std::to_string(i), noise);
    REQUIRE(until([&] { return producer->produce("raw.test", one); }, [&] { producer->poll(5ms); }, 60s));
    producer->poll(0ms);
  }
  producer->flush(30s);
  CHECK(producer->written_total() == count);
  written = true;
  written.notify_one();
  reader.join();
  return arrived;
}

}  // namespace

TEST_CASE("pacing: ten times what the embedded broker keeps goes through with a slow reader, and nothing is lost") {
  constexpr int count = 5'000;  // 100 MB: 50 MB a partition.
  CHECK(run_through(2 << 20, count).size() == count);
}

TEST_CASE("pacing: without it the embedded broker drops records that nobody read") {
  CHECK(run_through(0, 5'000).size() < 5'000);
}
