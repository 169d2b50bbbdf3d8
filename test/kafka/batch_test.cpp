#include "streaming/kafka/batch.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

using namespace penstock;
using namespace penstock::kafka;

namespace {

using Written = std::pair<Topic, Record>;

std::vector<Written> content_of(Batch const& batch) {
  std::vector<Written> records;
  batch.for_each([&](std::string_view topic, RecordView const& record) {
    records.emplace_back(topic, Record{std::string{record.key},
                                       std::string{record.value},
                                       {record.headers.begin(), record.headers.end()},
                                       record.partition});
  });
  return records;
}

void add(Batch& batch, std::vector<Written> const& records) {
  for (auto const& [topic, record] : records) batch.add(topic, record);
}

}  // namespace

TEST_CASE("batch: what was added comes out, in its order") {
  std::vector<Written> const records{
      {"md.trades", {"k:BTC", "{}", {{"schema", "trades/1"}, {"origin", "live"}}}},
      {"md.trades", {"k:ETH", "", {{"schema", "trades/1"}, {"origin", "live"}}}},
      {"md.trades", {"", "x", {{"schema", "trades/1"}, {"origin", "backfill"}}}},
      {"md.gaps", {"k:BTC", "y", {{"schema", "trades/1"}, {"origin", "live"}}}},
      {"penstock.ledger", {"", "", {}, Partition{3}}},
      {"md.trades", {"k:BTC", std::string(100'000, 'v'), {{"schema", "trades/1"}, {"origin", "live"}}}},
      {"md.trades", {std::string("\0", 1), "z", {}}},
  };
  Batch batch;
  CHECK(content_of(batch).empty());
  CHECK(batch.bytes() == 0);
  add(batch, records);
  CHECK(content_of(batch) == records);
  CHECK(batch.bytes() > 100'000);
}

TEST_CASE("batch: records that share an envelope stand between those that have one of their own, also after a move") {
  Envelope const trades{"md.trades", {{"schema", "trades/1"}}}, gaps{"md.gaps", {}};
  Batch filled;
  filled.add(trades, "k:BTC", "{}");
  filled.add("raw.x.dead", Record{"k", "v", {{"detail", "d"}}, Partition{1}});
  filled.add(gaps, "", "");
  filled.add(trades, "k:ETH", "x");
  auto const batch = std::move(filled);
  CHECK(content_of(batch) == std::vector<Written>{{"md.trades", {"k:BTC", "{}", trades.headers}},
                                                  {"raw.x.dead", {"k", "v", {{"detail", "d"}}, Partition{1}}},
                                                  {"md.gaps", {}},
                                                  {"md.trades", {"k:ETH", "x", trades.headers}}});
}

TEST_CASE("batch: used again it holds nothing of before") {
  std::vector<Written> letters;
  for (int i = 0; i < 100; ++i)
    letters.emplace_back(
        "raw.x.dead",
        Record{"k", std::string(20'000, 'v'), {{"offset", std::to_string(i)}, {"detail", std::string(1'000, 'd')}}, {}});
  Batch batch;
  add(batch, letters);
  CHECK(content_of(batch) == letters);
  CHECK(batch.bytes() > 100 * 21'000);  // Headers, too.
  batch.clear();
  CHECK(content_of(batch).empty());
  CHECK(batch.bytes() == 0);
  letters.resize(2);
  add(batch, letters);
  CHECK(content_of(batch) == letters);
}
