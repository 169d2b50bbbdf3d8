// sink URL ROWS BATCH BAD_EVERY: rows of trades per second, the same rows and batches twice: through the store's sink (offsets
// that fence, ledger, isolation of bad rows), and by its own COPY alone, one transaction a batch. With BAD_EVERY > 0 the sink
// gets one bad row in so many, and the other side of the ratio is the sink without them. Prints "OURS LIMIT".
#include "streaming/postgres/sink.hpp"
#include "schemas/kinds.hpp"
#include "schemas/table_shapes.hpp"
#include "test/copy_fields.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <format>
#include <string>
#include <vector>

namespace {

using namespace penstock;
using namespace std::chrono_literals;

constexpr std::string_view topic = "md.trades";

/// `first`: number of the first row; bad rows have a price that is none.
WriteBatch make_batch(std::int64_t first, std::int64_t rows, std::int64_t bad_every) {
  WriteBatch batch;
  auto& table = batch.tables.emplace_back(TableRows{.table = "trades", .topic = Topic{topic}});
  Trade trade;
  trade.source = "binance", trade.symbol = "BTC/USDT";
  for (auto i = first; i < first + rows; ++i) {
    trade.time = trade.received_at = Time{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}} + std::chrono::milliseconds{i};
    trade.id = std::to_string(3'742'119'215 + i);
    trade.side = i % 2 == 0 ? Side::buy : Side::sell;
    trade.price = *Decimal::parse(std::format("61{}.{:02}000000", i % 997, i % 100));
    trade.amount = *Decimal::parse(std::format("0.{:05}000", i % 99'991));
    std::string row;
    append_copy_row(row, trade);
    if (bad_every > 0 && i % bad_every == bad_every / 2) {
      auto fields = test::fields_of(row);
      fields[6] = test::bad_numeric;
      row = test::row_of(fields);
    }
    table.rows += row;
    table.ends.push_back(table.rows.size());
    table.deliveries.push_back(static_cast<std::size_t>(i - first));
  }
  table.partitions.assign(table.ends.size(), Partition{0});
  table.backfill.assign(table.ends.size(), false);
  TopicPartition const partition{Topic{topic}, Partition{0}};
  if (first > 0) batch.from[partition] = Offset{first};
  batch.first[partition] = Offset{first};
  batch.to[partition] = Offset{first + rows};
  batch.read[partition] = rows;
  return batch;
}

void empty(postgres::Connection& connection) {
  connection.query("truncate trades; delete from penstock.offsets where consumer_group = 'bench-sink'");
  connection.query("checkpoint");
}

double per_second(std::int64_t rows, std::chrono::steady_clock::time_point began) {
  return static_cast<double>(rows) / std::chrono::duration<double>{std::chrono::steady_clock::now() - began}.count();
}

double run_sink(std::string const& url, std::vector<WriteBatch> const& batches, std::int64_t rows) {
  postgres::PostgresSink sink{{.database = {.url = url}, .group = "bench-sink", .shape_of = table_shape_of}};
  auto const began = std::chrono::steady_clock::now();
  for (auto const& batch : batches) {
    sink.start(batch);
    auto result = sink.finish(60s);
    while (!result) result = sink.finish(60s);
    if (!result->committed) sink.commit();
  }
  return per_second(rows, began);
}

double run_copy(std::string const& url, std::vector<WriteBatch> const& batches, std::int64_t rows) {
  std::vector<std::string> const statements{"copy trades from stdin (format binary)"};
  postgres::Connection connection{{.url = url}};
  auto const began = std::chrono::steady_clock::now();
  for (auto const& batch : batches) {
    postgres::Transaction transaction{connection};
    connection.copy(statements, [&](std::size_t, auto const& put) { put(batch.tables.front().rows); });
    transaction.commit();
  }
  return per_second(rows, began);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) {
    std::fputs("usage: sink URL ROWS BATCH BAD_EVERY\n", stderr);
    return 2;
  }
  std::string const url = arguments[1];
  auto const rows = std::atoll(arguments[2]), size = std::atoll(arguments[3]), bad_every = std::atoll(arguments[4]);
  std::vector<WriteBatch> good, bad;
  for (std::int64_t first = 0; first < rows; first += size) {
    good.push_back(make_batch(first, std::min<std::int64_t>(size, rows - first), 0));
    if (bad_every > 0) bad.push_back(make_batch(first, std::min<std::int64_t>(size, rows - first), bad_every));
  }
  postgres::Connection connection{{.url = url}};
  empty(connection);
  auto const limit = bad_every > 0 ? run_sink(url, good, rows) : run_copy(url, good, rows);
  empty(connection);
  auto const ours = run_sink(url, bad_every > 0 ? bad : good, rows);
  auto const written = std::stoll(connection.query("select count(*) from trades").front().front().value());
  if (written != rows - (bad_every > 0 ? (rows + bad_every / 2 - 1) / bad_every : 0)) {
    std::fprintf(stderr, "the sink wrote %lld rows\n", written);
    return 1;
  }
  empty(connection);
  std::printf("%.0f %.0f\n", ours, limit);
}
