/// From a frame that fails to its rows, by the agents themselves, on the Kafka and the database that the tests are given.
#include "schemas/kinds.hpp"
#include "schemas/reasons.hpp"
#include "test/dead/support.hpp"
#include "test/postgres/database.hpp"

#include <thread>

using namespace penstock;
using namespace penstock::test;

namespace {

Record instrument(std::string const& coin) {
  Instrument one;
  one.source = "hyperliquid";
  one.symbol = coin + "/USDC:USDC";
  one.time = one.received_at = system_clock().now();
  one.class_ = "swap";
  one.native_symbol = coin;
  one.active = true;
  Record record{.key = one.source + ':' + one.symbol, .value = {}, .headers = {{"schema", "instruments/1"}, {"origin", "live"}}};
  append_json(record.value, one);
  return record;
}

Record frame(std::string const& known, std::string const& unknown) {
  auto const trade = [](std::string const& coin, std::string const& id) {
    return R"({"coin":")" + coin + R"(","side":"B","px":"0.10","sz":"2","time":1723161254873,"hash":"0x1","tid":)" + id +
           R"(,"users":["0x1","0x2"]})";
  };
  return {.key = known,
          .value = R"({"channel":"trades","data":[)" + trade(known, "1") + ',' + trade(unknown, "2") + "]}",
          .headers = {{"channel", "trades"},
                      {"symbol", known},
                      {"received_at", to_text(system_clock().now())},
                      {"origin", "live"},
                      {"connection", known}}};
}

}  // namespace

TEST_CASE("dead: a trade of an unknown symbol is in the table once when its instrument is known and it was replayed") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  if (server_url().empty()) {
    MESSAGE("skipped: PENSTOCK_TEST_DATABASE is not set");
    return;
  }
  kafka::Connection const connection{.brokers = brokers};
  kafka::apply_topics(connection, kafka::plan_topics(connection, topic_plan(load_config())));
  World const world{connection, "raw.hyperliquid"};
  TestDatabase const database;
  auto const group = fresh("group"), known = fresh("K"), unknown = fresh("U");
  produce(connection, "md.instruments", {instrument(known)});
  Process const transform{{"transform", "--providers", "hyperliquid", "--group", group, "--catalogue-wait-ms-max", "0",
                           "--kafka-brokers", brokers, "--log-level", "error"}};
  Process const store{{"store", "--kinds", "trades", "--group", group, "--database-url", database.settings().url,
                       "--kafka-brokers", brokers, "--log-level", "error"}};
  produce(connection, "raw.hyperliquid", {frame(known, unknown)});

  auto const wait = [] { std::this_thread::sleep_for(50ms); };
  auto const rows = [&] {
    return database.ask("select symbol, id, price from trades where symbol like '%" + known + "%' or symbol like '%" + unknown +
                        "%' order by id");
  };
  auto const letters = [&] {
    auto all = world.all_of("raw.hyperliquid.dead");
    std::erase_if(all, [&](auto const& letter) { return letter.key != known; });
    return all;
  };
  REQUIRE(until([&] { return letters().size() == 1; }, wait, 60s));
  CHECK(letters()[0].headers.at("reason") == "unknown-symbol");
  CHECK(letters()[0].headers.at("record") == "1");
  auto const good = known + "/USDC:USDC|1|0.10";
  CHECK(until([&] { return rows() == good; }, wait));

  // Too early: it fails again, one attempt on.
  CHECK(world.dead({"replay", "raw.hyperliquid", "--reason", "unknown-symbol"}).code == 0);
  REQUIRE(until([&] { return letters().size() == 2; }, wait));
  CHECK(letters()[1].headers.at("attempt") == "2");

  produce(connection, "md.instruments", {instrument(unknown)});
  auto const place = letters()[1].place;
  CHECK(until(
      [&] {
        return world.dead({"show", "raw.hyperliquid", place})
            .text.contains("now: md.trades {\"source\":\"hyperliquid\",\"symbol\":\"" + unknown);
      },
      wait));
  CHECK(world.dead({"replay", "raw.hyperliquid", "--reason", "unknown-symbol"}).code == 0);
  CHECK(until([&] { return rows() == good + '\n' + unknown + "/USDC:USDC|2|0.10"; }, wait));
  CHECK(world.dead({"replay", "raw.hyperliquid", "--reason", "unknown-symbol"}).text == "nothing to replay\n");

  CHECK(letters().size() == 2);
}
