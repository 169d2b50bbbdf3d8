#include "test/kafka/support.hpp"

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

using namespace penstock;
using namespace penstock::kafka;
using namespace penstock::kafka::test;

TEST_CASE("kafka: a record comes back as it was written: key, bytes, headers in order, place and time") {
  MockCluster cluster;
  cluster.topic("raw.x", 1);
  std::string const bytes{"\0binary \xff\n", 10};
  produce(cluster.connection(), "raw.x",
          {record("BTC", bytes, {{"channel", "trade"}, {"empty", ""}, {"channel", "again"}}), record("", "no key, no headers")});
  auto const consumer = make_consumer(cluster.connection(), {.group = "g"});
  consumer->subscribe({"raw.x"}, nullptr);
  std::vector<Delivery> deliveries;
  REQUIRE(until([&] { return deliveries.size() == 2; }, [&] { consumer->poll(deliveries, 10, 50ms); }));
  auto const& first = deliveries[0];
  CHECK(first.key == "BTC");
  CHECK(first.value == bytes);
  REQUIRE(first.headers.size() == 3);
  CHECK(first.header("channel") == "trade");
  CHECK(first.headers[1].second.empty());
  CHECK(first.headers[2].second == "again");
  CHECK(first.position == Position{"raw.x", Partition{0}, Offset{0}});
  CHECK(std::chrono::abs(system_clock().now() - first.timestamp) < 1min);
  CHECK(deliveries[1].key.empty());
  CHECK(deliveries[1].headers.empty());
  CHECK(deliveries[1].position.offset == Offset{1});
  deliveries.clear();
  consumer->close();
}

TEST_CASE("kafka: a record of 16 MB goes through") {
  MockCluster cluster;
  cluster.topic("raw.x", 1);
  std::string const large(16 << 20, 'x');
  produce(cluster.connection(), "raw.x", {record("k", large)});
  auto const consumer = make_consumer(cluster.connection(), {.group = "g"});
  consumer->subscribe({"raw.x"}, nullptr);
  auto const values = read(*consumer, 1);
  REQUIRE(values.size() == 1);
  CHECK(values[0] == large);
}

TEST_CASE("kafka: a record larger than any topic takes is a fatal fault that says so") {
  MockCluster cluster;
  cluster.topic("raw.x", 1);
  auto const producer = make_producer(cluster.connection(), {});
  auto const text = fault_text([&] { producer->produce("raw.x", record("k", std::string(21 << 20, 'x'))); }, Fault::Kind::fatal);
  CHECK(text.contains("raw.x"));
  CHECK(text.contains("max.message.bytes"));
}

TEST_CASE("kafka: a full queue is told by false, not by memory, and empties again") {
  MockCluster cluster;
  cluster.topic("raw.x", 1);
  auto const producer = make_producer(cluster.connection(), {.queue_bytes_max = 100'000});
  auto const one = record("k", std::string(1'000, 'x'));
  rd_kafka_mock_broker_set_down(cluster.handle, 1);
  int taken = 0;
  while (taken < 10'000 && producer->produce("raw.x", one)) ++taken;
  CHECK(taken > 50);
  CHECK(taken < 100);
  CHECK(static_cast<int>(producer->queued_records()) == taken);
  fault_text([&] { producer->flush(100ms); }, Fault::Kind::transient);
  rd_kafka_mock_broker_set_up(cluster.handle, 1);
  producer->flush(20s);
  CHECK(producer->written_total() == taken);
  CHECK(producer->produce("raw.x", one));
}

TEST_CASE("kafka: a broker that refuses for a while costs retries, not records, and keeps their order") {
  MockCluster cluster;
  cluster.topic("raw.x", 1);
  rd_kafka_mock_push_request_errors(cluster.handle, 0 /* Produce */, 4, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                                    RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
                                    RD_KAFKA_RESP_ERR__TRANSPORT);
  produce(cluster.connection(), "raw.x", numbered(0, 500));
  auto const consumer = make_consumer(cluster.connection(), {.group = "g"});
  rd_kafka_mock_push_request_errors(cluster.handle, 1 /* Fetch */, 3, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                    RD_KAFKA_RESP_ERR_UNKNOWN, RD_KAFKA_RESP_ERR__TRANSPORT);
  consumer->subscribe({"raw.x"}, nullptr);
  auto const values = read(*consumer, 500);
  REQUIRE(values.size() == 500);
  for (int i = 0; i < 500; ++i) CHECK(values[static_cast<std::size_t>(i)] == std::to_string(i));
}

TEST_CASE("kafka: what a broker refuses while a later request is on its way is not lost") {
  MockCluster cluster;
  cluster.topic("raw.x", 1);
  produce(cluster.connection(), "raw.x", {record("k", "before")});
  // The first answer comes when the second request has been sent, if that does not wait for it.
  rd_kafka_mock_broker_push_request_error_rtts(cluster.handle, 1, 0 /* Produce */, 2, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                               700, RD_KAFKA_RESP_ERR_NO_ERROR, 700);
  auto const producer = make_producer(cluster.connection(), {});
  REQUIRE(producer->produce("raw.x", record("k", "first")));
  auto const sent = Steady::now() + 300ms;
  until([&] { return Steady::now() > sent; }, [&] { producer->poll(10ms); });
  REQUIRE(producer->produce("raw.x", record("k", "second")));
  producer->flush(20s);
  CHECK(producer->written_total() == 2);
  auto const consumer = make_consumer(cluster.connection(), {.group = "g"});
  consumer->subscribe({"raw.x"}, nullptr);
  CHECK(read(*consumer, 3, 10s) == std::vector<std::string>{"before", "first", "second"});
}

TEST_CASE("exchange: a record that the broker only says it has, without saying where, fails its transaction") {
  MockCluster cluster;
  cluster.topic("raw.x", 1);
  cluster.topic("md.x", 1);
  produce(cluster.connection(), "raw.x", {record("k", "in")});
  auto connection = cluster.connection();
  connection.transactions = true;
  auto const consumer = make_consumer(connection, {.group = "g"});
  consumer->subscribe({"raw.x"}, nullptr);
  REQUIRE(read(*consumer, 1).size() == 1);
  auto const exchange = make_exchange(connection, {.transactional_id = "t", .group = "g"});
  rd_kafka_mock_push_request_errors(cluster.handle, 0 /* Produce */, 1, RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER);
  exchange->produce("md.x", record("k", "out"));
  Commits const commits{{{"raw.x", Partition{0}}, {Offset{1}, ""}}};
  CHECK(fault_text([&] { commit_and_settle(*exchange, commits, *consumer); }, Fault::Kind::transient).contains("md.x"));
  CHECK(consumer->committed({{"raw.x", Partition{0}}}).empty());
}

TEST_CASE("kafka: a topic that one may not write to is a fatal fault") {
  MockCluster cluster;
  cluster.topic("raw.x", 1);
  rd_kafka_mock_push_request_errors(cluster.handle, 0, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
  auto const producer = make_producer(cluster.connection(), {});
  REQUIRE(producer->produce("raw.x", record("k", "v")));
  std::string text;
  until([&] { return !text.empty(); }, [&] { text = fault_if_any([&] { producer->poll(50ms); }, Fault::Kind::fatal); });
  CHECK(text.contains("raw.x"));
  CHECK(text.contains("kafka.sasl_username"));
}

TEST_CASE("kafka: a record that could not be delivered is a fatal fault, for it is gone") {
  MockCluster cluster;
  cluster.topic("raw.x", 1);
  rd_kafka_mock_push_request_errors(cluster.handle, 0, 1, RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP);
  auto const producer = make_producer(cluster.connection(), {});
  REQUIRE(producer->produce("raw.x", record("k", "v")));
  CHECK(fault_text([&] { producer->flush(10s); }, Fault::Kind::fatal).contains("raw.x"));
}

TEST_CASE("kafka: what is lost and gained again within one poll is read on") {
  MockCluster cluster;
  cluster.topic("raw.x", 1);
  produce(cluster.connection(), "raw.x", numbered(0, 1));
  auto const consumer = make_consumer(cluster.connection(), {.group = "g", .session_timeout = 6s});
  int gains = 0;
  consumer->subscribe({"raw.x"}, [&](Assignment const& assignment) {
    Offsets starts;
    for (auto const& gained : assignment.gained) {
      if (++gains == 2) produce(cluster.connection(), "raw.x", numbered(1, 2));
      starts[gained] = Offset{gains - 1};
    }
    return starts;
  });
  REQUIRE(read(*consumer, 1).size() == 1);
  rd_kafka_mock_push_request_errors(cluster.handle, 12 /* Heartbeat */, 1, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
  std::vector<std::string> values;
  until([&] { return !values.empty(); },
        [&] {
          std::vector<Delivery> deliveries;
          consumer->poll(deliveries, 10, 8s);
          for (auto const& delivery : deliveries) values.emplace_back(delivery.value);
        },
        12s);
  CHECK(gains == 2);
  CHECK(values == std::vector<std::string>{"1"});
  consumer->close();
}

TEST_CASE("kafka: where on_assignment says, there reading starts; elsewhere at the committed offset, else at the earliest") {
  MockCluster cluster;
  cluster.topic("raw.x", 1);
  produce(cluster.connection(), "raw.x", numbered(0, 100));
  TopicPartition const partition{"raw.x", Partition{0}};
  auto const commit_30 = [&](char const* group) {
    auto const consumer = make_consumer(cluster.connection(), {.group = group});
    consumer->commit({{partition, Offset{30}}});
    std::vector<Delivery> none;
    CHECK(until([&] { return consumer->committed({partition}) == Commits{{partition, Offset{30}}}; },
                [&] { consumer->poll(none, 1, 10ms); }));
  };
  auto const first_of = [&](char const* group, Consumer::OnAssignment on_assignment) {
    auto const consumer = make_consumer(cluster.connection(), {.group = group});
    consumer->subscribe({"raw.x"}, std::move(on_assignment));
    return read(*consumer, 1).at(0);
  };
  CHECK(first_of("new", nullptr) == "0");
  commit_30("old");
  CHECK(first_of("old", nullptr) == "30");
  commit_30("told");
  CHECK(first_of("told", [](Assignment const& assignment) {
          Offsets starts;
          for (auto const& gained : assignment.gained) starts[gained] = Offset{70};
          return starts;
        }) == "70");
}

TEST_CASE("kafka: seek() holds, however late the broker says where a topic begins") {
  MockCluster cluster;
  cluster.topic("raw.x", 1);
  produce(cluster.connection(), "raw.x", numbered(0, 100));
  constexpr std::int16_t list_offsets = 2;
  rd_kafka_mock_broker_push_request_error_rtts(cluster.handle, 1, list_offsets, 1, RD_KAFKA_RESP_ERR_NO_ERROR, 600);
  auto const consumer = make_consumer(cluster.connection(), {.group = "new"});
  consumer->subscribe({"raw.x"}, nullptr);
  std::vector<Delivery> before;
  REQUIRE(until([&] { return !consumer->assigned().empty(); }, [&] { consumer->poll(before, 1000, 1ms); }));
  std::this_thread::sleep_for(200ms);  // librdkafka's own question, if it has one, is on its way.
  consumer->seek({{TopicPartition{"raw.x", Partition{0}}, Offset{100}}});
  std::vector<Delivery> after;
  auto const end = Steady::now() + 1500ms;
  until([&] { return !after.empty() || Steady::now() > end; }, [&] { consumer->poll(after, 1000, 50ms); });
  CHECK(after.empty());
  produce(cluster.connection(), "raw.x", numbered(100, 101));
  auto const values = read(*consumer, 1);
  REQUIRE(values.size() == 1);
  CHECK(values.front() == "100");
}

TEST_CASE("kafka: a broker that does not say where to start is asked again, and seek() places what waits for it") {
  MockCluster cluster;
  cluster.topic("raw.x", 1);
  produce(cluster.connection(), "raw.x", numbered(0, 100));
  TopicPartition const partition{"raw.x", Partition{0}};
  auto const next_answer = [&](rd_kafka_resp_err_t error, int after_ms) {
    constexpr std::int16_t list_offsets = 2;
    rd_kafka_mock_broker_push_request_error_rtts(cluster.handle, 1, list_offsets, 1, error, after_ms);
  };
  int gained = 0;
  auto const consumer = make_consumer(cluster.connection(), {.group = "new"});
  consumer->subscribe({"raw.x"}, [&](Assignment const& assignment) -> Offsets {
    gained += static_cast<int>(assignment.gained.size());
    return {};
  });
  std::vector<Delivery> deliveries;
  auto const gain = [&] {
    REQUIRE(until([&] { return gained > 0; }, [&] { consumer->poll(deliveries, 1000, 1ms); }));
    REQUIRE(deliveries.empty());
    CHECK(consumer->assigned().empty());
  };
  SUBCASE("it is late") {
    next_answer(RD_KAFKA_RESP_ERR_NO_ERROR, 2'500);
    gain();
    CHECK(read(*consumer, 1) == std::vector<std::string>{"0"});
    CHECK(gained == 2);
  }
  SUBCASE("it does not know the partition yet") {
    next_answer(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, 0);
    gain();
    CHECK(read(*consumer, 1) == std::vector<std::string>{"0"});
    CHECK(gained == 2);
  }
  SUBCASE("placed meanwhile") {
    next_answer(RD_KAFKA_RESP_ERR_NO_ERROR, 2'500);
    gain();
    consumer->seek({{partition, Offset{70}}});
    CHECK(consumer->assigned() == std::vector{partition});
    CHECK(read(*consumer, 1) == std::vector<std::string>{"70"});
    CHECK(gained == 1);
  }
}

TEST_CASE("kafka: an on_assignment that fails is told from poll() and asked again, and nothing is read before") {
  MockCluster cluster;
  cluster.topic("raw.x", 2);
  produce(cluster.connection(), "raw.x", numbered(0, 100));
  auto const consumer = make_consumer(cluster.connection(), {.group = "g"});
  int calls = 0;
  std::size_t gained = 0;
  consumer->subscribe({"raw.x"}, [&](Assignment const& assignment) -> Offsets {
    if (!assignment.gained.empty() && ++calls < 3) throw Fault{Fault::Kind::transient, "the database is away"};
    gained = assignment.gained.size();
    return {};
  });
  int faults = 0;
  std::vector<Delivery> deliveries;
  REQUIRE(until([&] { return deliveries.size() == 100; },
                [&] {
                  try {
                    consumer->poll(deliveries, 1000, 50ms);
                  } catch (Fault const& fault) {
                    CHECK(fault.what() == std::string{"the database is away"});
                    CHECK(deliveries.empty());
                    ++faults;
                  }
                }));
  CHECK(faults == 2);
  CHECK(gained == 2);
  deliveries.clear();
  consumer->close();
}

TEST_CASE("kafka: paused partitions stay silent, their neighbours do not, and nothing is lost when they go on") {
  MockCluster cluster;
  cluster.topic("raw.a", 1);
  cluster.topic("raw.b", 1);
  produce(cluster.connection(), "raw.a", numbered(0, 50));
  produce(cluster.connection(), "raw.b", numbered(100, 150));
  auto const consumer = make_consumer(cluster.connection(), {.group = "g"});
  // Paused from inside the callback: before the first record.
  consumer->subscribe({"raw.a", "raw.b"}, [&](Assignment const& assignment) {
    for (auto const& partition : assignment.gained)
      if (partition.topic == "raw.a") consumer->pause({partition});
    return Offsets{};
  });
  auto const neighbours = read(*consumer, 50);
  CHECK(std::set<std::string>(neighbours.begin(), neighbours.end()).contains("149"));
  CHECK(read(*consumer, 1, 500ms).empty());
  consumer->resume({{"raw.a", Partition{0}}});
  auto const resumed = read(*consumer, 50);
  REQUIRE(resumed.size() == 50);
  CHECK(resumed.front() == "0");
  CHECK(resumed.back() == "49");
  consumer->close();
}

TEST_CASE("kafka: a partition that was paused when it was lost is read when it comes back") {
  MockCluster cluster;
  cluster.topic("raw.x", 2);
  // Here a group shares anew when its session timeout is over.
  ConsumerOptions const options{.group = "g", .session_timeout = 2s};
  auto const first = make_consumer(cluster.connection(), options);
  auto const second = make_consumer(cluster.connection(), options);
  std::vector<Delivery> none;
  first->subscribe({"raw.x"}, nullptr);
  REQUIRE(until([&] { return first->assigned().size() == 2; }, [&] { first->poll(none, 1, 20ms); }));
  first->pause(first->assigned());
  second->subscribe({"raw.x"}, nullptr);
  REQUIRE(
      until([&] { return second->assigned().size() == 1; }, [&] { first->poll(none, 1, 20ms), second->poll(none, 1, 20ms); }));
  second->close();
  REQUIRE(until([&] { return first->assigned().size() == 2; }, [&] { first->poll(none, 1, 20ms); }));
  first->resume(first->assigned());
  produce(cluster.connection(), "raw.x", numbered(0, 20));
  CHECK(read(*first, 20, 5s).size() == 20);
}

TEST_CASE("kafka: the record that comes while a partition is paused at its end is not skipped") {
  MockCluster cluster;
  cluster.topic("raw.x", 1);
  produce(cluster.connection(), "raw.x", numbered(0, 3));
  auto const consumer = make_consumer(cluster.connection(), {.group = "g"});
  consumer->subscribe({"raw.x"}, nullptr);
  REQUIRE(read(*consumer, 3).size() == 3);
  CHECK(read(*consumer, 1, 500ms).empty());  // The end was seen.
  consumer->pause(consumer->assigned());
  produce(cluster.connection(), "raw.x", numbered(3, 5));
  consumer->resume(consumer->assigned());
  CHECK(read(*consumer, 2, 5s) == std::vector<std::string>{"3", "4"});
}

TEST_CASE("kafka: what is told of a partition is no record of it: the one that comes during the next pause is read") {
  for (bool const fails : {false, true}) {
    CAPTURE(fails);
    MockCluster cluster;
    cluster.topic("raw.x", 1);
    auto const consumer = make_consumer(cluster.connection(), {.group = "g"});
    consumer->subscribe({"raw.x"}, nullptr);
    std::vector<Delivery> deliveries;
    REQUIRE(until([&] { return consumer->assigned().size() == 1; }, [&] { consumer->poll(deliveries, 1'000, 10ms); }));
    produce(cluster.connection(), "raw.x", numbered(0, 3));
    std::this_thread::sleep_for(300ms);  // They are there, and then the end, or a failure.
    if (fails) {
      rd_kafka_mock_push_request_errors(cluster.handle, 1 /* Fetch */, 1, RD_KAFKA_RESP_ERR_UNKNOWN);
      std::this_thread::sleep_for(500ms);
    }
    consumer->poll(deliveries, 1'000, 1s);
    REQUIRE(deliveries.size() == 3);
    consumer->pause(consumer->assigned());
    produce(cluster.connection(), "raw.x", numbered(3, 5));
    consumer->resume(consumer->assigned());
    CHECK(read(*consumer, 2, 5s) == std::vector<std::string>{"3", "4"});
  }
}

TEST_CASE("kafka: after a seek, records come from there, also when it was paused or has just been assigned") {
  MockCluster cluster;
  cluster.topic("raw.x", 1);
  produce(cluster.connection(), "raw.x", numbered(0, 100));
  TopicPartition const partition{"raw.x", Partition{0}};
  auto const consumer = make_consumer(cluster.connection(), {.group = "g"});
  consumer->subscribe({"raw.x"}, nullptr);
  REQUIRE(until([&] { return consumer->assigned().size() == 1; },
                [&] {
                  std::vector<Delivery> none;
                  consumer->poll(none, 1, 10ms);
                }));
  consumer->seek({{partition, Offset{90}}});
  CHECK(read(*consumer, 1).at(0) == "90");
  CHECK(read(*consumer, 5).size() == 5);
  consumer->pause({partition});
  consumer->seek({{partition, Offset{10}}});
  CHECK(read(*consumer, 1, 300ms).empty());
  consumer->resume({partition});
  auto const values = read(*consumer, 90);
  REQUIRE(values.size() == 90);
  CHECK(values.front() == "10");
  CHECK(values.back() == "99");
  consumer->close();
}

TEST_CASE("kafka: the lag is what is left, and 0 at the end") {
  MockCluster cluster;
  cluster.topic("raw.x", 2);
  produce(cluster.connection(), "raw.x", numbered(0, 100));
  auto const consumer = make_consumer(cluster.connection(), {.group = "g"});
  consumer->subscribe({"raw.x"}, nullptr);
  CHECK(read(*consumer, 40).size() == 40);
  // Where the other partition ends is known with its first fetch.
  REQUIRE(until([&] { return consumer->lag_records() == 60; }, [] { std::this_thread::sleep_for(10ms); }, 5s));
  CHECK(read(*consumer, 60).size() == 60);
  CHECK(consumer->lag_records() == 0);
  consumer->close();
}

TEST_CASE("kafka: a follower reads all partitions without a group, from the beginning, the end, or a time") {
  MockCluster cluster;
  cluster.topic("md.gaps", 3);
  produce(cluster.connection(), "md.gaps", numbered(0, 30));
  auto const all = make_follower(cluster.connection(), {"md.gaps"}, {});
  CHECK(read(*all, 30).size() == 30);
  CHECK(all->lag_records() == 0);
  auto const from_end = make_follower(cluster.connection(), {"md.gaps"}, {.from_earliest = false});
  produce(cluster.connection(), "md.gaps", numbered(30, 33));
  auto values = read(*from_end, 3);
  std::ranges::sort(values);
  CHECK(values == std::vector<std::string>{"30", "31", "32"});
  auto const seeking = make_follower(cluster.connection(), {"md.gaps"}, {});
  Offsets ends;
  for (auto const& partition : seeking->assigned()) ends[partition] = Offset{1};
  seeking->seek(ends);
  CHECK(read(*seeking, 30).size() == 30);
}

TEST_CASE("kafka: following a topic that does not exist is a fatal fault that says what to do") {
  MockCluster cluster;
  cluster.topic("md.gaps", 1);
  auto const text = fault_text([&] { make_follower(cluster.connection(), {"md.gapz"}, {}); }, Fault::Kind::fatal);
  CHECK(text.contains("md.gapz"));
  CHECK(text.contains("penstock topics apply"));
}

TEST_CASE("kafka: a second member takes over half of the partitions, and no delivery of a lost one comes afterwards") {
  MockCluster cluster;
  cluster.topic("raw.x", 4);
  produce(cluster.connection(), "raw.x", numbered(0, 2'000));
  auto const connection = cluster.connection();
  auto const first = make_consumer(connection, {.group = "g", .session_timeout = 6s});
  std::set<TopicPartition> owned;
  first->subscribe({"raw.x"}, [&](Assignment const& assignment) {
    owned.insert(assignment.gained.begin(), assignment.gained.end());
    for (auto const& partition : assignment.lost) owned.erase(partition);
    return Offsets{};
  });
  std::vector<Delivery> deliveries;
  bool foreign = false;
  auto const step = [&] {
    deliveries.clear();
    first->poll(deliveries, 3, 20ms);
    for (auto const& delivery : deliveries)
      foreign = foreign || !owned.contains({Topic{delivery.position.topic}, delivery.position.partition});
  };
  REQUIRE(until([&] { return owned.size() == 4; }, step));
  std::atomic<std::size_t> others{0};
  std::jthread const second{[&](std::stop_token const& stop) {
    auto const consumer = make_consumer(connection, {.group = "g", .session_timeout = 6s});
    consumer->subscribe({"raw.x"}, nullptr);
    while (!stop.stop_requested()) {
      std::vector<Delivery> theirs;
      consumer->poll(theirs, 100, 20ms);
      others = consumer->assigned().size();
    }
    consumer->close();
  }};
  CHECK(until([&] { return owned.size() == 2 && others == 2; }, step, 40s));
  CHECK_FALSE(foreign);
  CHECK(first->assigned().size() == 2);
  deliveries.clear();
  first->close();
}

TEST_CASE("kafka: closing gives the partitions back through on_assignment, within its time even without a broker") {
  MockCluster cluster;
  cluster.topic("raw.x", 2);
  auto const consumer = make_consumer(cluster.connection(), {.group = "g"});
  std::size_t gained = 0, lost = 0;
  consumer->subscribe({"raw.x"}, [&](Assignment const& assignment) {
    gained += assignment.gained.size();
    lost += assignment.lost.size();
    return Offsets{};
  });
  std::vector<Delivery> none;
  REQUIRE(until([&] { return gained == 2; }, [&] { consumer->poll(none, 1, 20ms); }));
  rd_kafka_mock_broker_set_down(cluster.handle, 1);
  auto const began = Steady::now();
  consumer->close();
  CHECK(Steady::now() - began < 4s);
  CHECK(lost == 2);
}

TEST_CASE("kafka: without a broker the committed offsets are a transient fault, soon enough for a stop") {
  MockCluster cluster;
  cluster.topic("raw.x", 1);
  auto const consumer = make_consumer(cluster.connection(), {.group = "g"});
  CHECK(consumer->committed({{"raw.x", Partition{0}}}).empty());
  rd_kafka_mock_broker_set_down(cluster.handle, 1);
  auto const began = Steady::now();
  auto const text = fault_text([&] { consumer->committed({{"raw.x", Partition{0}}}); }, Fault::Kind::transient);
  CHECK(text.contains("committed offsets"));
  CHECK(Steady::now() - began < 2s);
}

TEST_CASE("exchange, plain: offsets are committed only when the output is acknowledged") {
  MockCluster cluster;
  cluster.topic("raw.x", 1);
  cluster.topic("md.trades", 1);
  auto const connection = cluster.connection();
  produce(connection, "raw.x", numbered(0, 10));
  TopicPartition const input{"raw.x", Partition{0}};
  auto const consumer = make_consumer(connection, {.group = "g"});
  consumer->subscribe({"raw.x"}, nullptr);
  REQUIRE(read(*consumer, 10).size() == 10);
  std::stop_source stop;
  auto const exchange = make_exchange(connection, {.group = "g", .stop = stop.get_token()});
  for (int i = 0; i < 10; ++i) exchange->produce("md.trades", record("k", std::to_string(i)));
  commit_and_settle(*exchange, {{input, {Offset{10}, "a note"}}}, *consumer);
  CHECK(consumer->committed({input}).at(input).offset == Offset{10});

  rd_kafka_mock_broker_set_down(cluster.handle, 1);
  exchange->produce("md.trades", record("k", "lost"));
  stop.request_stop();  // Instead of waiting for the limit.
  fault_text([&] { commit_and_settle(*exchange, {{input, Offset{11}}}, *consumer); }, Fault::Kind::transient);
  exchange->abort();
  rd_kafka_mock_broker_set_up(cluster.handle, 1);
  Commits now;
  REQUIRE(until([&] { return !now.empty(); },
                [&] {
                  try {
                    now = consumer->committed({input});
                  } catch (Fault const& fault) {
                    CHECK(fault.kind() == Fault::Kind::transient);
                  }
                }));
  CHECK(now.at(input) == Commit{Offset{10}, "a note"});
  consumer->close();
}

TEST_CASE("exchange, plain: a full queue blocks, and a requested stop ends that") {
  MockCluster cluster;
  cluster.topic("md.trades", 1);
  rd_kafka_mock_broker_set_down(cluster.handle, 1);
  std::stop_source stop;
  auto const exchange = make_exchange(cluster.connection(), {.group = "g", .queue_bytes_max = 10'000, .stop = stop.get_token()});
  std::jthread const stopper{[&] {
    std::this_thread::sleep_for(200ms);
    stop.request_stop();
  }};
  auto const text = fault_text(
      [&] {
        for (int i = 0; i < 1'000; ++i) exchange->produce("md.trades", record("k", std::string(1'000, 'x')));
      },
      Fault::Kind::transient);
  CHECK(text.contains("queue was full"));
}

TEST_CASE("topics: an address where nothing listens, or no host, is one clear line") {
  auto text = fault_text([] { check_reachable({.brokers = "127.0.0.1:1"}, 500ms); }, Fault::Kind::fatal);
  CHECK(text.contains("127.0.0.1:1"));
  CHECK(text.contains("refused"));
  CHECK(text.contains("kafka.brokers"));
  CHECK_FALSE(text.contains('\n'));
  text = fault_text([] { check_reachable({.brokers = "no-such-host.invalid:9092"}, 500ms); }, Fault::Kind::fatal);
  CHECK(text.contains("no-such-host.invalid:9092"));
  CHECK(text.contains("resolve"));
  MockCluster cluster;
  CHECK_NOTHROW(check_reachable(cluster.connection(), 5s));
}

TEST_CASE("kafka: a property that librdkafka does not know is a usage error that names it") {
  MockCluster cluster;
  auto connection = cluster.connection();
  connection.properties["sasl.mechanisn"] = "PLAIN";
  try {
    make_producer(connection, {});
    FAIL("taken");
  } catch (UsageError const& error) {
    CHECK(std::string{error.what()}.contains("sasl.mechanisn"));
    CHECK(std::string{error.what()}.contains("kafka.properties"));
  }
}

TEST_CASE("topics: the embedded broker lists what was made in it") {
  EmbeddedBroker broker;
  broker.create_topic("raw.binance", 3);
  Connection const connection{.brokers = broker.brokers(), .transactions = false};
  CHECK(list_topics(connection) == std::map<Topic, int>{{"raw.binance", 3}});
  auto const differences = plan_topics(connection, {{.name = "raw.binance", .partitions = 3, .config = {{"retention.ms", "1"}}},
                                                    {.name = "raw.kraken", .partitions = 3}});
  REQUIRE(differences.size() == 1);
  CHECK(differences[0].kind == TopicDifference::Kind::create);
  CHECK(differences[0].spec.name == "raw.kraken");
}

TEST_CASE("producer: records count as settled up to the first that is not acknowledged, whatever other partitions answer") {
  MockCluster cluster;
  cluster.topic("raw.in", 2);
  auto const producer = make_producer(cluster.connection(), {});
  rd_kafka_mock_partition_set_leader(cluster.handle, "raw.in", 1, -1);
  for (auto const& one : numbered(0, 100)) REQUIRE(producer->produce("raw.in", one));
  // The other partition is done when nothing more comes.
  std::int64_t before = -1;
  REQUIRE(until([&] { return before > 0 && producer->written_total() == before; },
                [&] {
                  before = producer->written_total();
                  producer->poll(500ms);
                }));
  CHECK(producer->written_total() > 20);
  CHECK(producer->written_total() < 80);
  CHECK(producer->settled_total() < 20);
  rd_kafka_mock_partition_set_leader(cluster.handle, "raw.in", 1, 1);
  producer->flush(20s);
  CHECK(producer->settled_total() == 100);
}

TEST_CASE("producer: behind a partition that is late the queue is full, however many others are acknowledged") {
  MockCluster cluster;
  cluster.topic("raw.in", 2);
  auto const producer = make_producer(cluster.connection(), {.queue_bytes_max = 100'000});
  rd_kafka_mock_partition_set_leader(cluster.handle, "raw.in", 1, -1);
  auto const more = numbered(0, 1'000);
  auto next = more.begin();
  auto const fill = [&] {
    while (next != more.end() && producer->produce("raw.in", *next)) ++next;
    producer->poll(50ms);
  };
  CHECK(until([&] { return producer->written_total() > 50; }, fill));
  for (auto const end = Steady::now() + 1s; Steady::now() < end;) fill();
  CHECK(next - more.begin() < 300);
  CHECK(producer->settled_total() < 20);
  rd_kafka_mock_partition_set_leader(cluster.handle, "raw.in", 1, 1);
  CHECK(until([&] { return producer->settled_total() == 1'000; }, fill));
}

TEST_CASE("consumer: there is a lag as long as the ends are not known") {
  MockCluster cluster;
  cluster.topic("md.gaps", 1);
  auto const follower = make_follower(cluster.connection(), {"md.gaps"}, {});
  CHECK(follower->lag_records() == 1);
  std::vector<Delivery> none;
  CHECK(until([&] { return follower->lag_records() == 0; }, [&] { follower->poll(none, 10, 20ms); }));
  CHECK(none.empty());
}
