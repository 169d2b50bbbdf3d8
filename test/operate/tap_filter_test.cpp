/// Which records `penstock tap` shows, and how.
#include "agents/operate/tap_filter.hpp"
#include "agents/operate/record_text.hpp"
#include "streaming/fault.hpp"

#include <doctest/doctest.h>

using namespace penstock;

namespace {

Delivery delivery(std::string_view key, std::string_view value, std::string_view symbol = {}) {
  Delivery one{.position = {"md.trades", Partition{1}, Offset{7}}, .key = key, .value = value};
  if (!symbol.empty()) one.headers.emplace_back("symbol", symbol);
  return one;
}

}  // namespace

TEST_CASE("tap: conditions compare numbers exactly, times as times, the rest as text") {
  constexpr std::string_view record = R"({"side":"buy","price":"100000.10","amount":0.1,"id":"007","closed":true,
    "time":"2026-01-31T12:00:00.500000Z","bids":[["9.5","1"]],"data":{"s":"BTCUSDT","a/b":1},"big":9007199254740993,
    "long":"0.1000000000000000055511151231257827","text":"a \"b\""})";
  struct Case {
    char const* condition;
    bool fits;
  };
  for (auto const& [condition, fits] : {
           Case{"side=buy", true},
           {"side=sell", false},
           {"side!=sell", true},
           {"side!=buy", false},
           {"price=100000.1", true},
           {"price==100000.100", true},
           {"price=1000001e-1", true},
           {"price!=100000.1", false},
           {"price>=100000.10", true},
           {"price>100000.10", false},
           {"price>100000.0999999999999999999999", true},
           {"price<100000.1000000000000000000001", true},
           {"price<=99999", false},
           {"amount=0.10", true},
           {"long=0.1", false},  // As doubles they are the same.
           {"long>0.1", true},
           {"big=9007199254740992", false},  // So are these.
           {"big>9007199254740992", true},
           {"id=007", true},
           {"id=7", false},
           {"closed=true", true},
           {"closed!=true", false},
           {"time>2026-01-31T12:00:00Z", true},
           {"time=2026-01-31T13:00:00.5+01:00", true},
           {"time<2026-01-31T12:00:00.5Z", false},
           {"bids.0.0>=9.50", true},
           {"bids.1.0>0", false},
           {"data.s=BTCUSDT", true},
           {"data.a/b=1", true},
           {"text=a \"b\"", true},
           {"absent=1", false},
           {"absent!=1", false},
           {"price>2026-01-31T12:00:00Z", false},
           {"side>5", false},
       }) {
    CAPTURE(condition);
    CHECK(Condition{condition}.fits(record) == fits);
  }
  for (auto const* bytes : {"", "no json", "\xff\x00", "[1,2", "7", "\"side\""}) CHECK_FALSE(Condition{"side=buy"}.fits(bytes));
}

TEST_CASE("tap: a condition that is none says what it takes") {
  for (auto const* text : {"", "side", "=buy", ">5", "!side"}) {
    CAPTURE(text);
    CHECK_THROWS_WITH_AS(
        Condition{text},
        (std::string{"--where is \""} + text + "\": it takes a field and its value, such as side=buy or price>=100").c_str(),
        UsageError);
  }
  CHECK_THROWS_WITH_AS(Condition{"side>=buy"}, "--where is \"side>=buy\": >= compares numbers and times, and \"buy\" is neither",
                       UsageError);
}

TEST_CASE("tap: a symbol is found by the key of canonical records and by the header of raw ones, in either spelling") {
  TapFilter const canonical{.symbols = spellings_of("BTC/USDT", "md.trades")};
  CHECK(canonical.fits(delivery("binance:BTC/USDT", "{}")));
  CHECK_FALSE(canonical.fits(delivery("binance:BTC/USDT:USDT", "{}")));
  for (auto const* topic : {"raw.binance", "raw.binance.dead"}) {
    TapFilter const raw{.symbols = spellings_of("BTC/USDT", topic)};
    CHECK(raw.fits(delivery("BTCUSDT", "{}", "BTCUSDT")));
    CHECK_FALSE(raw.fits(delivery("ETHUSDT", "{}", "ETHUSDT")));
    TapFilter const native{.symbols = spellings_of("BTCUSDT", topic)};
    CHECK(native.fits(delivery("BTCUSDT", "{}", "BTCUSDT")));
  }
  CHECK(spellings_of("BTC/USDT", "raw.nobody") == std::vector<std::string>{"BTC/USDT"});
}

TEST_CASE("tap: key, partition and conditions must all fit") {
  TapFilter const filter{.key = "k", .partition = Partition{1}, .conditions = {Condition{"a=1"}, Condition{"b=2"}}};
  CHECK(filter.fits(delivery("k", R"({"a":1,"b":2})")));
  CHECK_FALSE(filter.fits(delivery("l", R"({"a":1,"b":2})")));
  CHECK_FALSE(filter.fits(delivery("k", R"({"a":1,"b":3})")));
  TapFilter const other{.partition = Partition{0}};
  CHECK_FALSE(other.fits(delivery("k", "{}")));
}

TEST_CASE("tap: a value is indented without a change to numbers and texts; bytes that are no JSON are escaped") {
  CHECK(indented_json("{\"a\":1.10,\n \"b\" : [ ] ,\"c\":[1,{\"d\":\"x: {,\\\"\"}],\"e\":{}}") ==
        "{\n  \"a\": 1.10,\n  \"b\": [],\n  \"c\": [\n    1,\n    {\n      \"d\": \"x: {,\\\"\"\n    }\n  ],\n  \"e\": {}\n}");
  CHECK(indented_json("7e400") == "7e400");
  CHECK(indented_json("\x01\xff{") == "\\x01\\xff{");
}
