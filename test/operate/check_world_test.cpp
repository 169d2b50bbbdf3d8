/// penstock check against the broker of PENSTOCK_TEST_BROKERS, the database of PENSTOCK_TEST_DATABASE and the simulator.
#include "agents/operate/check_sample.hpp"
#include "agents/operate/schema_columns.hpp"
#include "agents/operate/watched_client.hpp"
#include "agents/settings.hpp"
#include "agents/topic_plan.hpp"
#include "schemas/texts.hpp"
#include "test/folder.hpp"
#include "test/kafka/support.hpp"
#include "test/postgres/database.hpp"
#include "test/program.hpp"
#include "test/server.hpp"

#include <set>

using namespace penstock;
using namespace penstock::test;
using namespace std::chrono_literals;

namespace {

/// A folder with a penstock.toml.
struct Setup {
  Folder folder;

  std::string file(std::string const& toml) const {
    return folder.file("penstock.toml", toml + "[spool]\nfolder = \"" + folder / "spool" + "\"\n");
  }
  Ran check(std::string const& toml, std::string const& words = {}) const {
    return shell(std::string{PENSTOCK_PROGRAM} + " check --config " + file(toml) + ' ' + words + " 2>&1 < /dev/null");
  }
};

/// The sections that lead to the simulator.
std::string sections_of(Background const& simulator) {
  std::string sections;
  for (auto line = simulator.line(); line.size() > 1; line = simulator.line()) {
    sections += line;
    if (line.starts_with("websocket_url") && line.contains("/hyperliquid/")) break;  // The last one.
  }
  return sections;
}

std::string kafka_section(std::string const& brokers) { return "[kafka]\nbrokers = \"" + brokers + "\"\n"; }
std::string database(std::string const& url) { return "[database]\nurl = \"" + url + "\"\n"; }
std::string nowhere() { return kafka_section("127.0.0.1:9") + database("postgresql://penstock@127.0.0.1:9/penstock"); }
bool is_without_database() {
  if (server_url().empty()) MESSAGE("skipped: PENSTOCK_TEST_DATABASE is not set");
  return server_url().empty();
}

}  // namespace

TEST_CASE("check: with everything there all is ok, and each provider's sample shows rows") {
  auto const brokers = kafka::test::brokers_for_tests();
  if (brokers.empty() || is_without_database()) return;
  Setup const setup;
  Background const simulator{"simulate binance coingecko hyperliquid 2> /dev/null"};
  TestDatabase const base;
  auto const toml = kafka_section(brokers) + database(base.settings().url) + sections_of(simulator);
  REQUIRE(shell(std::string{PENSTOCK_PROGRAM} + " topics apply --config " + setup.file(toml) + " 2>&1").code == 0);
  auto const ran = setup.check(toml, "--sample-seconds 30");
  CAPTURE(ran.text);
  CHECK(ran.code == 0);
  CHECK_FALSE(ran.text.contains("WRONG"));
  for (auto const* part : {"ok       transactions", "can be opened", "ok       tables", "may write", "ok       sample binance",
                           "ok       sample hyperliquid", "sample coingecko", "\n           trades  {\"source\":\"binance\"",
                           "\n           tickers  {\"source\":\"coingecko\""})
    CHECK_MESSAGE(ran.text.contains(part), std::string{part});
}

TEST_CASE("check: what was done to the tables past penstock is named") {
  if (is_without_database()) return;
  Setup const setup;
  TestDatabase const base;
  auto connection = base.connect();
  auto const tables = [&] {
    auto const text = setup.check(kafka_section("127.0.0.1:9") + database(base.settings().url), "--sample-seconds 0").text;
    auto const from = text.find("tables");
    return text.substr(from, text.find('\n', from) - from);
  };
  CHECK(tables().contains(" as planned"));
  connection.execute("alter table trades add column fee numeric");
  CHECK_MESSAGE(tables().contains("trades has a column fee of its own"), tables());
  connection.execute("alter table trades drop column side");
  connection.execute("alter table options alter column delta type double precision");
  connection.execute("drop table stats");
  auto const found = tables();
  for (auto const* part :
       {"trades lacks column side", "options.delta is double precision, planned numeric", "there is no table stats"})
    CHECK_MESSAGE(found.contains(part), found);
}

TEST_CASE("check: rights that the user lacks are named") {
  if (is_without_database()) return;
  Setup const setup;
  TestDatabase const base;
  auto connection = base.connect();
  auto const user = base.name() + "_reader";
  connection.execute("create role " + user + " login");
  connection.execute("grant usage on schema penstock to " + user);
  connection.execute("grant select on all tables in schema public, penstock to " + user);
  auto const url = base.settings().url + (base.settings().url.contains('?') ? "&" : "?") + "options=-crole%3D" + user;
  auto ran = setup.check(kafka_section("127.0.0.1:9") + database(url), "--sample-seconds 0");
  CHECK_MESSAGE(ran.text.contains("warning  rights"), ran.text);
  CHECK_MESSAGE(ran.text.contains(user + " may only read"), ran.text);
  connection.execute("grant insert on trades to " + user);
  ran = setup.check(kafka_section("127.0.0.1:9") + database(url), "--sample-seconds 0");
  CHECK_MESSAGE(ran.text.contains("WRONG    rights"), ran.text);
  CHECK_MESSAGE(ran.text.contains(user + " lacks insert on "), ran.text);
  connection.execute("grant penstock_writer to " + user);
  auto const writer = setup.check(kafka_section("127.0.0.1:9") + database(url), "--sample-seconds 0");
  CHECK_MESSAGE(writer.text.contains(user + " may write"), writer.text);
  connection.execute("drop owned by " + user);
  connection.execute("drop role " + user);
}

TEST_CASE("check: a mistake in the file is told with its line and column, as JSON too, exit 2") {
  Setup const setup;
  auto const ran = setup.check("[kafka]\n  broker = \"a:1\"\n", "--json");
  CHECK(ran.code == 2);
  CHECK_MESSAGE(ran.text.contains("penstock.toml line 2 column 3: [kafka] has no key broker; did you mean brokers?"), ran.text);
  CHECK(ran.text.starts_with(R"({"ok":false,"checks":[{"what":"configuration","state":"wrong")"));
  CHECK(setup.check("[kafka]\nbrokers = 7\n").text.contains("line 2 column 11: kafka.brokers is 7"));
  CHECK(setup.check("[kafka]\nbrokers = \"a\" b\n").text.contains("line 2 column 15: not valid TOML"));
}

TEST_CASE("check: on the embedded broker it is through in time, transactions asked for or not") {
  kafka::EmbeddedBroker broker;
  for (auto const& topic : topic_plan(load_config("/dev/null"))) broker.create_topic(topic.name, topic.partitions);
  Setup const setup;
  auto const toml = kafka_section(broker.brokers()) + "transactions = ";
  for (auto const* transactions : {"true", "false"}) {
    CAPTURE(transactions);
    auto const ran =
        shell("timeout 60 " + std::string{PENSTOCK_PROGRAM} + " check --sample-seconds 0 --config " +
              setup.file(toml + transactions + "\n" + database("postgresql://penstock@127.0.0.1:9/penstock")) + " 2>&1");
    CHECK(ran.code == 2);  // There is nothing to publish.
    CHECK_MESSAGE(ran.text.contains("the broker does not tell how they are kept"), ran.text);
  }
}

TEST_CASE("check: a provider that is away, or refuses, is told with its words") {
  Setup const setup;
  auto const away = setup.check(nowhere() + "[publish.coingecko]\nhttp_url = \"http://127.0.0.1:9\"\n", "--sample-seconds 2");
  CHECK(away.code == 1);
  CHECK_MESSAGE(away.text.contains("WRONG    sample coingecko"), away.text);
  CHECK_MESSAGE(away.text.contains("nothing came within 2 s (http://127.0.0.1:9: Failed to connect"), away.text);
  Server refusing{http_answers([](auto const&) {
    return Response{.status = 401, .body = R"({"status":{"error_code":10002,"error_message":"no key"}})"};
  })};
  auto const refused =
      setup.check(nowhere() + "[publish.coingecko]\nhttp_url = \"" + refusing.http() + "\"\n", "--sample-seconds 2");
  CHECK_MESSAGE(refused.text.contains("answers 401"), refused.text);
}

TEST_CASE("check: a provider's clock is read from its answers, unless they come from a cache") {
  std::string age;
  Server late{http_answers([&](auto const&) {
    Response response{.headers = {{"Date", "Sat, 31 Jan 2026 12:00:00 GMT"}}};
    if (!age.empty()) response.headers.emplace_back("Age", age);
    return response;
  })};
  auto const skew = [&] {
    WatchedClient client{http::make_client()};
    bool done = false;
    client.request({.url = late.http()}, [&](http::Reply const&) { done = true; });
    while (!done) client.run(50ms, true);
    return client.skew();
  };
  auto const expected = *parse_time("2026-01-31T12:00:01Z") - system_clock().now();
  CHECK(std::chrono::abs(skew() - expected) < 60s);
  age = "17";
  CHECK(skew() == 0s);
}

TEST_CASE("check: the planned columns are those that the migrations make") {
  auto const planned = planned_columns(schema_texts());
  CHECK(planned.at("trades").at("price") == "numeric");
  CHECK(planned.at("trades").at("time") == "timestamp with time zone");
  CHECK(planned.at("penstock.offsets").at("next_offset") == "bigint");
  CHECK_FALSE(planned.at("penstock.offsets").contains("primary"));
  for (auto const kind : kind_names) {
    std::set<std::string> names;
    for (auto const& [name, type] : planned.at(std::string{kind})) names.insert(name);
    auto const columns = columns_of(kind);
    CHECK(names == std::set<std::string>{columns.begin(), columns.end()});
  }
  if (is_without_database()) return;
  TestDatabase const base;
  auto connection = base.connect();
  auto const [wrong, extra] = compare(planned, columns_in(connection, planned));
  CHECK(wrong == std::vector<std::string>{});
  CHECK(extra == std::vector<std::string>{});
}
