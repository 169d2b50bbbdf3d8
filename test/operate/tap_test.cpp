/// penstock tap on the Kafka of PENSTOCK_TEST_BROKERS.
#include "test/kafka/support.hpp"
#include "test/program.hpp"

#include <algorithm>
#include <format>
#include <thread>

using namespace penstock;
using namespace penstock::test;
using namespace penstock::kafka::test;

namespace {

struct Topics {
  kafka::Connection connection{.brokers = brokers_for_tests()};
  Topic topic = fresh("raw.tap");

  explicit Topics(int partitions = 1) { grow(partitions); }
  void grow(int partitions) const {
    kafka::apply_topics(connection, kafka::plan_topics(connection, {{.name = topic, .partitions = partitions}}));
  }
  void write(std::string const& key, std::string const& value, int partition = 0) const {
    auto one = record(key, value, {{"channel", "trade"}, {"symbol", key}});
    one.partition = Partition{partition};
    produce(connection, topic, {one});
  }
  std::string line(std::string const& words) const {
    return std::string{PENSTOCK_PROGRAM} + " tap " + topic + " --kafka-brokers " + connection.brokers + ' ' + words;
  }
  Ran tap(std::string const& words) const { return shell(line(words) + " 2>&1 < /dev/null"); }
};

bool is_without_broker() { return brokers_for_tests().empty(); }

}  // namespace

TEST_CASE("tap: offsets, partitions, conditions and shapes") {
  if (is_without_broker()) return;
  Topics const world{2};
  world.write("BTCUSDT", R"({"p":"100.10"})");
  world.write("ETHUSDT", R"({"p":"9.5"})");
  world.write("BTCUSDT", std::string{"\x1b[2J\x00\xff", 6}, 1);
  CHECK(world.tap("--from 1 --partition 0 --count 1").text.ends_with(" 0@1 ETHUSDT  {\"p\":\"9.5\"}\n"));
  CHECK(world.tap("--from 0@1 --count 1").text.ends_with(" 0@1 ETHUSDT  {\"p\":\"9.5\"}\n"));
  CHECK(world.tap("--from=-10m --where 'p>100.0999' --count 1 --headers")
            .text.ends_with(" 0@0 BTCUSDT  {\"p\":\"100.10\"}  [channel=trade symbol=BTCUSDT]\n"));
  CHECK(world.tap("--from -1h --symbol ETHUSDT --count 1 --pretty").text.ends_with(" ETHUSDT\n{\n  \"p\": \"9.5\"\n}\n"));
  // Bytes cannot move the terminal's cursor.
  CHECK(world.tap("--from beginning --partition 1 --count 1").text.ends_with(" 1@0 BTCUSDT  \\x1b[2J\\x00\\xff\n"));
  auto const json = world.tap("--from beginning --partition 1 --count 1 --json").text;
  CHECK(json.contains(R"("key":"BTCUSDT","headers":[["channel","trade"],["symbol","BTCUSDT"]],"value":"\u001b[2J\u0000)"));
  CHECK(std::ranges::count(json, '\n') == 1);
}

TEST_CASE("tap: an offset that is not there says so, and begins at the nearest one that is") {
  if (is_without_broker()) return;
  Topics const world;
  world.write("A", "first");
  world.write("A", "second");
  auto const later = shell("timeout -s INT 3 " + world.line("--from 0@7") + " 2>&1");
  CHECK_MESSAGE(later.text == "penstock tap: " + world.topic + " 0@7 is not written yet; waiting for it from 2\n", later.text);
  kafka::test::trim(world.connection, {world.topic, Partition{0}}, Offset{1});
  auto const gone = world.tap("--from 0@0 --count 1");
  CHECK_MESSAGE(gone.text.starts_with("penstock tap: " + world.topic + " 0@0 is gone, retention took it; this begins at 1\n"),
                gone.text);
  CHECK_MESSAGE(gone.text.ends_with(" 0@1 A  second\n"), gone.text);
}

TEST_CASE("tap: what is wrong is said before anything is read") {
  if (is_without_broker()) return;
  Topics const world;
  struct Case {
    char const *words, *says;
  };
  for (auto const& [words, says] : {Case{"--partition 7", "has no partition 7: it has 0 to 0"},
                                    {"--partition x", "--partition is \"x\": it takes the number of a partition"},
                                    {"--from 0@1 --partition 1", "name different partitions"},
                                    {"--from yesterday", "--from is \"yesterday\": it takes beginning, end, a time"},
                                    {"--from=-10", "how long ago such as -10m"},
                                    {"--where side", "--where is \"side\""},
                                    {"--json --pretty", "keep one of them"},
                                    {"--count many", "--count is \"many\""}}) {
    CAPTURE(std::string{words});
    auto const ran = world.tap(words);
    CHECK(ran.code == 2);
    CHECK_MESSAGE(ran.text.contains(says), ran.text);
  }
  auto const mistyped =
      shell(std::string{PENSTOCK_PROGRAM} + " tap " + world.topic + "x --kafka-brokers " + world.connection.brokers + " 2>&1");
  CHECK(mistyped.code == 2);
  CHECK_MESSAGE(mistyped.text.contains("; did you mean " + world.topic + "?"), mistyped.text);
}

TEST_CASE("tap: partitions that are added while it runs are seen, from their first record on") {
  if (is_without_broker()) return;
  Topics const world{1};
  auto* const tapped = ::popen(("timeout 60 " + world.line("--from beginning --count 2 --json") + " 2>&1").c_str(), "r");
  REQUIRE(tapped != nullptr);
  std::array<char, 4096> line{};
  world.write("A", "first");
  REQUIRE(std::fgets(line.data(), line.size(), tapped) != nullptr);
  CHECK(std::string_view{line.data()}.contains(R"("partition":0,"offset":0,)"));
  world.grow(3);
  world.write("B", "second", 2);
  REQUIRE(std::fgets(line.data(), line.size(), tapped) != nullptr);
  CHECK(std::string_view{line.data()}.contains(R"("partition":2,"offset":0,)"));
  CHECK(WEXITSTATUS(::pclose(tapped)) == 0);
}

TEST_CASE("tap: a closed pipe ends it quietly, also when nothing comes any more") {
  if (is_without_broker()) return;
  Topics const world;
  world.write("A", "only");
  CHECK(shell("( { " + world.line("--from beginning") + "; echo code $? >&2; } | head -n 1 ) 2>&1")
            .text.ends_with("only\ncode 0\n"));
}
