#include "streaming/postgres/sink.hpp"

#include "test/postgres/database.hpp"
#include "test/postgres/proxy.hpp"

#include <doctest/doctest.h>

#include <chrono>

using namespace penstock;
using namespace penstock::postgres;
using namespace penstock::test;

namespace {

constexpr char const* trades_topic = "md.trades";
TopicPartition const trades_0{trades_topic, Partition{0}};

BatchOf trades(int first, int last, std::int64_t from, std::int64_t to) {
  BatchOf batch;
  for (auto n = first; n < last; ++n) batch.add(trade(n));
  batch.moves(trades_topic, 0, from, to);
  return batch;
}

std::string ledger(TestDatabase const& database) {
  return database.ask(
      "select topic, partition, min(from_offset), max(to_offset), sum(read), sum(skipped), sum(rewound), sum(written),"
      " sum(duplicate), sum(dead) from penstock.ledger group by 1, 2 order by 1, 2");
}

std::uint16_t port_of(std::string const& url) {
  auto const at = url.find(':', url.find('@'));
  return static_cast<std::uint16_t>(std::stoi(url.substr(at + 1)));
}
SinkOptions through(Proxy const& proxy, SinkOptions options) {
  auto& url = options.database.url;
  auto const at = url.find(':', url.find('@'));
  url.replace(at + 1, url.find('/', at) - at - 1, std::to_string(proxy.port()));
  return options;
}

}  // namespace

TEST_CASE("sink: rows, offsets and ledger are there together, exactly as written") {
  if (no_database()) return;
  TestDatabase const database;
  PostgresSink sink{database.sink_options()};
  CHECK(sink.committed({trades_0}).empty());

  Trade exact = trade(1);
  exact.id = "tab\t newline\n quote\" back\\slash \\N é";
  exact.price = decimal("123456789012345678901234567890.123456789012345678900");
  exact.amount = decimal("0.10");
  exact.time = time_of("2024-08-08T23:54:13.937085Z");
  Book book;
  book.source = "binance", book.symbol = "BTC/USDT", book.time = book.received_at = second(1), book.sequence = 7;
  book.bids = {{decimal("61737.10"), decimal("0.500")}, {decimal("61737.00"), decimal("0")}};
  BatchOf batch;
  batch.add(exact).add(book).moves(trades_topic, 0, -1, 12).moves("md.books", 0, -1, 3);

  auto const result = write(sink, batch.batch);
  CHECK(result.committed);
  CHECK(result.rejected.empty());
  CHECK(result.written.at("trades") == 1);
  CHECK(database.ask("select id, price::text, amount::text, to_char(time, 'YYYY-MM-DD HH24:MI:SS.US'), side from trades") ==
        exact.id + "|123456789012345678901234567890.123456789012345678900|0.10|2024-08-08 23:54:13.937085|sell");
  CHECK(database.ask("select bids::text, asks::text, sequence, previous_sequence from books") ==
        "{{61737.10,0.500},{61737.00,0}}|{}|7|null");
  CHECK(sink.committed({trades_0, {"md.books", Partition{0}}, {"md.gaps", Partition{0}}}) == batch.batch.to);
  CHECK(ledger(database) == "md.books|0|0|3|1|0|0|1|0|0\nmd.trades|0|0|12|1|0|0|1|0|0");
}

TEST_CASE("sink: the offsets go on from batch to batch, also without rows") {
  if (no_database()) return;
  TestDatabase const database;
  PostgresSink sink{database.sink_options()};
  write(sink, trades(0, 5, -1, 5).batch);
  auto empty = trades(0, 0, 5, 9);
  empty.batch.read[trades_0] = 4, empty.batch.dead[trades_0] = 4;
  write(sink, empty.batch);
  CHECK(sink.committed({trades_0}) == Offsets{{trades_0, Offset{9}}});
  CHECK(ledger(database) == "md.trades|0|0|9|9|0|0|5|0|4");
}

TEST_CASE("sink: the ledger says where it began, which offsets held no record, and where reading went back") {
  if (no_database()) return;
  TestDatabase const database;
  PostgresSink sink{database.sink_options()};
  auto batch = trades(0, 5, -1, 10);  // 3 4 5 _ 7 8 9 _ with two of them not there
  batch.batch.first[trades_0] = Offset{3};
  batch.batch.skipped[trades_0] = 2;
  write(sink, batch.batch);
  CHECK(database.ask("select first_offset, next_offset from penstock.offsets") == "3|10");
  CHECK(ledger(database) == "md.trades|0|3|10|5|2|0|5|0|0");

  auto after_a_marker = trades(5, 7, 10, 13);
  after_a_marker.batch.first[trades_0] = Offset{11};
  write(sink, after_a_marker.batch);
  CHECK(ledger(database) == "md.trades|0|3|13|7|3|0|7|0|0");

  auto topic_made_anew = trades(7, 9, 13, 2);
  topic_made_anew.batch.first[trades_0] = Offset{0};
  write(sink, topic_made_anew.batch);
  CHECK(database.ask("select first_offset, next_offset from penstock.offsets") == "3|2");
  CHECK(database.ask("select sum(read), sum(skipped), sum(rewound) from penstock.ledger") == "9|3|13");
}

TEST_CASE("sink: the ledger has one row for a partition and hour, however many batches there were") {
  if (no_database()) return;
  TestDatabase const database;
  PostgresSink sink{database.sink_options()};
  for (int i = 0; i < 50; ++i) write(sink, trades(i, i + 1, i == 0 ? -1 : i, i + 1).batch);
  database.connect().execute("update penstock.ledger set hour = hour - interval '2 hours'");
  write(sink, trades(50, 51, 50, 51).batch);
  CHECK(database.ask("select sum(read), sum(written), min(from_offset), max(to_offset) from penstock.ledger") == "51|51|0|51");
  CHECK(std::stoi(database.ask("select count(*) from penstock.ledger")) <= 3);  // The clock may pass an hour here.
}

TEST_CASE("sink: a batch that expects another offset than the table holds is fenced and writes nothing") {
  if (no_database()) return;
  TestDatabase const database;
  PostgresSink ours{database.sink_options()}, theirs{database.sink_options()};
  write(ours, trades(0, 5, -1, 5).batch);
  SUBCASE("it starts too early") { CHECK_THROWS_AS(write(theirs, trades(0, 7, 3, 7).batch), Fenced); }
  SUBCASE("it starts too late") { CHECK_THROWS_AS(write(theirs, trades(0, 7, 6, 9).batch), Fenced); }
  SUBCASE("it believes that nothing was written yet") { CHECK_THROWS_AS(write(theirs, trades(0, 7, -1, 7).batch), Fenced); }
  SUBCASE("one partition of two") {
    auto batch = trades(5, 6, 5, 6);
    batch.add(trade(100), false, 1).moves(trades_topic, 1, -1, 1);
    write(theirs, trades(0, 0, 5, 6).batch);
    CHECK_THROWS_AS(write(theirs, batch.batch), Fenced);
    CHECK(theirs.committed({{trades_topic, Partition{1}}}).empty());
  }
  CHECK(database.ask("select count(*) from trades") == "5");
  CHECK(database.ask("select count(*) from penstock.ledger where written > 0") == "1");
  // A fenced sink goes on with the next batch.
  auto const at = ours.committed({trades_0}).at(trades_0);
  CHECK(write(theirs, trades(20, 21, to_integer(at), 50).batch).committed);
}

TEST_CASE("sink: later candles win, within a batch, over batches and over restarts") {
  if (no_database()) return;
  TestDatabase const database;
  auto const close = [&] { return database.ask("select close::text from candles"); };
  {
    PostgresSink sink{database.sink_options()};
    auto const result =
        write(sink, BatchOf{}.add(candle("10", 5)).add(candle("11", 5)).add(candle("12", 6)).moves("md.candles", 0, -1, 3).batch);
    CHECK(result.written.at("candles") == 3);
    CHECK(close() == "12");
    write(sink, BatchOf{}.add(candle("13", 6)).moves("md.candles", 0, 3, 4).batch);
    CHECK(close() == "13");
  }
  PostgresSink sink{database.sink_options()};
  write(sink, BatchOf{}.add(candle("14", 4)).moves("md.candles", 0, 4, 5).batch);
  CHECK(close() == "13");
  write(sink, BatchOf{}.add(candle("15", 7), true).moves("md.candles", 0, 5, 6).batch);
  CHECK(close() == "15");
  CHECK(database.ask("select count(*) from candles") == "1");
}

TEST_CASE("sink: however the same candles are cut into batches, the same one remains") {
  if (no_database()) return;
  TestDatabase const database;
  std::vector<Candle> const candles{candle("1", 5), candle("2", 7), candle("3", 6), candle("4", 7), candle("5", 2)};
  for (auto cuts = 0U; cuts < 16; ++cuts) {
    CAPTURE(cuts);
    PostgresSink sink{database.sink_options()};
    database.connect().execute("delete from candles; delete from penstock.offsets");
    BatchOf batch;
    std::int64_t from = -1;
    for (std::size_t i = 0; i < candles.size(); ++i) {
      batch.add(candles[i]);
      if (i + 1 < candles.size() && (cuts >> i & 1) == 0) continue;
      auto const to = static_cast<std::int64_t>(i) + 1;
      write(sink, batch.moves("md.candles", 0, from, to).batch);
      from = to;
      batch = {};
    }
    CHECK(database.ask("select close::text from candles") == "4");
  }
}

TEST_CASE("sink: an open gap does not take back that it was filled") {
  if (no_database()) return;
  TestDatabase const database;
  PostgresSink sink{database.sink_options()};
  auto const gap = [](GapState state, int received) {
    Gap record;
    record.source = "binance", record.symbol = "BTC/USDT", record.time = record.received_at = second(received),
    record.channel = "trade";
    record.from_time = second(0), record.to_time = second(1), record.cause = GapCause::sequence, record.state = state;
    return record;
  };
  auto const state = [&] { return database.ask("select state from gaps"); };
  std::int64_t at = -1;
  auto const put = [&](BatchOf& batch) {
    write(sink, batch.moves("md.gaps", 0, at, at + 1 + (at < 0 ? 1 : 0)).batch);
    at += 1 + (at < 0 ? 1 : 0);
  };
  put(BatchOf{}.add(gap(GapState::filled, 5)).add(gap(GapState::open, 5)));
  CHECK(state() == "filled");
  put(BatchOf{}.add(gap(GapState::open, 5)));
  CHECK(state() == "filled");
  put(BatchOf{}.add(gap(GapState::open, 4)));
  CHECK(state() == "filled");
  put(BatchOf{}.add(gap(GapState::unfillable, 5)));
  CHECK(state() == "unfillable");
  put(BatchOf{}.add(gap(GapState::open, 6)));
  CHECK(state() == "open");
  CHECK(database.ask("select count(*) from open_gaps") == "1");
}

TEST_CASE("sink: back-filled trades that are there already, or come twice, are counted as duplicates") {
  if (no_database()) return;
  TestDatabase const database;
  PostgresSink sink{database.sink_options()};
  write(sink, trades(0, 10, -1, 10).batch);
  BatchOf batch;
  for (auto n = 5; n < 15; ++n) batch.add(trade(n), true);
  batch.add(trade(12), true);       // twice among the back-filled
  batch.add(trade(13));             // live in the same batch: the back-filled one yields
  Trade slightly_later = trade(9);  // the same trade over another channel
  slightly_later.time += std::chrono::milliseconds{300};
  batch.add(slightly_later, true, 1);
  auto const result = write(sink, batch.moves(trades_topic, 0, 10, 22).moves(trades_topic, 1, -1, 1).batch);
  CHECK(result.written.at("trades") == 5);
  CHECK(result.duplicate.at("trades") == 8);
  CHECK(database.ask("select count(*), count(distinct id) from trades") == "15|15");
  CHECK(database.ask("select partition, sum(read), sum(written), sum(duplicate) from penstock.ledger group by 1 order by 1") ==
        "0|22|15|7\n1|1|0|1");
}

TEST_CASE("sink: what has no sequence is the same only where all of it is the same") {
  if (no_database()) return;
  TestDatabase const database;
  PostgresSink sink{database.sink_options()};
  auto const ticker = [](std::optional<std::int64_t> sequence, char const* bid, int received) {
    Ticker record;
    record.source = "binance", record.symbol = "BTC/USDT", record.time = second(0), record.received_at = second(received);
    record.sequence = sequence, record.bid = decimal(bid);
    return record;
  };
  write(sink, BatchOf{}.add(ticker(7, "1.0", 1)).add(ticker({}, "1.0", 1)).moves("md.tickers", 0, -1, 2).batch);
  auto const result = write(sink, BatchOf{}
                                      .add(ticker(7, "2.0", 2), true)
                                      .add(ticker({}, "1.0", 2), true)
                                      .add(ticker({}, "2.0", 2), true)
                                      .add(ticker({}, "2.0", 3), true)
                                      .add(ticker(8, "1.0", 2), true)
                                      .moves("md.tickers", 0, 2, 7)
                                      .batch);
  CHECK(result.written.at("tickers") == 2);
  CHECK(result.duplicate.at("tickers") == 3);
}

TEST_CASE("sink: content decides for options, nulls and all") {
  if (no_database()) return;
  TestDatabase const database;
  PostgresSink sink{database.sink_options()};
  auto const option = [](char const* bid, int received) {
    Option record;
    record.source = "deribit", record.symbol = "X", record.time = second(0), record.received_at = second(received),
    record.bid = decimal(bid);
    return record;
  };
  write(sink, BatchOf{}.add(option("1", 1)).moves("md.options", 0, -1, 1).batch);
  auto const result = write(
      sink,
      BatchOf{}.add(option("1", 2), true).add(option("2", 2), true).add(option("2", 3), true).moves("md.options", 0, 1, 4).batch);
  CHECK(result.written.at("options") == 1);
  CHECK(result.duplicate.at("options") == 2);
}

TEST_CASE("sink: a commit whose answer is lost is looked up") {
  if (no_database()) return;
  TestDatabase const database;
  Proxy proxy{port_of(server_url())};
  PostgresSink sink{through(proxy, database.sink_options())};
  write(sink, trades(0, 5, -1, 5).batch);
  auto const batch = trades(5, 9, 5, 9);

  SUBCASE("it had happened: the batch is written, once") {
    proxy.loses = Proxy::Loses::answer_to_commit;
    auto const result = write(sink, batch.batch);
    CHECK(result.committed);
    CHECK(result.written.at("trades") == 4);
  }
  SUBCASE("it had not: the batch is started again, and written once") {
    proxy.loses = Proxy::Loses::commit;
    CHECK_THROWS_AS(write(sink, batch.batch), Fault);
    CHECK(write(sink, batch.batch).committed);
  }
  CHECK(database.ask("select count(*), count(distinct id) from trades") == "9|9");
  CHECK(sink.committed({trades_0}) == batch.batch.to);
}

TEST_CASE("sink: the rows of a batch stand in the table symbol by symbol, each symbol's in their order") {
  if (no_database()) return;
  TestDatabase const database;
  PostgresSink sink{database.sink_options()};
  BatchOf batch;
  for (int i = 0; i < 6; ++i) {
    auto record = trade(i);
    record.symbol = i % 3 == 0 ? "X" : i % 3 == 1 ? "A" : "M";
    batch.add(record);
  }
  write(sink, batch.moves("md.trades", 0, -1, 6).batch);
  CHECK(database.ask("select string_agg(symbol || id, ' ' order by ctid) from trades") == "A1 A4 M2 M5 X0 X3");
}

TEST_CASE("sink: after a commit whose answer was lost the next batch has its staging tables again") {
  if (no_database()) return;
  TestDatabase const database;
  Proxy proxy{port_of(server_url())};
  PostgresSink sink{through(proxy, database.sink_options())};
  write(sink, BatchOf{}.add(candle("1", 1)).moves("md.candles", 0, -1, 1).batch);
  proxy.loses = Proxy::Loses::answer_to_commit;
  CHECK(write(sink, BatchOf{}.add(candle("2", 2)).moves("md.candles", 0, 1, 2).batch).committed);
  CHECK(write(sink, BatchOf{}.add(candle("3", 3)).moves("md.candles", 0, 2, 3).batch).committed);
  CHECK(database.ask("select close from candles") == "3");
}

TEST_CASE("sink: a lost answer to the commit of a batch with bad rows is looked up when the batch comes again") {
  if (no_database()) return;
  TestDatabase const database;
  Proxy proxy{port_of(server_url())};
  PostgresSink sink{through(proxy, database.sink_options())};
  auto batch = trades(0, 3, -1, 4);
  batch.add("trades", row_with_bad_time());
  CHECK(!write(sink, batch.batch).committed);
  SUBCASE("it had happened") { proxy.loses = Proxy::Loses::answer_to_commit; }
  SUBCASE("it had not") { proxy.loses = Proxy::Loses::commit; }
  CHECK_THROWS_AS(sink.commit(), InDoubt);
  if (auto const result = write(sink, batch.batch); !result.committed) sink.commit();
  CHECK(database.ask("select count(*), count(distinct id) from trades") == "3|3");
  CHECK(sink.committed({trades_0}) == batch.batch.to);
}

TEST_CASE("sink: a backend that is ended in the middle costs a retry and nothing else") {
  if (no_database()) return;
  TestDatabase const database;
  PostgresSink sink{database.sink_options()};
  write(sink, trades(0, 5, -1, 5).batch);
  // The rows wait for this lock, so that the backend is in the middle of the batch when it is ended.
  auto other = database.connect();
  other.begin();
  other.execute("lock table trades in exclusive mode");
  auto const batch = trades(5, 9, 5, 9);
  sink.start(batch.batch);
  auto watcher = database.connect();
  auto const waiting =
      "select pid from pg_locks join pg_stat_activity using (pid) where not granted and datname = current_database()";
  std::vector<Row> found;
  while (found.empty()) found = watcher.query(waiting);
  watcher.query("select pg_terminate_backend($1::int, 5000)", found.front());
  CHECK_THROWS_AS(finish(sink), Fault);
  other.rollback();
  CHECK(write(sink, batch.batch).committed);
  CHECK(database.ask("select count(*) from trades") == "9");
}

TEST_CASE("sink: a database that is away for a while is a reason to wait") {
  if (no_database()) return;
  TestDatabase const database;
  auto proxy = std::make_unique<Proxy>(port_of(server_url()));
  auto const port = proxy->port();
  PostgresSink sink{through(*proxy, database.sink_options())};
  write(sink, trades(0, 5, -1, 5).batch);
  proxy.reset();
  auto const batch = trades(5, 9, 5, 9);
  for (auto i = 0; i < 3; ++i) {
    try {
      write(sink, batch.batch);
      FAIL("it was written to nowhere");
    } catch (Fault const& fault) {
      CHECK(fault.kind() == Fault::Kind::transient);
      CHECK_MESSAGE(std::string{fault.what()}.size() > 10, fault.what());
    }
  }
  CHECK_THROWS_AS(sink.committed({trades_0}), Fault);
  CHECK(port != 0);
}

TEST_CASE("sink: a column of another type than the rows have is said, and nothing is written into it") {
  if (no_database()) return;
  TestDatabase const database;
  PostgresSink sink{database.sink_options()};
  Book book;
  book.source = "binance", book.symbol = "BTC/USDT", book.time = book.received_at = second(0), book.sequence = 7;
  auto const alter = [&] {
    // As many bytes as a bigint: PostgreSQL would take them.
    database.connect().execute("alter table books alter column sequence type double precision using sequence");
  };
  SUBCASE("since before the store came") { alter(); }
  SUBCASE("since it is connected") {
    write(sink, BatchOf{}.add(book).moves("md.books", 0, -1, 1).batch);
    database.connect().execute("truncate books");
    database.connect().execute("delete from penstock.offsets");
    alter();
  }
  try {
    write(sink, BatchOf{}.add(book).moves("md.books", 0, -1, 1).batch);
    FAIL("it was written");
  } catch (Fault const& fault) {
    CHECK(fault.kind() == Fault::Kind::fatal);
    CHECK(std::string{fault.what()} ==
          "column sequence of table books is double precision, and what is written is bigint: give it its type back (alter table "
          "books alter column sequence type bigint)");
  }
  CHECK(database.ask("select count(*) from books") == "0");
}

TEST_CASE("sink: a server that is frozen holds neither committed() nor commit() nor the end up") {
  if (no_database()) return;
  TestDatabase const database;
  Proxy proxy{port_of(server_url())};
  auto sink = std::make_unique<PostgresSink>(through(proxy, database.sink_options()));
  auto batch = trades(0, 3, -1, 4);
  batch.add("trades", row_with_bad_time());
  auto const took = [](auto const& work) {
    auto const began = std::chrono::steady_clock::now();
    work();
    return std::chrono::steady_clock::now() - began;
  };
  auto const fails_in_time = [&](auto const& work) {
    CHECK(took([&] {
            try {
              work();
              FAIL("a frozen server answered");
            } catch (Fault const& fault) {
              CHECK(fault.kind() == Fault::Kind::transient);
            }
          }) < std::chrono::seconds{5});
  };

  SUBCASE("before it lets committed() in") {
    proxy.loses = Proxy::Loses::everything;
    fails_in_time([&] { sink->committed({trades_0}); });
  }
  SUBCASE("before it answers committed()") {
    auto other = database.connect();
    other.begin();
    other.execute("lock table penstock.offsets");
    fails_in_time([&] { sink->committed({trades_0}); });
    other.rollback();
  }
  SUBCASE("before a commit, which is tried again later") {
    CHECK(!write(*sink, batch.batch).committed);
    proxy.loses = Proxy::Loses::everything;
    fails_in_time([&] { sink->commit(); });
    proxy.loses = Proxy::Loses::nothing;
    if (!write(*sink, batch.batch).committed) sink->commit();
    CHECK(database.ask("select count(*), count(distinct id) from trades") == "3|3");
  }
  SUBCASE("while a transaction is open") {
    CHECK(!write(*sink, batch.batch).committed);
    proxy.loses = Proxy::Loses::everything;
  }
  CHECK(took([&] { sink.reset(); }) < std::chrono::seconds{3});
}

TEST_CASE("sink: is gone within 5 s while the database holds it up, or the network is dead") {
  if (no_database()) return;
  TestDatabase const database;
  Proxy proxy{port_of(server_url())};
  auto sink = std::make_unique<PostgresSink>(through(proxy, database.sink_options()));
  write(*sink, trades(0, 1, -1, 1).batch);
  auto other = database.connect();
  other.begin();
  other.execute("lock table trades in exclusive mode");
  auto const batch = trades(1, 1000, 1, 1000);
  sink->start(batch.batch);
  while (database.ask("select count(*) from pg_locks where not granted and relation = 'trades'::regclass") == "0") {
  }
  SUBCASE("held up by a lock") {}
  SUBCASE("nothing comes through") { proxy.loses = Proxy::Loses::everything; }
  auto const began = std::chrono::steady_clock::now();
  sink.reset();
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds{3});
  other.rollback();
  CHECK(database.ask("select count(*) from trades") == "1");
}

TEST_CASE("sink: a missing table, column or schema stops with what to do") {
  if (no_database()) return;
  TestDatabase const database;
  SUBCASE("nothing was applied") { database.connect().execute("drop schema penstock cascade"); }
  SUBCASE("no table") { database.connect().execute("drop table trades cascade"); }
  SUBCASE("no column") { database.connect().execute("alter table trades drop column side"); }
  PostgresSink sink{database.sink_options()};
  try {
    write(sink, trades(0, 5, -1, 5).batch);
    FAIL("it was written");
  } catch (Fault const& fault) {
    CHECK(fault.kind() == Fault::Kind::fatal);
    CHECK_MESSAGE(std::string{fault.what()}.contains("penstock db apply"), fault.what());
  }
}
