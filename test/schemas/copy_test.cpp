// What the bytes mean to PostgreSQL is for agreement_test.cpp to say, where the database reads them.
#include "test/copy_fields.hpp"

#include "samples.hpp"

#include <algorithm>

using namespace penstock;
using namespace penstock::samples;
using namespace std::string_literals;

namespace {

/// The last field but `others`.
std::optional<std::string> field_from_end(MarketRecord const& record, std::size_t others) {
  auto const fields = test::fields_of(copy_row_of(record));
  return fields.at(fields.size() - 1 - others);
}

std::string numeric(std::string const& text) {
  Candle candle = bare<Candle>();
  candle.volume = decimal(text);
  return field_from_end(candle, 3).value();
}

}  // namespace

TEST_CASE("copy: a trade is its columns in binary") {
  auto const fields = test::fields_of(copy_row_of(trade()));
  CHECK(fields == test::CopyFields{"binance", "BTC/USDT", "\x00\x02\xc2\x33\x83\x36\x9f\x68"s,
                                   "\x00\x02\xc2\x33\x83\x23\x42\xdb"s, "3714568901", "sell",
                                   "\x00\x04\x00\x01\x00\x00\x00\x08\x00\x06\x06\xc9\x18\x9c\x00\x00"s,  // 6 1737.6300 0000
                                   "\x00\x01\xff\xff\x00\x00\x00\x02\x03\xe8"s});                        // .1000
}

TEST_CASE("copy: decimals are digits to base 10,000, with as many behind the point as they are spelled with") {
  CHECK(numeric("0") == "\0\0\xff\xff\0\0\0\0"s);
  CHECK(numeric("-0.00") == "\0\1\xff\xff\x40\0\0\2\0\0"s);
  CHECK(numeric("9999") == "\0\1\0\0\0\0\0\0\x27\x0f"s);
  CHECK(numeric("-10000") == "\0\2\0\1\x40\0\0\0\0\1\0\0"s);
  CHECK(numeric("12.5") == "\0\2\0\0\0\0\0\1\0\x0c\x13\x88"s);
  CHECK(numeric("0.00001") == "\0\2\xff\xff\0\0\0\5\0\0\x03\xe8"s);
}

TEST_CASE("copy: levels are an array of two columns, none an array without dimensions") {
  auto const sequence = field_from_end(book(), 3), bids = field_from_end(book(), 1), asks = field_from_end(book(), 0);
  CHECK(sequence == "\0\0\0\0\0\0\0\x32"s);
  REQUIRE(bids);
  CHECK(bids->starts_with("\0\0\0\2\0\0\0\0\0\0\x06\xa4\0\0\0\2\0\0\0\1\0\0\0\2\0\0\0\1\0\0\0\x0e"s));
  CHECK(asks == "\0\0\0\0\0\0\0\0\0\0\x06\xa4"s);
}

TEST_CASE("copy: booleans are a byte, what is absent is null") {
  Candle candle = bare<Candle>();
  CHECK(field_from_end(candle, 0) == "\1"s);
  CHECK(field_from_end(candle, 3) == std::nullopt);
  candle.closed = false;
  CHECK(field_from_end(candle, 0) == "\0"s);
}

TEST_CASE("copy: text is always UTF-8, and never has a NUL") {
  std::string const bad = "\xEF\xBF\xBD";
  struct Case {
    std::string text, field;
  };
  for (auto const& [text, field] :
       {Case{"a\tb\n\\N\"'{}", "a\tb\n\\N\"'{}"}, Case{"a\0b"s, "a" + bad + "b"}, Case{"Z\xC3\xBCrich", "Z\xC3\xBCrich"},
        Case{"Z\xFCrich", "Z" + bad + "rich"},
        Case{"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", bad + bad + bad + bad + bad + bad + bad + bad + bad}}) {
    Venue venue = bare<Venue>();
    venue.name = text;
    CHECK(field_from_end(venue, 3) == field);
  }
}

TEST_CASE("copy: every row has one field for each column, and nothing after them") {
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  Random random{seed};
  for_each_kind([&]<class Kind>() {
    for (int round = 0; round < 200; ++round) {
      auto const row = copy_row_of(random.record<Kind>());
      auto const fields = test::fields_of(row);
      CHECK(fields.size() == columns_of(Kind::kind).size());
      CHECK(test::row_of(fields) == row);
    }
  });
}
