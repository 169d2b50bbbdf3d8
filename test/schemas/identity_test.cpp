#include "samples.hpp"

#include <xxhash.h>

#include <algorithm>

using namespace penstock;
using namespace penstock::samples;

namespace {

template <class Kind>
std::vector<std::string_view> identity_fields() {
  return {std::begin(Kind::identity), std::end(Kind::identity)};
}

/// Names of the fields that, changed alone, change the record's identity.
template <class Kind>
std::vector<std::string_view> telling_fields(Kind const& record) {
  std::vector<std::string_view> names;
  for_each_field<Kind>([&]<std::size_t i>() {
    constexpr auto field = std::get<i>(fields<Kind>);
    auto changed = record;
    fill(changed.*field.member, "another one of another length");
    if constexpr (requires { changed.*field.member = !(changed.*field.member); }) changed.*field.member = !(record.*field.member);
    if constexpr (Word<std::remove_cvref_t<decltype(changed.*field.member)>>) changed.*field.member = {};
    REQUIRE(changed != record);
    if (identity_of(changed) != identity_of(record)) names.push_back(field.name);
  });
  return names;
}

std::vector<std::string_view> list(std::span<std::string_view const> names) { return {names.begin(), names.end()}; }

}  // namespace

TEST_CASE("identity: it is XXH3-64 over bytes that are the same everywhere") {
  auto const bytes = std::string{"trades\0i", 8} + std::string{"\7\0\0\0binance", 11} + std::string{"\10\0\0\0BTC/USDT", 12} +
                     std::string{
                         "\12\0\0\0"
                         "3714568901",
                         14};
  CHECK(identity_of(trade()) == XXH3_64bits(bytes.data(), bytes.size()));
  CHECK(identity_of(trade()) == 4582082723412810014U);
}

TEST_CASE("identity: only the identity fields tell records apart") {
  CHECK(telling_fields(full<Trade>()) == identity_fields<Trade>());
  CHECK(telling_fields(full<Ticker>()) == identity_fields<Ticker>());
  CHECK(telling_fields(full<Book>()) == identity_fields<Book>());
  CHECK(telling_fields(full<Instrument>()) == identity_fields<Instrument>());
  CHECK(telling_fields(full<Venue>()) == identity_fields<Venue>());
  CHECK(telling_fields(full<Gap>()) == identity_fields<Gap>());
  using Names = std::vector<std::string_view>;
  CHECK(telling_fields(full<Candle>()) == Names{"source", "symbol", "time", "interval"});
  CHECK(telling_fields(full<Odds>()) == Names{"source", "symbol", "time", "bookmaker"});
  CHECK(telling_fields(full<Stat>()) == Names{"source", "symbol", "time", "name"});
}

TEST_CASE("identity: without a sequence, tickers and books are told apart by their content") {
  auto ticker = full<Ticker>();
  ticker.sequence.reset();
  CHECK(telling_fields(ticker) == list(content_columns_of("tickers")));
  auto of_book = full<Book>();
  of_book.sequence.reset();
  CHECK(telling_fields(of_book) == list(content_columns_of("books")));
  CHECK(telling_fields(full<Option>()) == list(content_columns_of("options")));
}

TEST_CASE("identity: a value that moves from one field to the next is another record") {
  Option one = bare<Option>(), other = one;
  one.bid = decimal("1");
  other.bid_amount = decimal("1");
  CHECK(identity_of(one) != identity_of(other));

  Trade left = trade(), right = trade();
  left.symbol = "AB";
  left.id = "C";
  right.symbol = "A";
  right.id = "BC";
  CHECK(identity_of(left) != identity_of(right));

  Book bids = book(), asks = book();
  bids.sequence.reset();
  asks.sequence.reset();
  asks.bids.swap(asks.asks);
  CHECK(identity_of(bids) != identity_of(asks));
}

TEST_CASE("identity: the same fields in another kind are another record") {
  Instrument instrument = bare<Instrument>();
  Venue venue = bare<Venue>();
  instrument.symbol = venue.code;
  CHECK(identity_of(instrument) != identity_of(venue));
}

TEST_CASE("identity: a million trades that differ by one digit are all different") {
  std::vector<std::uint64_t> seen;
  auto record = MarketRecord{trade()};
  for (int id = 0; id < 1'000'000; ++id) {
    std::get<Trade>(record).id = std::to_string(id);
    seen.push_back(identity_of(record));
  }
  std::ranges::sort(seen);
  CHECK(std::ranges::adjacent_find(seen) == seen.end());
}

TEST_CASE("identity: columns for the database say the same") {
  using Names = std::vector<std::string_view>;
  CHECK(list(identity_columns_of("trades")) == Names{"source", "symbol", "id"});
  CHECK(list(identity_columns_of("candles")) == Names{"source", "symbol", "interval", "time"});
  CHECK(list(identity_columns_of("tickers")) == Names{"source", "symbol", "sequence"});
  CHECK(list(identity_columns_of("books")) == Names{"source", "symbol", "type", "sequence"});
  CHECK(list(identity_columns_of("options")) == list(content_columns_of("options")));
  for_each_kind([]<class Kind>() {
    auto const columns = columns_of(Kind::kind);
    for (auto const name : identity_columns_of(Kind::kind)) CHECK(std::ranges::contains(columns, name));
    CHECK(content_columns_of(Kind::kind).size() == columns.size() - 1);
    CHECK_FALSE(std::ranges::contains(content_columns_of(Kind::kind), "received_at"));
  });
}
