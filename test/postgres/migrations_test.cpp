#include "streaming/postgres/migrations.hpp"

#include "test/postgres/database.hpp"

#include <doctest/doctest.h>

#include <future>
#include <thread>

using namespace penstock;
using namespace penstock::postgres;
using namespace penstock::test;

using Kind = MigrationState::Kind;

TEST_CASE("migrations: penstock's own first, then the kinds by name, then views, then who may do what with them") {
  std::vector<std::string> names;
  for (auto const& file : migrations_of(schema_texts())) names.emplace_back(file.name);
  CHECK(names == std::vector<std::string>{"000_penstock.sql", "books.sql", "candles.sql", "gaps.sql", "instruments.sql",
                                          "odds.sql", "options.sql", "stats.sql", "tickers.sql", "trades.sql", "venues.sql",
                                          "views.sql", "views_latest_tickers.sql", "policies.sql", "retention.sql", "roles.sql"});
}

TEST_CASE("migrations: applied once; a second run changes nothing") {
  if (no_database()) return;
  TestDatabase const database{TestDatabase::With::nothing};
  auto connection = database.connect();
  for (auto const& state : migration_status(connection, schema_texts())) CHECK(state.kind == Kind::pending);
  std::vector<std::string> first, second;
  apply_migrations(connection, schema_texts(), [&](auto const& state) { first.push_back(state.name); });
  auto const rows = "select name, checksum, applied_at from penstock.migrations order by name";
  auto const before = database.ask(rows);
  auto again = database.connect();
  auto const states = apply_migrations(again, schema_texts(), [&](auto const& state) { second.push_back(state.name); });
  CHECK(first.size() == migrations_of(schema_texts()).size());
  CHECK(database.ask(rows) == before);
  for (auto const& state : states) {
    CAPTURE(state.name);
    if (state.name == "policies.sql" && database.ask("show timescaledb.license") == "apache") {
      CHECK(state.kind == Kind::skipped);
      CHECK(state.detail == "needs timescaledb.license = timescale, the server has apache");
    } else {
      CHECK(state.kind == Kind::applied);
      CHECK(state.applied_at.size() == 20);
    }
  }
}

TEST_CASE("migrations: a file that was applied with another text is an error, and nothing is applied") {
  if (no_database()) return;
  TestDatabase const database{TestDatabase::With::nothing};
  auto connection = database.connect();
  auto files = migrations_of(schema_texts());
  files.resize(1);
  files.push_back({"a.sql", "create table a (x int)"});
  apply_migrations(connection, files);
  files[1].text = "create table a (x bigint)";
  files.push_back({"b.sql", "create table b (x int)"});
  CHECK(migration_status(connection, files)[1].kind == Kind::changed);
  try {
    apply_migrations(connection, files);
    FAIL("it was applied");
  } catch (Fault const& fault) {
    CHECK(fault.kind() == Fault::Kind::fatal);
    CHECK(std::string{fault.what()}.starts_with("a.sql was applied on "));
  }
  CHECK(database.ask("select to_regclass('b') is null") == "t");
}

TEST_CASE("migrations: one that fails leaves nothing of itself, and those before it stay") {
  if (no_database()) return;
  TestDatabase const database{TestDatabase::With::nothing};
  auto connection = database.connect();
  auto files = migrations_of(schema_texts());
  files.resize(1);
  files.push_back({"a.sql", "create table a (x int); create table a (x int)"});
  CHECK_THROWS_WITH_AS(apply_migrations(connection, files), doctest::Contains("a.sql was not applied: "), Fault);
  CHECK(database.ask("select to_regclass('a') is null, count(*) from penstock.migrations") == "t|1");
  files[1].text = "create table a (x int)";
  apply_migrations(connection, files);
  CHECK(database.ask("select count(*) from penstock.migrations") == "2");
}

TEST_CASE("migrations: two runs at the same time do not get into each other's way") {
  if (no_database()) return;
  TestDatabase const database{TestDatabase::With::nothing};
  std::atomic<int> failed = 0;
  {
    std::vector<std::jthread> runs;
    for (auto i = 0; i < 3; ++i)
      runs.emplace_back([&] {
        try {
          auto connection = database.connect();
          apply_migrations(connection, schema_texts());
        } catch (Fault const&) {
          ++failed;
        }
      });
  }
  CHECK(failed == 0);
  CHECK(database.ask("select to_regclass('trades') is not null") == "t");
}

TEST_CASE("migrations: only chunks that are wholly older are dropped") {
  if (no_database()) return;
  TestDatabase const database;
  auto connection = database.connect();
  connection.execute(
      "insert into trades select 'binance', 'BTC/USDT', now() - make_interval(days => d), now(), d::text, 'buy', 1, 1 from "
      "generate_series(0, 9) d");
  auto const dropped = drop_old_chunks(connection, "trades", 4);
  CHECK(dropped.chunks.size() == 5);
  CHECK(dropped.skipped.empty());
  CHECK(database.ask("select count(*) from trades where time > now() - interval '4 days'") == "4");
  CHECK(database.ask("select count(*) from trades") == "5");
  CHECK(database.ask("select table_name, dropped_chunks, dropped_before < now() - interval '4 days' from penstock.retention") ==
        "trades|5|t");
  CHECK(drop_old_chunks(connection, "trades", 4).chunks.empty());
  CHECK(database.ask("select dropped_chunks from penstock.retention") == "5");
  CHECK(drop_old_chunks(connection, "instruments", 4).skipped.contains("instruments"));
  CHECK_THROWS_WITH_AS(drop_old_chunks(connection, "nothing", 4), doctest::Contains("penstock db apply"), Fault);
}

TEST_CASE("views: the latest of each source and symbol, minute candles from trades, open gaps") {
  if (no_database()) return;
  TestDatabase const database;
  auto connection = database.connect();
  connection.execute(
      "insert into tickers (source, symbol, time, received_at, last) select 's' || s, 'y' || y, timestamptz '2024-01-01 00:00Z' "
      "+ make_interval(days => d), now(), d"
      " from generate_series(1, 3) s, generate_series(1, 3) y, generate_series(0, 5) d where s <> y");
  connection.execute(
      "insert into candles (source, symbol, time, received_at, interval, open, high, low, close, closed) select 's' || s, 'y', "
      "timestamptz '2024-01-01 00:00Z' + make_interval(days => 20 * d),"
      " now(), i, 1, 1, 1, d, true from generate_series(1, 3) s, unnest(array['1m', '1d']) i, generate_series(0, 5) d");
  connection.execute(
      "insert into trades values ('b', 'X', '2024-01-01 00:00:59Z', '2024-01-01 00:00:59Z', '10', 'buy', 5, 2), ('b', 'X', "
      "'2024-01-01 00:00:00Z', '2024-01-01 00:00:00Z', '9', 'buy', 3, 1),"
      " ('b', 'X', '2024-01-01 00:00:59Z', '2024-01-01 00:00:59Z', '9', 'buy', 4, 1), ('b', 'X', '2024-01-01 00:01:00Z', "
      "'2024-01-01 00:00:59Z', '11', 'buy', 7, 1)");
  CHECK(database.ask("select string_agg(source || symbol || last, ' ' order by source, symbol) from latest_tickers") ==
        "s1y25 s1y35 s2y15 s2y35 s3y15 s3y25");
  CHECK(database.ask("select string_agg(source || interval || close, ' ' order by source, interval) from latest_candles") ==
        "s11d5 s11m5 s21d5 s21m5 s31d5 s31m5");
  CHECK(
      database.ask("select source, open, high, low, close, volume, quote_volume, trades, closed from trades_1m order by time") ==
      "b/trades|3|5|3|5|4|17|3|t\nb/trades|7|7|7|7|1|7|1|t");
  CHECK(database.ask("select count(*) from open_gaps") == "0");
}

TEST_CASE("migrations: a file that takes a newer TimescaleDB is skipped, and says so") {
  if (no_database()) return;
  TestDatabase const database;
  auto connection = database.connect();
  auto files = migrations_of(schema_texts());
  files.push_back({"views_x.sql", "-- requires timescaledb >= 2.9\ncreate table x (x int)"});
  files.push_back({"views_y.sql", "-- requires timescaledb >= 999.1\ncreate table y (y int)"});
  std::map<std::string, MigrationState> states;
  for (auto const& state : apply_migrations(connection, files)) states[state.name] = state;
  CHECK(states["views_x.sql"].kind == Kind::applied);
  CHECK(states["views_y.sql"].kind == Kind::skipped);
  auto const version = database.ask("select extversion from pg_extension where extname = 'timescaledb'");
  CHECK(states["views_y.sql"].detail.starts_with("needs timescaledb >= 999.1, the server has " + version + ": install a newer"));
  CHECK(database.ask("select to_regclass('x') is null, to_regclass('y') is null") == "f|t");
}

namespace {

// s1 has a row of each of 20 symbols every 3.6 s, s2 and s3 of two of them once or twice in all that time.
constexpr auto a_busy_source_and_two_rare_ones =
    "insert into tickers (source, symbol, time, received_at, last) select 's1', 'y' || n % 20, timestamptz '2024-01-01 00:00Z' + "
    "make_interval(secs => n * 0.18), now(), n from generate_series(1, 100000) n;"
    "insert into tickers (source, symbol, time, received_at, last) values ('s2', 'y1', '2024-01-01 00:10Z', now(), 1), "
    "('s2', 'y1', '2024-01-01 04:00Z', now(), 2), ('s3', 'y2', '2024-01-01 02:00Z', now(), 3); analyze tickers";

std::string latest(TestDatabase const& database) {
  return database.ask("select string_agg(source || symbol || '=' || last, ' ' order by source, symbol) from latest_tickers");
}

// What a database had while latest_tickers had an index of its own.
std::vector<TextFile> texts_of_before() {
  auto texts = schema_texts();
  std::erase_if(texts, [](auto const& file) { return file.name == "views_latest_tickers.sql"; });
  return texts;
}

// What it throws comes out of get().
template <class Work>
std::future<void> in_background(Work work) {
  return std::async(std::launch::async, std::move(work));
}

bool sessions_wait_for_a_lock(TestDatabase const& database, int sessions) {
  for (auto look = 0; look < 1'000; ++look) {
    if (database.ask("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") ==
        std::to_string(sessions))
      return true;
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  return false;
}

}  // namespace

TEST_CASE("latest_tickers: found by the index of symbols, whoever else has the symbol") {
  if (no_database()) return;
  TestDatabase const database;
  database.connect().execute(a_busy_source_and_two_rare_ones);
  CHECK(database.ask("select count(*) from latest_tickers") == "22");
  CHECK(database.ask("select last, time from latest_tickers where source <> 's1' order by 1") ==
        "2|2024-01-01 04:00:00+00\n3|2024-01-01 02:00:00+00");
  CHECK(database.ask("select count(*) from pg_indexes where tablename = 'tickers'") == "1");
  std::string const explain = "explain (analyze, timing off, costs off, summary off) select * from latest_tickers";
  auto const plan = database.ask(explain);
  CHECK_MESSAGE(!plan.contains("Seq Scan on _hyper"), plan);
  // Who asks for one source waits for no other, and passes by no more of others' rows than those of a minute.
  for (auto const* source : {"s2", "s3"}) {
    auto const one = database.ask(explain + " where source = '" + source + "'");
    std::size_t at = one.find("Limit (actual rows=1 loops=1)");
    CHECK_MESSAGE(at != std::string::npos, one);
    constexpr std::string_view passed_by = "Rows Removed by Filter: ";
    auto passed = 0;
    while ((at = one.find(passed_by, at)) != std::string::npos) passed += std::stoi(one.substr(at += passed_by.size()));
    CHECK_MESSAGE(passed <= 17, one);
  }
}

TEST_CASE("latest_tickers: late rows, and what is deleted, corrected or undone by hand") {
  if (no_database()) return;
  TestDatabase const database;
  auto connection = database.connect();
  auto const add = [&](std::string const& source, std::string const& time, int last) {
    connection.execute("insert into tickers (source, symbol, time, received_at, last) values ($1, 'y', $2, now(), $3)",
                       {source, "2024-01-01 " + time + "Z", std::to_string(last)});
  };
  add("a", "00:05:10", 1);
  add("a", "00:03:00", 2);
  CHECK(latest(database) == "ay=1");
  add("a", "00:05:09", 3);
  CHECK(latest(database) == "ay=1");
  add("a", "00:05:11", 4);
  CHECK(latest(database) == "ay=4");
  add("b", "00:04:00", 5);
  add("a", "00:06:00", 6);
  CHECK(latest(database) == "ay=6 by=5");
  CHECK(database.ask("select source, until from penstock.tickers_seen order by source") ==
        "a|2024-01-01 00:07:00+00\nb|2024-01-01 00:05:00+00");
  connection.execute("delete from tickers where last in (5, 6)");
  CHECK(latest(database) == "ay=4");
  connection.execute("update tickers set source = 'c' where last = 4");
  CHECK(latest(database) == "ay=1 cy=4");
  connection.execute("update tickers set time = '2024-01-01 01:00Z' where last = 2");
  CHECK(latest(database) == "ay=2 cy=4");
  connection.execute("truncate tickers");
  CHECK(latest(database) == "null");
  add("b", "00:04:30", 7);
  CHECK(latest(database) == "by=7");
  auto undone = database.connect();
  undone.execute(
      "begin; insert into tickers (source, symbol, time, received_at, last) values ('d', 'y', now(), now(), 8); rollback");
  CHECK(database.ask("select count(*) from penstock.tickers_seen where source = 'd'") == "0");
}

TEST_CASE("latest_tickers: of two writers of the same streams one waits, and the later minute stays") {
  if (no_database()) return;
  TestDatabase const database;
  auto const insert = [](Connection& connection, std::string const& symbols, std::string const& time) {
    connection.execute(
        "insert into tickers (source, symbol, time, received_at) select 's', n, $2, now() from unnest($1::text[]) n",
        {symbols, "2024-01-01 " + time + "Z"});
  };
  auto first = database.connect(), second = database.connect();
  insert(first, "{y00}", "00:00:00");  // Makes the chunk, for which a writer would wait, too.
  first.begin();
  insert(first, "{y01}", "00:05:00");
  auto other = in_background(
      [&] { insert(second, "{y19,y07,y13,y02,y05,y11,y03,y17,y08,y01,y12,y04,y16,y06,y18,y09,y14,y10,y15}", "00:03:00"); });
  REQUIRE(sessions_wait_for_a_lock(database, 1));
  // The other has touched none of these yet, so this does not wait for it in turn.
  insert(first, "{y02,y03,y04,y05,y06,y07,y08,y09,y10}", "00:05:00");
  first.commit();
  CHECK_NOTHROW(other.get());
  CHECK(database.ask("select count(*), count(*) filter (where until = '2024-01-01 00:06Z') from penstock.tickers_seen") ==
        "20|10");
  CHECK(database.ask("select count(*), count(*) filter (where time = '2024-01-01 00:05Z') from latest_tickers") == "20|10");
}

TEST_CASE("latest_tickers: a database of before finds the same afterwards") {
  if (no_database()) return;
  TestDatabase const database{TestDatabase::With::nothing};
  auto connection = database.connect();
  apply_migrations(connection, texts_of_before());
  connection.execute(a_busy_source_and_two_rare_ones);
  auto const found = latest(database);
  CHECK(found.ends_with("s2y1=2 s3y2=3"));
  apply_migrations(connection, schema_texts());
  CHECK(latest(database) == found);
  CHECK(database.ask("select count(*) from pg_indexes where tablename = 'tickers'") == "1");
  CHECK(database.ask("select has_table_privilege('penstock_reader', 'penstock.tickers_seen', 'select'), "
                     "has_table_privilege('penstock_reader', 'latest_tickers', 'select')") == "t|t");
  connection.execute("insert into tickers (source, symbol, time, received_at, last) values ('s3', 'y2', '2024-01-02', now(), 4)");
  CHECK(latest(database).ends_with("s2y1=2 s3y2=4"));
}

TEST_CASE("latest_tickers: changed while somebody reads it and others wait to") {
  if (no_database()) return;
  TestDatabase const database{TestDatabase::With::nothing};
  auto connection = database.connect(), early = database.connect(), late = database.connect();
  apply_migrations(connection, texts_of_before());
  early.begin();
  early.query("select * from latest_tickers");
  auto change = in_background([&] { apply_migrations(connection, schema_texts()); });
  REQUIRE(sessions_wait_for_a_lock(database, 1));
  auto reading = in_background([&] { late.query("select * from latest_tickers"); });
  REQUIRE(sessions_wait_for_a_lock(database, 2));
  CHECK_NOTHROW(early.query("select * from tickers"));
  early.commit();
  CHECK_NOTHROW(change.get());
  CHECK_NOTHROW(reading.get());
}

TEST_CASE("latest_tickers: changed where the tables are in another schema and belong to somebody else") {
  if (no_database()) return;
  TestDatabase const database{TestDatabase::With::nothing};
  auto const& owner = database.name();
  database.connect().execute("create extension timescaledb; create role " + owner + "; grant create on database " + owner +
                             " to " + owner + "; set role " + owner + "; create schema penstock_tables");
  auto url = database.settings();
  url.url +=
      std::string{url.url.contains('?') ? "&" : "?"} + "options=-csearch_path%3Dpenstock_tables,public%20-crole%3D" + owner;
  {
    Connection before{url};
    apply_migrations(before, texts_of_before());
    before.execute(a_busy_source_and_two_rare_ones);
  }
  auto superuser = database.connect();
  superuser.execute("set search_path = public, penstock_tables");
  apply_migrations(superuser, schema_texts());
  Connection after{url};
  CHECK(after.query("select count(*) from latest_tickers").front().front() == "22");
  after.execute("insert into tickers (source, symbol, time, received_at) values ('s4', 'y', now(), now())");
  CHECK(after.query("select count(*) from latest_tickers").front().front() == "23");
  CHECK(database.ask("select count(*) from pg_views where viewname = 'latest_tickers'") == "1");
  superuser.execute("drop owned by " + owner + " cascade; drop role " + owner);
}
