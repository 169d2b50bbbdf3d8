#include "agents/publish_queue.hpp"

#include "test/fakes.hpp"
#include "test/folder.hpp"

#include <doctest/doctest.h>

namespace penstock::test {
namespace {

using namespace std::chrono_literals;

struct Queue {
  FakeClock clock;
  FakeProducer producer{clock};
  Metrics metrics{"publish"};
  Folder folder;
  std::unique_ptr<Spool> spool = Spool::open({.folder = folder.path, .bytes_max = 100'000});
  PublishQueue queue{producer, spool.get(), clock, metrics, "venue"};
  int put_total = 0;

  /// So many records, evenly over `time`, each followed by a turn of the loop.
  void put(int count, Duration time) {
    for (int number = 0; number < count; ++number) {
      clock.advance(time / count);
      queue.drain();
      Record record;
      record.value = std::to_string(put_total++);
      queue.put("raw.venue", std::move(record));
      queue.poll();
    }
  }
  int given() const { return static_cast<int>(producer.records.size()); }
  bool is_in_order() const {
    for (int number = 0; number < given(); ++number)
      if (producer.records[static_cast<std::size_t>(number)].record.value != std::to_string(number)) return false;
    return true;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Queue, "publish queue: records go to the producer one by one where few come, and where very many do") {
  for (auto const each_20_ms : {1, 100, 400, 2'500})
    for (int turn = 0; turn < 5; ++turn) {
      put(each_20_ms, 20ms);
      CHECK(given() == put_total);
    }
  CHECK(is_in_order());
}

TEST_CASE_FIXTURE(Queue, "publish queue: under load the records of 20 ms go to the producer together") {
  put(2'000, 40ms);
  auto before = given();
  CHECK(before <= put_total);
  int bursts = 0;
  for (int step = 0; step < 1'000; ++step) {
    put(10, 200us);
    CHECK(queue.open());
    if (given() == before) continue;
    ++bursts;
    CHECK(given() - before >= 900);
    before = given();
  }
  CHECK(bursts >= 9);
  CHECK(bursts <= 10);

  // The load is over: what waits goes at the end of its 20 ms, what then comes at once.
  clock.advance(20ms);
  queue.drain();
  CHECK(given() == put_total);
  clock.advance(20ms);
  put(1, 1ms);
  CHECK(given() == put_total);
  CHECK(is_in_order());
}

TEST_CASE_FIXTURE(Queue, "publish queue: what waits for the end of its 20 ms is not lost") {
  put(2'000, 40ms);
  REQUIRE(given() < put_total);
  CHECK_FALSE(queue.kept());
  SUBCASE("at a stop") {
    queue.flush(1s);
    CHECK(given() == put_total);
    CHECK(queue.kept());
  }
  SUBCASE("at a stop while the broker is away: it goes to the spool") {
    auto const before = given();
    producer.full = true;
    CHECK(queue.keep());
    CHECK(queue.kept());
    CHECK(given() == before);
    CHECK(spool->records() == static_cast<std::size_t>(put_total - before));
  }
  SUBCASE("where the producer is full, and then nothing more is taken until it has room") {
    producer.full = true;
    clock.advance(20ms);
    queue.drain();
    CHECK_FALSE(queue.open());
    producer.full = false;
    queue.drain();
    CHECK(queue.open());
    CHECK(given() == put_total);
  }
  SUBCASE("where the broker fails in the middle of it") {
    producer.produce_faults.emplace_back(Fault::Kind::transient, "broker away");
    clock.advance(20ms);
    try {
      queue.drain();
      FAIL("no fault");
    } catch (Fault const& fault) {
      queue.hold(fault);
    }
    CHECK_FALSE(queue.open());
    clock.advance(1s);
    queue.drain();
    CHECK(queue.open());
    CHECK(given() == put_total);
  }
  CHECK(is_in_order());
}

TEST_CASE_FIXTURE(Queue, "publish queue: a broker that fails and a spool without room: nothing more is taken") {
  producer.hold = true;
  put(1, 1ms);
  clock.advance(1s);
  CHECK(queue.open());
  producer.produce_faults.emplace_back(Fault::Kind::transient, "broker away");
  try {
    queue.drain();
    put(1, 1ms);
  } catch (Fault const& fault) {
    queue.hold(fault);
  }
  queue.drain();
  CHECK(queue.open());  // It goes to the spool.
  while (queue.open() && put_total < 10'000) put(1, 1us);
  CHECK(queue.full_since());
  CHECK(put_total < 10'000);
  CHECK(spool->records() >= static_cast<std::size_t>(put_total - 2));
}

}  // namespace penstock::test
