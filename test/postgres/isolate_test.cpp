#include "streaming/postgres/isolate.hpp"

#include "test/postgres/database.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

using namespace penstock;
using namespace penstock::postgres;
using namespace penstock::test;

namespace {

std::set<std::size_t> rejected_of(WriteResult const& result) {
  std::set<std::size_t> found;
  for (auto const& bad : result.rejected) found.insert(bad.delivery);
  CHECK(found.size() == result.rejected.size());
  return found;
}

WriteResult write_with_bad(TestDatabase const& database, std::set<std::size_t> const& bad, std::size_t count,
                           bool backfill = false) {
  database.connect().execute("delete from trades; delete from penstock.offsets; delete from penstock.ledger");
  PostgresSink sink{database.sink_options()};
  BatchOf batch;
  for (std::size_t i = 0; i < count; ++i) {
    if (bad.contains(i))
      batch.add("trades", row_with_bad_price(), backfill);
    else
      batch.add(trade(static_cast<int>(i)), backfill);
  }
  auto const result = write(sink, batch.moves("md.trades", 0, -1, 100).batch);
  CHECK(result.committed == bad.empty());
  CHECK(database.ask("select count(*) from trades") == (bad.empty() ? std::to_string(count) : "0"));
  if (!result.committed) sink.commit();
  CHECK(database.ask("select count(*), count(distinct id) from trades") ==
        std::to_string(count - bad.size()) + "|" + std::to_string(count - bad.size()));
  CHECK(database.ask("select sum(read), sum(written), sum(dead) from penstock.ledger") ==
        std::to_string(count) + "|" + std::to_string(count - bad.size()) + "|" + std::to_string(bad.size()));
  return result;
}

}  // namespace

TEST_CASE("isolate: a bad row at any place stands alone, and the rest goes in") {
  if (no_database()) return;
  TestDatabase const database;
  for (std::size_t at = 0; at < 9; ++at) {
    CAPTURE(at);
    CHECK(rejected_of(write_with_bad(database, {at}, 9)) == std::set{at});
  }
  for (auto const& bad : {std::set<std::size_t>{0, 8}, {0, 1}, {7, 8}, {1, 4, 5}, {0, 1, 2, 3, 4, 5, 6, 7, 8}})
    CHECK(rejected_of(write_with_bad(database, bad, 9)) == bad);
  CHECK(rejected_of(write_with_bad(database, {2, 5}, 9, true)) == std::set<std::size_t>{2, 5});
  std::set<std::size_t> many;
  for (std::size_t i = 13; i < 3'000; i += 1 + i % 97) many.insert(i);
  CHECK(rejected_of(write_with_bad(database, many, 3'000)) == many);
}

TEST_CASE("isolate: a reject says SQLSTATE, column, constraint and what was found") {
  if (no_database()) return;
  TestDatabase const database;
  auto const result = write_with_bad(database, {1}, 3);
  CHECK(result.rejected.front().reject.reason == reason::rejected_by_database);
  CHECK(result.rejected.front().reject.detail == "SQLSTATE 22P03, column price: invalid digit in external \"numeric\" value");
  database.connect().execute(
      "delete from trades; delete from penstock.offsets; delete from penstock.ledger; alter table trades add constraint known_id "
      "check (id <> '2')");
  PostgresSink sink{database.sink_options()};
  BatchOf batch;
  for (auto n = 0; n < 5; ++n) batch.add(trade(n));
  batch.add("trades", row_with(trade(9), 1, std::nullopt));
  batch.add("trades", row_with_bad_time()).add("trades", row_of({"too", "few"}));
  auto const refused = write(sink, batch.moves("md.trades", 0, -1, 8).batch).rejected;
  REQUIRE(refused.size() == 4);
  CHECK(refused[0].delivery == 2);
  CHECK_MESSAGE(refused[0].reject.detail.starts_with("SQLSTATE 23514, constraint known_id: "), refused[0].reject.detail);
  CHECK_MESSAGE(refused[1].reject.detail.starts_with("SQLSTATE 23502, column symbol: "), refused[1].reject.detail);
  CHECK_MESSAGE(refused[2].reject.detail.starts_with("SQLSTATE 22008, column time: "), refused[2].reject.detail);
  CHECK_MESSAGE(refused[3].reject.detail.starts_with("SQLSTATE 22P04: "), refused[3].reject.detail);
}

TEST_CASE("isolate: rows whose line PostgreSQL does not name are found by halving") {
  if (no_database()) return;
  TestDatabase const database;
  // An index refuses them when the rows are already in a buffer: which line it names then is not to be trusted.
  database.connect().execute("create index on trades ((1 / (length(id) - 3)))");
  for (std::size_t count : {1, 2, 7, 64}) {
    for (std::size_t at = 0; at < count; at += count < 8 ? 1 : 21) {
      CAPTURE(count);
      CAPTURE(at);
      database.connect().execute("delete from trades; delete from penstock.offsets; delete from penstock.ledger");
      PostgresSink sink{database.sink_options()};
      BatchOf batch;
      for (std::size_t i = 0; i < count; ++i) {
        auto record = trade(static_cast<int>(i));
        record.id = i == at || i == count - 1 ? "bad" : std::to_string(i) + "-good";
        batch.add(record);
      }
      auto const result = write(sink, batch.moves("md.trades", 0, -1, 100).batch);
      CHECK(rejected_of(result) == std::set{at, count - 1});
      sink.commit();
      CHECK(database.ask("select count(*) from trades") == std::to_string(count - std::set{at, count - 1}.size()));
    }
  }
}

TEST_CASE("isolate: bad rows of tables where the later one wins, refused by the stage or by the merge") {
  if (no_database()) return;
  TestDatabase const database;
  database.connect().execute(
      "create function refuse() returns trigger language plpgsql as"
      " $$ begin if new.close = 666 then raise exception 'no such close'; end if; return new; end $$;"
      " create trigger refuse before insert on candles for each row execute function refuse()");
  PostgresSink sink{database.sink_options()};
  BatchOf batch;
  for (auto n = 0; n < 10; ++n) {
    auto record = candle(n == 3 || n == 9 ? "666" : "5", 1);
    record.time += std::chrono::minutes{n};
    batch.add(record);
  }
  batch.add("candles", row_with(candle("5", 1), 5, bad_numeric));
  auto const result = write(sink, batch.moves("md.candles", 0, -1, 11).batch);
  CHECK(rejected_of(result) == std::set<std::size_t>{3, 9, 10});
  CHECK(result.written.at("candles") == 8);
  sink.commit();
  CHECK(database.ask("select count(*) from candles") == "8");
}

TEST_CASE("isolate: where bad rows are frequent, savepoints stand closer, and apart again when they are gone") {
  BadRowDistance distance;
  CHECK(distance.rows_per_savepoint() > 1'000'000);
  for (auto i = 0; i < 20; ++i) {
    distance.good(1'000);
    distance.bad();
  }
  auto const close = distance.rows_per_savepoint();
  CHECK(close >= 64);
  CHECK(close < 500);
  distance.good(1'000'000);
  CHECK(distance.rows_per_savepoint() > 10 * close);
  distance.good(100'000'000);
  CHECK(distance.rows_per_savepoint() > 1'000'000);
}

TEST_CASE("sink: an uncommitted batch with bad rows may be started again") {
  if (no_database()) return;
  TestDatabase const database;
  PostgresSink sink{database.sink_options()};
  auto batch = BatchOf{}.add(trade(1)).add("trades", row_with_bad_price()).moves("md.trades", 0, -1, 2);
  CHECK(!write(sink, batch.batch).committed);
  CHECK(!write(sink, batch.batch).committed);
  sink.commit();
  CHECK(database.ask("select count(*) from trades") == "1");
}
