/// The groups penstock_writer and penstock_reader: what each may do, and that a store needs no more than the first.
#include "streaming/postgres/migrations.hpp"
#include "test/postgres/database.hpp"

#include <doctest/doctest.h>

using namespace penstock;
using namespace penstock::postgres;
using namespace penstock::test;

namespace {

/// The way in of one who has the rights of `role` and no others.
Settings as(TestDatabase const& database, std::string const& role) {
  auto settings = database.settings();
  settings.url += std::string{settings.url.contains('?') ? "&" : "?"} + "options=-crole%3D" + role;
  return settings;
}

std::string refusal(Connection& connection, std::string const& statement) {
  try {
    connection.execute(statement);
  } catch (Fault const& fault) {
    CHECK_MESSAGE(fault.kind() == Fault::Kind::fatal, fault.what());
    return fault.what();
  }
  return "it was done";
}

}  // namespace

TEST_CASE("roles: a store that is a penstock_writer and nothing else writes, upserts, back-fills and isolates bad rows") {
  if (no_database()) return;
  TestDatabase const database;
  auto options = database.sink_options();
  options.database = as(database, "penstock_writer");
  PostgresSink sink{options};
  auto const batch = BatchOf{}
                         .add(trade(1))
                         .add("trades", row_with_bad_time())
                         .add(trade(2), true)
                         .add(trade(2), true)
                         .add(candle("1", 1))
                         .add(candle("2", 2))
                         .moves("md.trades", 0, -1, 4)
                         .moves("md.candles", 0, -1, 2)
                         .batch;
  auto const result = write(sink, batch);
  REQUIRE(result.rejected.size() == 1);
  sink.commit();
  CHECK(sink.committed({{"md.trades", Partition{0}}}).at({"md.trades", Partition{0}}) == Offset{4});
  CHECK(database.ask("select count(*) from trades") == "2");
  CHECK(database.ask("select close from candles") == "2");
  CHECK(database.ask("select written, duplicate, dead from penstock.ledger where topic = 'md.trades'") == "2|1|1");
}

TEST_CASE("roles: what a penstock_writer stores is in latest_tickers, live and back-filled and with a bad row among it") {
  if (no_database()) return;
  TestDatabase const database;
  auto options = database.sink_options();
  options.database = as(database, "penstock_writer");
  PostgresSink sink{options};
  auto const ticker = [](char const* source, int n) {
    Ticker record;
    record.source = source, record.symbol = "BTC/USDT", record.time = record.received_at = second(n), record.sequence = n;
    return record;
  };
  write(sink, BatchOf{}
                  .add(ticker("a", 1))
                  .add(ticker("a", 2))
                  .add("tickers", row_with(ticker("a", 3), 2, bad_time))
                  .add(ticker("b", 70), true)
                  .moves("md.tickers", 0, -1, 4)
                  .batch);
  sink.commit();
  CHECK(database.ask("select source, sequence from latest_tickers order by 1") == "a|2\nb|70");
  CHECK(database.ask("select source, until from penstock.tickers_seen order by 1") ==
        "a|2024-08-08 10:01:00+00\nb|2024-08-08 10:02:00+00");
  write(sink, BatchOf{}.add(ticker("a", 130)).add(ticker("b", 69), true).moves("md.tickers", 0, 4, 6).batch);
  CHECK(
      Connection{as(database, "penstock_reader")}.query("select sequence from latest_tickers order by source").front().front() ==
      "130");
  CHECK(database.ask("select source, sequence from latest_tickers order by 1") == "a|130\nb|70");
  Connection writer{as(database, "penstock_writer")};
  CHECK(refusal(writer, "delete from penstock.tickers_seen").contains("permission denied"));
}

TEST_CASE("roles: a penstock_writer drops what is too old of penstock's tables, and nothing else") {
  if (no_database()) return;
  TestDatabase const database;
  database.connect().execute(
      "insert into trades select 'binance', 'BTC/USDT', now() - make_interval(days => d), now(), d::text, 'buy', 1, 1 from "
      "generate_series(0, 9) d; create table orders (time timestamptz not null); select create_hypertable('orders', "
      "by_range('time')); insert into orders values ('2020-01-01')");
  Connection writer{as(database, "penstock_writer")};
  CHECK(drop_old_chunks(writer, "trades", 4).chunks.size() == 5);
  CHECK(database.ask("select dropped_chunks from penstock.retention") == "5");
  CHECK_THROWS_WITH(writer.query("select penstock.drop_chunks('orders', 4)"), doctest::Contains("takes a kind of record"));
  CHECK_THROWS_WITH(writer.query("select penstock.drop_chunks('trades', 0)"), doctest::Contains("at least 1 day"));
  CHECK(refusal(writer, "select drop_chunks('trades', older_than => now())").contains("must be owner"));
  for (auto const* statement :
       {"delete from trades", "update trades set price = 0", "truncate trades", "drop table trades", "create table mine (x int)",
        "delete from penstock.ledger", "insert into penstock.migrations values ('x', 'y')"}) {
    CAPTURE(statement);
    CHECK_MESSAGE(refusal(writer, statement) != "it was done", statement);
  }
}

TEST_CASE("roles: what a penstock_writer drops is looked for by latest_tickers no more, and what is left still is") {
  if (no_database()) return;
  TestDatabase const database;
  database.connect().execute(
      "insert into tickers (source, symbol, time, received_at) select 's', 'y' || d, date_trunc('day', now(), 'UTC') - "
      "make_interval(days => d), now() from generate_series(0, 9) d;"
      "insert into tickers (source, symbol, time, received_at) select 's', 'y9', now() - interval '3 days', now();"
      "insert into trades select 'binance', 'BTC/USDT', now() - interval '9 days', now(), '1', 'buy', 1, 1");
  Connection writer{as(database, "penstock_writer")};
  CHECK(drop_old_chunks(writer, "trades", 4).chunks.size() == 1);
  CHECK(database.ask("select count(*) from penstock.tickers_seen") == "10");
  CHECK(drop_old_chunks(writer, "tickers", 4).chunks.size() == 5);
  auto const left = "select string_agg(symbol, ' ' order by symbol) from ";
  CHECK(database.ask(left + std::string{"penstock.tickers_seen"}) == "y0 y1 y2 y3 y4 y9");
  CHECK(database.ask(left + std::string{"latest_tickers"}) == "y0 y1 y2 y3 y4 y9");
}

TEST_CASE("roles: a penstock_reader sees every table and view, and changes none") {
  if (no_database()) return;
  TestDatabase const database;
  Connection reader{as(database, "penstock_reader")};
  auto const relations = database.connect().query(
      "select format('%I.%I', schemaname, name) from (select schemaname, tablename as name from pg_tables union all"
      " select schemaname, viewname from pg_views) r where schemaname in ('public', 'penstock')");
  CHECK(relations.size() > kind_names.size());
  for (auto const& row : relations) {
    CHECK_NOTHROW_MESSAGE(reader.query("select * from " + *row.front() + " limit 1"), *row.front());
    auto const may = reader.query("select has_table_privilege($1, 'INSERT, UPDATE, DELETE, TRUNCATE')", {row.front()});
    CHECK_MESSAGE(may.front().front() == "f", *row.front());
  }
  CHECK(refusal(reader, "select penstock.drop_chunks('trades', 1)").contains("permission denied"));
}

TEST_CASE("roles: tables that a role named penstock had in its own schema are found by all") {
  if (no_database()) return;
  TestDatabase const database{TestDatabase::With::nothing};
  auto url = database.settings();
  url.url += std::string{url.url.contains('?') ? "&" : "?"} + "options=-csearch_path%3Dpenstock,public";
  Connection owner{url};
  auto const files = migrations_of(schema_texts());
  apply_migrations(owner, files);
  CHECK(database.ask("select relnamespace::regnamespace from pg_class where oid = 'trades'::regclass") == "penstock");
  Connection writer{as(database, "penstock_writer")};
  CHECK_NOTHROW(drop_old_chunks(writer, "trades", 1));
  CHECK_NOTHROW(Connection{as(database, "penstock_reader")}.query("select * from latest_tickers"));
}

TEST_CASE("roles: only tables where the later one wins may be updated, and of every kind with chunks old ones may be dropped") {
  if (no_database()) return;
  TestDatabase const database;
  auto connection = database.connect();
  for (auto const kind : kind_names) {
    CAPTURE(kind);
    auto const may = [&](char const* what) {
      return connection.query("select has_table_privilege('penstock_writer', $1, $2)", {std::string{kind}, what}).front().front();
    };
    CHECK(may("INSERT") == "t");
    CHECK(may("SELECT") == "t");
    CHECK(may("UPDATE") == (table_shape_of(kind).later_wins ? "t" : "f"));
    CHECK(may("DELETE") == "f");
    CHECK_NOTHROW(drop_old_chunks(connection, kind, 1));
  }
}

TEST_CASE("roles: where they are not there and this user may not make them, that is said and the rest is applied") {
  if (no_database()) return;
  TestDatabase const database{TestDatabase::With::nothing};
  database.connect().execute("create role " + database.name() + "; grant create on database " + database.name() + " to " +
                             database.name());
  auto files = migrations_of(schema_texts());
  files.resize(1);
  files.push_back({"roles.sql", "-- requires roles = penstock_absent_a, penstock_absent_b\nthis is not SQL"});
  auto superuser = database.connect();
  CHECK(migration_status(superuser, files)[1].kind == MigrationState::Kind::pending);
  {
    Connection plain{as(database, database.name())};
    auto const states = migration_status(plain, files);
    CHECK(states[0].kind == MigrationState::Kind::pending);
    CHECK(states[1].kind == MigrationState::Kind::skipped);
    CHECK(states[1].detail ==
          "this user may not make roles: let one who may run `create role penstock_absent_a nologin; create role "
          "penstock_absent_b nologin`, then `penstock db apply` again");
  }
  superuser.execute("drop owned by " + database.name() + "; drop role " + database.name());
}
