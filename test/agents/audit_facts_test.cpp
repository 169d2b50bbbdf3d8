/// What `penstock audit` finds when somebody has meddled with a broker and a database that are real, and with an embedded broker.
#include "agents/operate/audit_facts.hpp"

#include "agents/dead/marks.hpp"
#include "agents/operate/audit_report.hpp"
#include "test/kafka/support.hpp"
#include "test/postgres/database.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <future>
#include <thread>

using namespace penstock;
using namespace penstock::test;
using kafka::test::fresh;
using kafka::test::produce;

namespace {

constexpr auto options_kind = static_cast<std::size_t>(std::ranges::find(kind_names, Option::kind) - kind_names.begin());

Option option_of(int n) {
  Option option;
  option.source = "venue", option.symbol = "BTC/USD:BTC-251226-100000-C", option.time = second(n), option.received_at = second(n);
  option.bid = decimal("1.5");
  return option;
}

/// By their names, with other tests on the same broker: they must be empty before and gone after.
std::vector<Topic> const shared{"md.options", "md.options.dead", Topic{dead_marks_topic}};

void delete_topics(kafka::Connection const& connection, std::vector<Topic> const& topics) {
  kafka::Settings settings{connection};
  kafka::Trouble trouble;
  auto const client = settings.client(RD_KAFKA_PRODUCER, &trouble);
  kafka::KafkaQueue const answers{rd_kafka_queue_new(client.get())};
  for (auto const& topic : topics) {
    auto* asked = rd_kafka_DeleteTopic_new(topic.c_str());
    rd_kafka_DeleteTopics(client.get(), &asked, 1, nullptr, answers.get());
    rd_kafka_DeleteTopic_destroy(asked);
    kafka::KafkaEvent const event{rd_kafka_queue_poll(answers.get(), 10'000)};
  }
  REQUIRE(kafka::test::until(
      [&] {
        auto const there = kafka::list_topics(connection);
        return std::ranges::none_of(topics, [&](auto const& topic) { return there.contains(topic); });
      },
      [] { std::this_thread::sleep_for(std::chrono::milliseconds{20}); }));
}

/// 40 frames in two partitions became 36 records of md.options and 4 letters; stores took 30 of them, one of which is a letter
/// now.
struct World {
  kafka::Connection connection;
  Topic raw = fresh("raw.audit");
  std::string group = fresh("transform");
  TestDatabase database;
  postgres::Connection sql{database.connect()};
  std::map<TopicPartition, Ledger> ledgers;

  explicit World(std::string const& brokers) : connection{.brokers = brokers} {
    delete_topics(connection, shared);
    std::vector<kafka::TopicSpec> wanted;
    for (auto const& topic : topics()) wanted.push_back({.name = topic, .partitions = 2});
    kafka::apply_topics(connection, kafka::plan_topics(connection, wanted));
    transform();
    store();
  }
  ~World() {
    if (connection.transactions) delete_topics(connection, shared);
  }
  World(World const&) = delete;
  World& operator=(World const&) = delete;
  explicit World(kafka::test::MockCluster& cluster) : connection{cluster.connection()} {
    for (auto const& topic : topics()) cluster.topic(topic.c_str(), 2);
    transform();
    store();
  }

  std::vector<Topic> topics() const {
    return {raw, raw + ".dead", "md.options", "md.options.dead", Topic{dead_marks_topic}, Topic{ledger_topic}};
  }

  void transform() {
    produce(connection, raw, kafka::test::numbered(0, 40));
    std::vector<Record> letters, records;
    for (auto const& [partition, kept] : kafka::kept_offsets(connection, {{raw, 2}})) {
      auto& ledger = ledgers[partition];
      ledger.topic = raw, ledger.partition = partition.partition;
      ledger.to = kept.end, ledger.frames = ledger.decoded = ledger.records = to_integer(kept.end);
      REQUIRE(ledger.frames > 2);
      ledger.dead = 1, ledger.dead_frames = 1, --ledger.decoded, --ledger.records;
      ledger.written[options_kind] = ledger.records - 1;
      for (auto const offset : {0, 1}) letters.push_back(letter(raw, partition.partition, offset));
      for (int i = 0; i < ledger.records - 1; ++i) records.push_back({.key = std::to_string(i), .value = "{}"});
    }
    produce(connection, raw + ".dead", letters);
    produce(connection, "md.options", records);
    commit();
  }

  void store() {
    BatchOf batch;
    int n = 0;
    for (auto const& [partition, kept] : kafka::kept_offsets(connection, {{"md.options", 2}})) {
      auto const p = to_integer(partition.partition);
      auto const taken = to_integer(kept.end) - 3;  // Three of each partition are still on their way.
      REQUIRE(taken > 1);
      for (int i = 1; i < taken; ++i) batch.add(option_of(++n), false, p);
      ++batch.batch.read[partition], batch.batch.dead[partition] = 1;
      batch.moves("md.options", p, -1, taken);
      produce(connection, "md.options.dead", {letter("md.options", partition.partition, 0)});
    }
    postgres::PostgresSink sink{database.sink_options()};
    write(sink, batch.batch);
  }

  static Record letter(Topic const& topic, Partition partition, std::int64_t offset) {
    return {
        .key = "k",
        .value = "bad",
        .headers = {{"topic", topic}, {"partition", std::to_string(to_integer(partition))}, {"offset", std::to_string(offset)}}};
  }

  void commit(std::optional<Offset> elsewhere = {}) {
    Commits commits;
    for (auto const& [partition, ledger] : ledgers) commits[partition] = {ledger.to, to_json(ledger, group, "here", second(0))};
    if (elsewhere) commits[{raw, Partition{1}}] = {*elsewhere, ""};
    auto const consumer = kafka::make_consumer(connection, {.group = group});
    consumer->commit(commits);
    REQUIRE(kafka::test::until(
        [&] {
          auto const now = kafka::committed_offsets(connection, group, {{raw, 2}});
          return now == commits;
        },
        [&] {
          std::vector<Delivery> none;
          consumer->poll(none, 1, std::chrono::milliseconds{10});
        }));
  }

  AuditFacts facts(std::string const& store_group = "group") {
    return audit_facts({.kafka = connection,
                        .database = sql,
                        .transform_group = group,
                        .store_group = store_group,
                        .kinds = {"options"},
                        .read_all = false,
                        .stop = {}});
  }
  /// "where: what" of all differences.
  std::vector<std::string> differences(bool deep = false) {
    std::vector<std::string> found;
    auto seen = facts();
    if (deep) seen.tables = count_rows(sql, {"options"});
    for (auto const& remark : reconcile(seen))
      if (remark.differs) found.push_back(remark.where + ": " + remark.what);
    return found;
  }
  std::string only_difference(bool deep = false) {
    auto const found = differences(deep);
    CHECK(found.size() == 1);
    return found.empty() ? "" : found.front();
  }
};

std::string has(std::vector<std::string> const& differences, std::size_t count, std::string const& text) {
  std::string all;
  for (auto const& difference : differences) all += difference + '\n';
  return differences.size() == count && all.contains(text) ? "" : std::to_string(differences.size()) + " differences:\n" + all;
}

}  // namespace

TEST_CASE("audit: meddling with the database is found, with the partition, and is forgotten when it is undone") {
  if (no_database()) return;
  kafka::test::MockCluster cluster;
  World world{cluster};
  CHECK(world.differences(true).empty());
  auto const facts = world.facts();
  CHECK(sums_by_kind(facts).at(options_kind).read + 6 == facts.written_before[options_kind]);
  CHECK(facts.written_before == facts.written_after);
  CHECK(audit_text(facts, {}).contains("it adds up: 2 partitions of raw topics, 2 of md topics"));
  CHECK(facts.other_store_groups.empty());
  CHECK(world.facts("mistyped").other_store_groups == std::vector<std::string>{"group"});

  auto const meddle = [&](std::string const& statement, std::size_t count, std::string const& text, bool deep = false) {
    CAPTURE(statement);
    world.sql.execute(
        "create table before as select * from penstock.ledger; create table places as select * from penstock.offsets;"
        "create table rows as select * from options");
    world.sql.execute(statement);
    CHECK(has(world.differences(deep), count, text) == "");
    world.sql.execute(
        "delete from penstock.ledger; insert into penstock.ledger select * from before; drop table before;"
        "delete from penstock.offsets; insert into penstock.offsets select * from places; drop table places;"
        "delete from options; insert into options select * from rows; drop table rows");
  };
  // All hours of a partition; then one of two.
  meddle("delete from penstock.ledger where partition = 1", 2, "md.options/1: the stores are at offset");
  meddle(
      "insert into penstock.ledger select consumer_group, topic, partition, hour - interval '1 hour', instance, 0, 2, 2, 0, 0, "
      "1, 0, 1"
      " from penstock.ledger where partition = 0;"
      "update penstock.ledger set from_offset = 2, read = read - 2, written = written - 1, dead = 0"
      " where partition = 0 and hour = (select max(hour) from penstock.ledger)",
      0, "", true);
  meddle(
      "insert into penstock.ledger select consumer_group, topic, partition, hour - interval '1 hour', instance, 0, 2, 2, 0, 0, "
      "1, 0, 1"
      " from penstock.ledger where partition = 0",
      3, "md.options/0: offsets 0 to");
  meddle("update penstock.ledger set written = written + 1 where partition = 0", 1, "md.options/0: ");
  meddle("update penstock.offsets set next_offset = next_offset + 1 where partition = 1", 3,
         "md.options/1: the ledger ends at offset");
  meddle("delete from penstock.offsets where partition = 1", 2, "md.options/1: the ledger ends at offset");
  meddle("delete from options where time = (select min(time) from options)", 0, "");
  meddle("delete from options where time = (select min(time) from options)", 1, "table options: ", true);
  meddle("insert into options select * from options limit 1", 1, "table options: ", true);
  meddle(
      "insert into penstock.retention (table_name, dropped_chunks, dropped_before) values ('options', 1, now());"
      "delete from options where time = (select min(time) from options)",
      0, "", true);
  CHECK(world.differences(false).empty());
}

TEST_CASE("audit: meddling with the log is found, with the partition") {
  auto const brokers = kafka::test::brokers_for_tests();
  if (brokers.empty() || no_database()) return;
  World world{brokers};
  auto const raw_1 = world.raw + "/1";
  auto const write_record = [&] { produce(world.connection, "md.options", {{.key = "x", .value = "{}"}}); };
  auto const write_letter = [&](std::int64_t offset) {
    produce(world.connection, world.raw + ".dead", {World::letter(world.raw, Partition{1}, offset)});
  };
  auto const tell_where_it_was = [&](std::string const& group) {
    auto const& [partition, ledger] = *world.ledgers.rbegin();
    produce(world.connection, Topic{ledger_topic}, {ledger_record(ledger, to_json(ledger, group, "here", second(0)))});
  };
  CHECK(has(world.differences(), 0, "") == "");

  write_letter(1);                                                                                   // A second time.
  produce(world.connection, "md.options.dead", {World::letter("md.options", Partition{0}, 1'000)});  // Not stored yet.
  CHECK(has(world.differences(), 0, "") == "");
  write_letter(2);
  CHECK(has(world.differences(), 1, raw_1 + ": 2 dead, but " + world.raw + ".dead holds 3 letters of them") == "");
  ++world.ledgers.rbegin()->second.dead, ++world.ledgers.rbegin()->second.records;
  world.commit();
  CHECK(has(world.differences(), 0, "") == "");

  write_record();
  CHECK(has(world.differences(), 1, "md.options: ") == "");
  CHECK(has(world.differences(), 1, "1 too many") == "");
  // Back from the dead it was.
  auto const write_mark = [&](Topic const& topic) {
    DeadAction action{.letters = {topic + ".dead", Partition{0}}, .time = second(0), .instance = "here"};
    action.add(Offset{0}, second(0));
    action.replayed_to[{topic, Partition{0}}] = 1;
    produce(world.connection, Topic{dead_marks_topic}, {mark_of(action)});
  };
  write_mark("raw.x");
  CHECK(has(world.differences(), 1, "1 too many") == "");
  write_mark("md.options");
  CHECK(has(world.differences(), 0, "") == "");

  // The group's offset moved by hand: without a ledger nothing can be said, but the topic has one.
  world.commit(Offset{2});
  auto const remarks = reconcile(world.facts());
  CHECK(adds_up(remarks));
  CHECK(std::ranges::any_of(remarks,
                            [&](auto const& r) { return r.where == raw_1 && r.what.contains("there is no ledger of it"); }));
  tell_where_it_was("another");
  CHECK(has(world.differences(), 0, "") == "");
  tell_where_it_was(world.group);
  CHECK(has(world.differences(), 1, raw_1 + ": the ledger ends at offset") == "");
  CHECK(has(world.differences(), 1, "has committed 2") == "");
}

TEST_CASE("audit: a partition that is added while it looks is of the next look") {
  auto const brokers = kafka::test::brokers_for_tests();
  if (brokers.empty() || no_database()) return;
  World world{brokers};
  auto other = world.database.connect();
  other.execute("begin; lock table penstock.offsets in access exclusive mode");
  auto look = std::async(std::launch::async, [&] { return world.differences(); });
  auto const waits = [&] { return !other.query("select from pg_locks where not granted and database is not null").empty(); };
  REQUIRE(kafka::test::until(waits, [] { std::this_thread::sleep_for(std::chrono::milliseconds{20}); }));
  kafka::apply_topics(world.connection, kafka::plan_topics(world.connection, {{.name = "md.options", .partitions = 3}}));
  produce(world.connection, "md.options", {{.key = "x", .value = "{}", .partition = Partition{2}}});
  other.execute("commit");
  CHECK(has(look.get(), 0, "") == "");
  CHECK(has(world.differences(), 1, "1 too many") == "");
}

TEST_CASE("audit: a stop ends it, and is no answer") {
  if (no_database()) return;
  kafka::test::MockCluster cluster;
  World world{cluster};
  std::stop_source stop;
  stop.request_stop();
  CHECK_THROWS_WITH_AS(audit_facts({.kafka = world.connection,
                                    .database = world.sql,
                                    .transform_group = world.group,
                                    .store_group = "group",
                                    .kinds = {"options"},
                                    .stop = stop.get_token()}),
                       doctest::Contains("stopped before it was known"), Fault);
}
