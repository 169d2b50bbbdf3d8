#include "streaming/postgres/migrations.hpp"

#include "test/postgres/database.hpp"

#include <doctest/doctest.h>

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
                                          "views.sql", "policies.sql", "retention.sql", "roles.sql"});
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
  CHECK(first.size() == 15);
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

TEST_CASE("views: the latest ticker is found by the index, not by reading all rows") {
  if (no_database()) return;
  TestDatabase const database;
  auto connection = database.connect();
  connection.execute(
      "insert into tickers (source, symbol, time, received_at, last) select 'binance', 'y' || n % 20, timestamptz '2024-01-01 "
      "00:00Z' + make_interval(secs => n * 5), now(), n"
      " from generate_series(1, 100000) n; analyze tickers");
  auto const plan = database.ask("explain (analyze, timing off, costs off, summary off) select * from latest_tickers");
  CHECK_MESSAGE(!plan.contains("Seq Scan on _hyper"), plan);
  CHECK(database.ask("select count(*) from latest_tickers") == "20");
}
