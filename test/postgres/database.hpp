/// A database of its own for each test case, on the server that PENSTOCK_TEST_DATABASE names.
#pragma once

#include "schemas/kinds.hpp"
#include "schemas/table_shapes.hpp"
#include "schemas/texts.hpp"
#include "streaming/postgres/connection.hpp"
#include "streaming/postgres/migrations.hpp"
#include "streaming/postgres/sink.hpp"
#include "test/copy_fields.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

namespace penstock::test {

inline std::string server_url() {
  auto const* const url = std::getenv("PENSTOCK_TEST_DATABASE");
  return url == nullptr ? "" : url;
}

// postgresql://user@host:port/name?x=y -> the same with another name
inline std::string with_name(std::string const& url, std::string const& name) {
  auto const authority = url.find("://") + 3;
  auto const path = url.find('/', authority), query = url.find('?', authority);
  auto const end = std::min(path, query);
  return url.substr(0, end) + "/" + name + (query == std::string::npos ? "" : url.substr(query));
}

class TestDatabase {
 public:
  enum class With { nothing, schema };
  explicit TestDatabase(With with = With::schema) {
    static std::atomic<int> count = 0;
    name_ = "penstock_test_" + std::to_string(::getpid()) + "_" + std::to_string(++count);
    postgres::Connection{{.url = server_url()}}.execute("create database " + name_);
    if (with == With::nothing) return;
    auto connection = connect();
    postgres::apply_migrations(connection, schema_texts());
  }
  ~TestDatabase() {
    try {
      postgres::Connection{{.url = server_url()}}.execute("drop database " + name_ + " with (force)");
    } catch (Fault const& fault) {
      MESSAGE(fault.what());
    }
  }
  TestDatabase(TestDatabase const&) = delete;
  TestDatabase& operator=(TestDatabase const&) = delete;

  std::string const& name() const { return name_; }
  postgres::Settings settings() const { return {.url = with_name(server_url(), name_)}; }
  postgres::Connection connect() const { return postgres::Connection{settings()}; }
  postgres::SinkOptions sink_options() const {
    return {.database = settings(), .group = "group", .instance = "store-1", .shape_of = table_shape_of};
  }

  /// The answer as text: fields separated by |, rows by a newline.
  std::string ask(std::string const& statement) const {
    std::string out;
    for (auto const& row : connect().query(statement)) {
      if (!out.empty()) out += '\n';
      for (auto const& value : row) out += (&value == &row.front() ? "" : "|") + value.value_or("null");
    }
    return out;
  }

 private:
  std::string name_;
};

/// Says that it skips where there is no server.
inline bool no_database() {
  if (!server_url().empty()) return false;
  MESSAGE("skipped: PENSTOCK_TEST_DATABASE is not set");
  return true;
}

inline Decimal decimal(std::string_view text) { return Decimal::parse(text).value(); }
inline Time time_of(std::string_view text) { return parse_time(text).value(); }
inline Time second(int n) { return time_of("2024-08-08T10:00:00.000001Z") + std::chrono::seconds{n}; }

inline Trade trade(int n) {
  Trade trade;
  trade.source = "binance", trade.symbol = "BTC/USDT", trade.time = second(n), trade.received_at = second(n + 1);
  trade.id = std::to_string(n), trade.side = Side::sell, trade.price = decimal("61737.10"), trade.amount = decimal("0.00100");
  return trade;
}

inline Candle candle(std::string const& close, int received) {
  Candle candle;
  candle.source = "binance", candle.symbol = "BTC/USDT", candle.time = second(0), candle.received_at = second(received);
  candle.interval = "1m", candle.open = candle.low = decimal("1"), candle.high = decimal("900"), candle.close = decimal(close);
  return candle;
}

/// Builds a batch as the store does.
class BatchOf {
 public:
  BatchOf& add(std::string const& table, std::string const& row, bool backfill = false, int partition = 0) {
    auto found = std::ranges::find(batch.tables, table, &TableRows::table);
    if (found == batch.tables.end()) {
      found = batch.tables.emplace(found);
      found->table = table, found->topic = "md." + table;
    }
    found->rows += row;
    found->ends.push_back(found->rows.size());
    found->deliveries.push_back(deliveries_++);
    found->partitions.push_back(Partition{partition});
    found->backfill.push_back(backfill);
    ++batch.read[{"md." + table, Partition{partition}}];
    return *this;
  }
  BatchOf& add(MarketRecord const& record, bool backfill = false, int partition = 0) {
    std::string row;
    append_copy_row(row, record);
    return add(std::string{kind_of(record)}, row, backfill, partition);
  }
  BatchOf& moves(std::string const& topic, int partition, std::int64_t from, std::int64_t to) {
    if (from >= 0) batch.from[{topic, Partition{partition}}] = Offset{from};
    batch.to[{topic, Partition{partition}}] = Offset{to};
    batch.first[{topic, Partition{partition}}] = Offset{std::max<std::int64_t>(from, 0)};
    return *this;
  }
  WriteBatch batch;

 private:
  std::size_t deliveries_ = 0;
};

/// The record's row with one field otherwise, nullopt for null.
inline std::string row_with(MarketRecord const& record, std::size_t field, std::optional<std::string> value) {
  std::string row;
  append_copy_row(row, record);
  auto fields = fields_of(row);
  fields.at(field) = std::move(value);
  return row_of(fields);
}
/// What a database refuses: places of columns in trades.
inline std::string row_with_bad_price() { return row_with(trade(9), 6, bad_numeric); }
inline std::string row_with_bad_time() { return row_with(trade(9), 2, bad_time); }

inline WriteResult finish(Sink& sink) {
  while (true)
    if (auto result = sink.finish(std::chrono::seconds{1})) return *result;
}

/// Writes it to the end. Throws what finish() throws.
inline WriteResult write(Sink& sink, WriteBatch const& batch) {
  sink.start(batch);
  return finish(sink);
}

}  // namespace penstock::test
