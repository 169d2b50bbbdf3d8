#include <doctest/doctest.h>

#include "agents/transform/validate.hpp"
#include "test/transform/support.hpp"

#include <functional>

using namespace penstock;
using namespace penstock::test;

namespace {

/// "" for a good one.
std::string_view reason_of(MarketRecord const& record) {
  auto const why = validate(record);
  if (why) CHECK_FALSE(why->detail.empty());
  return why ? why->reason : "";
}

template <class Kind>
struct Case {
  char const* name;
  std::function<void(Kind&)> change;
  std::string_view reason;
};

template <class Kind>
void check_all(Kind const& good, std::vector<Case<Kind>> const& cases) {
  CHECK(reason_of(good) == "");
  for (auto const& [name, change, reason] : cases) {
    CAPTURE(name);
    auto record = good;
    change(record);
    CHECK(reason_of(record) == reason);
  }
}

Ticker good_ticker() {
  auto ticker = made<Ticker>(1);
  ticker.bid = decimal("1"), ticker.ask = decimal("2");
  return ticker;
}
Odds good_odds() {
  auto odds = made<Odds>(1);
  odds.event_id = odds.event = odds.sport = odds.bookmaker = odds.market = odds.outcome = "x";
  odds.price = decimal("2"), odds.implied_probability = decimal("0.5");
  return odds;
}

}  // namespace

TEST_CASE("validate: trades") {
  check_all<Trade>(trade("1", 1),
                   {{"price 0", [](auto& r) { r.price = decimal("0.000"); }, reason::price_not_positive},
                    {"price below 0", [](auto& r) { r.price = decimal("-1"); }, reason::price_not_positive},
                    {"the least price", [](auto& r) { r.price = decimal("0.000000000000000000000000000001"); }, ""},
                    {"amount 0", [](auto& r) { r.amount = decimal("0"); }, reason::price_not_positive},
                    {"no price", [](auto& r) { r.price = {}; }, reason::missing_field},
                    {"no id", [](auto& r) { r.id = ""; }, reason::missing_field},
                    {"no symbol", [](auto& r) { r.symbol = ""; }, reason::missing_field},
                    {"no source", [](auto& r) { r.source = ""; }, reason::missing_field},
                    {"no side", [](auto& r) { r.side = static_cast<Side>(7); }, reason::out_of_range},
                    {"longest id", [](auto& r) { r.id = std::string(text_bytes_max, '1'); }, ""},
                    {"id too long", [](auto& r) { r.id = std::string(text_bytes_max + 1, '1'); }, reason::out_of_range}});
}

TEST_CASE("validate: times") {
  check_all<Trade>(trade("1", 1),
                   {{"1970", [](auto& r) { r.time = Time{}; }, ""},
                    {"before 1970", [](auto& r) { r.time = Time{} - Duration{1}; }, reason::time_out_of_range},
                    {"a day ahead", [](auto& r) { r.time = r.received_at + std::chrono::hours{24}; }, ""},
                    {"more than a day ahead", [](auto& r) { r.time = r.received_at + std::chrono::hours{24} + Duration{1}; },
                     reason::time_out_of_range},
                    {"ten years old", [](auto& r) { r.time = r.received_at - std::chrono::years{10}; }, ""}});
}

TEST_CASE("validate: candles") {
  check_all<Candle>(candle(1, "10", "12", "9", "11"),
                    {{"all the same", [](auto& r) { r.open = r.high = r.low = r.close = decimal("5"); }, ""},
                     {"the same, spelled otherwise",
                      [](auto& r) {
                        r.high = decimal("11.0");
                        r.open = decimal("11.00");
                      },
                      ""},
                     {"high below low", [](auto& r) { r.high = decimal("8"); }, reason::candle_inconsistent},
                     {"open above high", [](auto& r) { r.open = decimal("12.000000000000000001"); }, reason::candle_inconsistent},
                     {"open below low", [](auto& r) { r.open = decimal("8.9"); }, reason::candle_inconsistent},
                     {"close above high", [](auto& r) { r.close = decimal("100"); }, reason::candle_inconsistent},
                     {"close below low", [](auto& r) { r.close = decimal("8.999999999999999999"); }, reason::candle_inconsistent},
                     {"low 0", [](auto& r) { r.low = decimal("0"); }, reason::price_not_positive},
                     {"volume below 0", [](auto& r) { r.volume = decimal("-0.1"); }, reason::out_of_range},
                     {"volume 0", [](auto& r) { r.volume = decimal("0"); }, ""},
                     {"volume absent", [](auto& r) { r.volume = {}; }, ""},
                     {"count below 0", [](auto& r) { r.trades = -1; }, reason::out_of_range},
                     {"no interval", [](auto& r) { r.interval = ""; }, reason::missing_field},
                     {"a month", [](auto& r) { r.interval = "1M"; }, ""},
                     {"15 minutes", [](auto& r) { r.interval = "15m"; }, ""},
                     {"a word", [](auto& r) { r.interval = "minute"; }, reason::out_of_range},
                     {"no unit", [](auto& r) { r.interval = "15"; }, reason::out_of_range},
                     {"zero", [](auto& r) { r.interval = "0m"; }, reason::out_of_range}});
}

TEST_CASE("validate: tickers") {
  check_all<Ticker>(good_ticker(), {{"no bid", [](auto& r) { r.bid = {}; }, ""},
                                    {"bid 0", [](auto& r) { r.bid = decimal("0"); }, reason::price_not_positive},
                                    {"mark below 0", [](auto& r) { r.mark = decimal("-3"); }, reason::price_not_positive},
                                    {"funding rate below 0", [](auto& r) { r.funding_rate = decimal("-0.0001"); }, ""},
                                    {"bid amount 0", [](auto& r) { r.bid_amount = decimal("0"); }, ""},
                                    {"ask amount below 0", [](auto& r) { r.ask_amount = decimal("-1"); }, reason::out_of_range},
                                    {"sequence below 0", [](auto& r) { r.sequence = -1; }, reason::out_of_range}});
}

TEST_CASE("validate: books") {
  check_all<Book>(snapshot(10, 1),
                  {{"bid equals ask", [](auto& r) { r.bids[0].price = decimal("101.00"); }, reason::book_crossed},
                   {"bid above ask", [](auto& r) { r.bids[0].price = decimal("102"); }, reason::book_crossed},
                   {"one side is empty", [](auto& r) { r.asks.clear(); }, ""},
                   {"price 0", [](auto& r) { r.asks[0].price = decimal("0"); }, reason::price_not_positive},
                   {"amount below 0", [](auto& r) { r.bids[0].amount = decimal("-1"); }, reason::out_of_range},
                   {"a level without amount", [](auto& r) { r.bids[0].amount = {}; }, reason::missing_field},
                   {"sequence below 0", [](auto& r) { r.sequence = -5; }, reason::out_of_range}});
  check_all<Book>(update(9, 10, 1),
                  {{"crossed, as a change may be", [](auto& r) { r.asks = {{decimal("1"), decimal("0")}}; }, ""},
                   {"amount 0 removes", [](auto& r) { r.bids[0].amount = decimal("0.000"); }, ""},
                   {"before what it follows", [](auto& r) { r.previous_sequence = 11; }, reason::out_of_range}});
}

TEST_CASE("validate: options, odds, instruments, venues, figures") {
  check_all<Option>(made<Option>(1), {{"delta below 0", [](auto& r) { r.delta = decimal("-0.5"); }, ""},
                                      {"mark 0", [](auto& r) { r.mark = decimal("0"); }, reason::price_not_positive},
                                      {"volatility below 0", [](auto& r) { r.bid_iv = decimal("-1"); }, reason::out_of_range}});
  check_all<Odds>(good_odds(),
                  {{"certain",
                    [](auto& r) {
                      r.price = decimal("1.0");
                      r.implied_probability = decimal("1.00");
                    },
                    ""},
                   {"price below 1", [](auto& r) { r.price = decimal("0.99"); }, reason::out_of_range},
                   {"price 0", [](auto& r) { r.price = decimal("0"); }, reason::price_not_positive},
                   {"probability above 1", [](auto& r) { r.implied_probability = decimal("1.0001"); }, reason::out_of_range},
                   {"no outcome", [](auto& r) { r.outcome = ""; }, reason::missing_field}});
  check_all<Instrument>(instrument("BTCUSDT", "BTC/USDT"),
                        {{"no native symbol", [](auto& r) { r.native_symbol = ""; }, reason::missing_field},
                         {"tick below 0", [](auto& r) { r.price_tick = decimal("-1"); }, reason::out_of_range}});
  auto venue = made<Venue>(1);
  venue.code = "XNAS", venue.name = "Nasdaq";
  check_all<Venue>(venue, {{"no name", [](auto& r) { r.name = ""; }, reason::missing_field}});
  auto stat = made<Stat>(1);
  stat.name = "x", stat.unit = "USD", stat.value = decimal("-1");
  check_all<Stat>(stat, {{"no value", [](auto& r) { r.value = {}; }, reason::missing_field}});
}
