#include "samples.hpp"

using namespace penstock;
using namespace penstock::samples;

TEST_CASE("json: a trade is one object with its fields in order") {
  CHECK(
      json_of(trade()) ==
      R"({"source":"binance","symbol":"BTC/USDT","time":"2024-08-08T23:54:13.937000Z","received_at":"2024-08-08T23:54:12.668123Z",)"
      R"("id":"3714568901","side":"sell","price":"61737.63000000","amount":"0.10"})");
}

TEST_CASE("json: a book has levels of decimal text, and an empty side") {
  CHECK(
      json_of(book()) ==
      R"({"source":"binance","symbol":"BTC/USDT","time":"2024-08-08T23:54:13.900000Z","received_at":"2024-08-08T23:54:14.000000Z",)"
      R"("type":"update","sequence":50,"previous_sequence":49,"bids":[["61737.63","0.1"],["61737.00","0"]],"asks":[]})");
}

TEST_CASE("json: what is absent is left out") {
  Ticker ticker = bare<Ticker>();
  ticker.ask = decimal("0");
  CHECK(
      json_of(ticker) ==
      R"({"source":"source-1","symbol":"symbol-1","time":"2024-08-08T23:54:17.937085Z","received_at":"2024-08-08T23:54:24.937085Z",)"
      R"("ask":"0"})");
  CHECK(json_of(Venue{}) == R"({"time":"1970-01-01T00:00:00.000000Z","received_at":"1970-01-01T00:00:00.000000Z"})");
}

TEST_CASE("json: it is appended to what is there") {
  std::string out = "before ";
  append_json(out, trade());
  append_json(out, book());
  CHECK(out == "before " + json_of(trade()) + json_of(book()));
}

TEST_CASE("json: text is escaped, wherever in it the character stands") {
  struct Case {
    std::string text;
    std::string json;
  };
  for (auto const& [text, json] :
       {Case{"\"", "\\\""}, Case{"\\", "\\\\"}, Case{"/", "/"}, Case{"\b\f\n\r\t", "\\b\\f\\n\\r\\t"},
        Case{std::string(1, '\0'), "\\u0000"}, Case{"\x01", "\\u0001"}, Case{"\x0f", "\\u000f"}, Case{"\x1f", "\\u001f"},
        Case{"\x7f", "\x7f"}, Case{"\xC3\xA4", "\xC3\xA4"}, Case{"\xE2\x82\xAC", "\xE2\x82\xAC"},
        Case{"\xF0\x9F\x93\x88", "\xF0\x9F\x93\x88"}, Case{"\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF"}}) {
    for (std::size_t before = 0; before < 18; ++before)
      for (std::size_t after = 0; after < 10; ++after) {
        Venue venue = bare<Venue>();
        venue.name = std::string(before, 'x') + text + std::string(after, 'y');
        CHECK(json_of(venue).ends_with(R"("name":")" + std::string(before, 'x') + json + std::string(after, 'y') + "\"}"));
      }
  }
}

TEST_CASE("json: each byte that is not UTF-8 comes out as U+FFFD") {
  std::string const bad = "\xEF\xBF\xBD";
  struct Case {
    std::string text;
    std::string json;
  };
  for (auto const& [text, json] :
       {Case{"\xFF", bad}, Case{"\x80", bad}, Case{"a\xC3", "a" + bad}, Case{"\xC0\xAF", bad + bad},       // overlong /
        Case{"\xE0\x80\xAF", bad + bad + bad},                                                             // overlong /
        Case{"\xE2\x82", bad + bad},                                                                       // cut off
        Case{"\xE2\x82\"", bad + bad + "\\\""}, Case{"\xED\xA0\x80", bad + bad + bad},                     // a surrogate
        Case{"\xF0\x80\x80\x80", bad + bad + bad + bad}, Case{"\xF4\x90\x80\x80", bad + bad + bad + bad},  // beyond U+10FFFF
        Case{"\xF5\x80\x80\x80", bad + bad + bad + bad}, Case{"\xC3\xA4\xA4", "\xC3\xA4" + bad}}) {
    Venue venue = bare<Venue>();
    venue.name = text;
    CHECK(json_of(venue).ends_with("\"name\":\"" + json + "\"}"));
    CHECK(outcome("venues", json_of(venue)) == "record");
  }
}

TEST_CASE("json: text of any bytes is read back, as it is where it is good") {
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random{seed};
  for (int round = 0; round < 5'000; ++round) {
    Venue venue = bare<Venue>();
    venue.name.clear();
    for (auto size = 1 + random() % 40; size > 0; --size) venue.name += static_cast<char>(1 + random() % 255);
    auto const once = parse_record("venues", json_of(venue));
    REQUIRE(once);
    CHECK(parse_record("venues", json_of(*once)) == once);
  }
}

TEST_CASE("json: every kind comes back as it was") {
  for_each_kind([]<class Kind>() {
    MarketRecord const whole = full<Kind>();
    CAPTURE(json_of(whole));
    CHECK(parse_record(Kind::kind, json_of(whole)) == whole);
    MarketRecord const least = bare<Kind>();
    CAPTURE(json_of(least));
    CHECK(parse_record(Kind::kind, json_of(least)) == least);
  });
}

TEST_CASE("json: every optional field may be absent, or be the only one there") {
  for_each_kind([]<class Kind>() {
    for_each_field<Kind>([]<std::size_t i>() {
      constexpr auto field = std::get<i>(fields<Kind>);
      if constexpr (field.presence == Presence::optional) {
        CAPTURE(field.name);
        auto without = full<Kind>();
        without.*field.member = {};
        auto const json = json_of(without);
        CHECK_FALSE(json.contains('"' + std::string{field.name} + "\":"));
        CHECK(parse_record(Kind::kind, json) == MarketRecord{without});
        auto with = bare<Kind>();
        with.*field.member = full<Kind>().*field.member;
        CHECK(parse_record(Kind::kind, json_of(with)) == MarketRecord{with});
      }
    });
  });
}

TEST_CASE("json: records of random extremes come back as they were") {
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  Random random{seed};
  for_each_kind([&]<class Kind>() {
    for (int round = 0; round < 500; ++round) {
      MarketRecord const record = random.record<Kind>();
      CHECK(parse_record(Kind::kind, json_of(record)) == record);
    }
  });
}

TEST_CASE("kinds: names, schemas, keys and words") {
  for_each_kind([]<class Kind>() {
    MarketRecord record = full<Kind>();
    CHECK(kind_of(record) == Kind::kind);
    CHECK(schema_of(record) == std::string{Kind::kind} + "/1");
    CHECK(common_of(record).source == "source-1");
    common_of(record).symbol = "other";
    CHECK(common_of(std::as_const(record)).symbol == "other");
    CHECK(columns_of(Kind::kind).size() == field_count<Kind>);
    CHECK(conflict_of(Kind::kind) == Kind::conflict);
  });
  CHECK(columns_of("fills").empty());
  CHECK(identity_columns_of("fills").empty());

  std::string key;
  append_key(key, trade());
  CHECK(key == "binance:BTC/USDT");

  CHECK(to_text(GapCause::late_join) == "late-join");
  CHECK(to_text(GapCause::spool_full) == "spool-full");
  CHECK(to_text(GapCause::sequence) == "sequence");
  CHECK(to_text(GapState::unfillable) == "unfillable");
  CHECK(to_text(Side::buy) == "buy");
  CHECK(to_text(BookType::snapshot) == "snapshot");
  for (auto const origin : {Origin::live, Origin::snapshot, Origin::backfill}) CHECK(parse_origin(to_text(origin)) == origin);
  CHECK_FALSE(parse_origin("later"));
}
