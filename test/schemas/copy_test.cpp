#include "samples.hpp"

#include <algorithm>

using namespace penstock;
using namespace penstock::samples;

TEST_CASE("copy: a trade is one line of tab-separated columns") {
  CHECK(copy_row_of(trade()) ==
        "binance\tBTC/USDT\t2024-08-08T23:54:13.937000Z\t2024-08-08T23:54:12.668123Z\t3714568901\tsell\t61737.63000000\t0.10\n");
}

TEST_CASE("copy: levels are an array of arrays") {
  CHECK(copy_row_of(book()) ==
        "binance\tBTC/"
        "USDT\t2024-08-08T23:54:13.900000Z\t2024-08-08T23:54:14.000000Z\tupdate\t50\t49\t{{61737.63,0.1},{61737.00,0}}\t{}\n");
}

TEST_CASE("copy: booleans are t and f, what is absent is \\N") {
  Candle candle = bare<Candle>();
  CHECK(copy_row_of(candle).ends_with("\t\\N\t\\N\t\\N\tt\n"));
  candle.closed = false;
  candle.volume = decimal("0");
  CHECK(copy_row_of(candle).ends_with("\t0\t\\N\t\\N\tf\n"));
}

TEST_CASE("copy: text is escaped and always UTF-8") {
  std::string const bad = "\xEF\xBF\xBD";
  struct Case {
    std::string text;
    std::string row;
  };
  for (auto const& [text, row] : {Case{"a\tb", "a\\tb"}, Case{"a\nb", "a\\nb"}, Case{"a\rb", "a\\rb"}, Case{"\\N", "\\\\N"},
                                  Case{"\\.", "\\\\."}, Case{"\"quoted\", 'so' {to} say", "\"quoted\", 'so' {to} say"},
                                  Case{"\x01\b\f\v\x1f", "\x01\b\f\v\x1f"}, Case{std::string{"a\0b", 3}, "a" + bad + "b"},
                                  Case{"Z\xC3\xBCrich", "Z\xC3\xBCrich"}, Case{"Z\xFCrich", "Z" + bad + "rich"}}) {
    Venue venue = bare<Venue>();
    venue.name = text;
    CHECK(copy_row_of(venue).ends_with("\tcode-1\t" + row + "\t\\N\t\\N\t\\N\n"));
  }
}

TEST_CASE("copy: every row has one column for each field") {
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  Random random{seed};
  for_each_kind([&]<class Kind>() {
    std::string rows;
    for (int round = 0; round < 200; ++round) append_copy_row(rows, random.record<Kind>());
    CHECK(static_cast<std::size_t>(std::ranges::count(rows, '\n')) == 200);
    CHECK(static_cast<std::size_t>(std::ranges::count(rows, '\t')) == 200 * (columns_of(Kind::kind).size() - 1));
  });
}
