#include "samples.hpp"

#include <simdjson.h>

#include <algorithm>

using namespace penstock;
using namespace penstock::samples;

namespace {

/// A record's JSON, taken apart: one value can be changed, and it can be put together in another order.
struct Pieces {
  std::vector<std::pair<std::string, std::string>> fields;

  explicit Pieces(MarketRecord const& record) {
    simdjson::padded_string const json{json_of(record)};
    simdjson::dom::parser parser;
    for (auto const [name, value] : simdjson::dom::object{parser.parse(json)}) fields.emplace_back(name, simdjson::minify(value));
  }
  std::string json() const {
    std::string text;
    for (auto const& [name, value] : fields) text.append(text.empty() ? "{" : ",").append("\"" + name + "\":").append(value);
    return text + '}';
  }
  Pieces with(std::string_view name, std::string value) const {
    Pieces changed = *this;
    for (auto& field : changed.fields)
      if (field.first == name) field.second = std::move(value);
    return changed;
  }
  Pieces without(std::string_view name) const {
    Pieces changed = *this;
    std::erase_if(changed.fields, [&](auto const& field) { return field.first == name; });
    return changed;
  }
};

std::string changed_trade(std::string_view name, std::string value) {
  return outcome("trades", Pieces{trade()}.with(name, std::move(value)).json());
}

}  // namespace

TEST_CASE("parse: fields may come in any order, with strangers between them and space around") {
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random{seed};
  for_each_kind([&]<class Kind>() {
    MarketRecord const record = full<Kind>();
    Pieces pieces{record};
    pieces.fields.emplace_back("stranger", R"({"price":["x",{"id":null}],"}":"\"]"})");
    pieces.fields.emplace_back("pric", "1");
    for (int round = 0; round < 50; ++round) {
      std::ranges::shuffle(pieces.fields, random);
      CHECK(parse_record(Kind::kind, pieces.json()) == record);
    }
    CHECK(parse_record(Kind::kind, " \n" + pieces.json() + "\r\n\t ") == record);
  });
}

TEST_CASE("parse: a field's name may be spelled with escapes") {
  auto json = json_of(trade());
  json.replace(json.find("\"price\""), 7, "\"pr\\u0069ce\"");
  CHECK(parse_record("trades", json) == MarketRecord{trade()});
}

TEST_CASE("parse: a missing required field is named, a missing optional one is absent") {
  for_each_kind([]<class Kind>() {
    Pieces const pieces{full<Kind>()};
    for_each_field<Kind>([&]<std::size_t i>() {
      constexpr auto field = std::get<i>(fields<Kind>);
      auto const expected = field.presence == Presence::required ? "missing-field: " + std::string{field.name} : "record";
      CHECK(outcome(Kind::kind, pieces.without(field.name).json()) == expected);
    });
  });
  CHECK(outcome("trades", "{}") == "missing-field: source");
}

TEST_CASE("parse: a value of another type is named, in every field") {
  for_each_kind([]<class Kind>() {
    Pieces const pieces{full<Kind>()};
    for (auto const& [name, good] : pieces.fields) {
      for (auto const* const bad : {"null", "\"\"", "{}", "1.5", "\"nonsense\"", "true", "[[1,2]]", "[[\"1\"]]",
                                    "[[\"1\",\"2\",\"3\"]]", "[\"1\",\"2\"]", "[[\"1\",\"x\"]]"}) {
        bool const text = good.starts_with('"');
        // Fields of free text take any text; true is a good boolean.
        if ((text && good.ends_with("-1\"") && std::string_view{bad} == "\"nonsense\"") || good == bad) continue;
        CAPTURE(name);
        CAPTURE(bad);
        CHECK(outcome(Kind::kind, pieces.with(name, bad).json()).starts_with("wrong-type: " + name + ": "));
      }
    }
  });
}

TEST_CASE("parse: what is wrong is said with its reason") {
  struct Case {
    char const* name;
    std::string value;
    std::string outcome;
  };
  std::string const digits(101, '1');
  for (auto const& [name, value, expected] :
       {Case{"price", "61737.63", "wrong-type: price: found a number, expected decimal text"},
        Case{"price", "\"abc\"", "wrong-type: price: \"abc\" is not a decimal number"},
        Case{"price", "\"01\"", "wrong-type: price: \"01\" is not a decimal number"},
        Case{"price", "\"1E400\"", "out-of-range: price: 1E400 has too many digits"},
        Case{"price", '"' + digits + '"', "out-of-range: price: " + digits.substr(0, 64) + " has too many digits"},
        Case{"price", "\"1.2e-08\"", "record"}, Case{"side", "\"Buy\"", "wrong-type: side: \"Buy\" is not one of buy, sell"},
        Case{"time", "\"2024-08-08\"", "wrong-type: time: \"2024-08-08\" is not an RFC 3339 time"},
        Case{"time", "\"2023-02-29T00:00:00Z\"", "wrong-type: time: \"2023-02-29T00:00:00Z\" is not an RFC 3339 time"},
        Case{"time", "\"0000-06-01T00:00:00Z\"", "time-out-of-range: time: \"0000-06-01T00:00:00Z\" is before year 1"},
        Case{"time", "\"0001-01-01T00:00:00Z\"", "record"}, Case{"time", "\"2024-08-09T01:54:13+02:00\"", "record"},
        Case{"id", "\"\"", "wrong-type: id: is empty, expected text"},
        Case{"id", "\"a\\u0000b\"", "out-of-range: id: holds a NUL character"},
        Case{"id", '"' + std::string(1024, 'x') + '"', "record"},
        Case{"id", '"' + std::string(1025, 'x') + '"', "out-of-range: id: has 1025 bytes, limit 1024"},
        Case{"id", "\"\\ud83d\\udcc8\"", "record"}}) {
    CAPTURE(value);
    CHECK(changed_trade(name, value) == expected);
  }
  CHECK(changed_trade("id", "\"\\ud800\"").starts_with("malformed: id: "));
  CHECK(changed_trade("id", "\"\\x\"").starts_with("malformed: id: "));
  CHECK(changed_trade("id", "\"\xC3\"").starts_with("malformed: "));
  CHECK(outcome("instruments", Pieces{full<Instrument>()}.with("active", "tru").json()).starts_with("malformed: active: "));
}

TEST_CASE("parse: a quoted value in a detail is cut between characters") {
  std::string euros;
  for (int i = 0; i < 40; ++i) euros += "\xE2\x82\xAC";
  CHECK(changed_trade("side", '"' + euros + '"') == "wrong-type: side: \"" + euros.substr(0, 63) + "\" is not one of buy, sell");
}

TEST_CASE("parse: integers have 64 bits") {
  auto const with = [](std::string const& sequence) {
    return outcome("books", Pieces{book()}.with("sequence", sequence).json());
  };
  CHECK(with("9223372036854775807") == "record");
  CHECK(with("-9223372036854775808") == "record");
  CHECK(with("9223372036854775808") == "out-of-range: sequence: 9223372036854775808 does not fit 64 bits");
  CHECK(with("-9223372036854775809") == "out-of-range: sequence: -9223372036854775809 does not fit 64 bits");
  CHECK(with("18446744073709551616000") == "out-of-range: sequence: 18446744073709551616000 does not fit 64 bits");
  CHECK(with("1.0") == "wrong-type: sequence: 1.0 is not an integer");
  CHECK(with("1e3") == "wrong-type: sequence: 1e3 is not an integer");
  CHECK(with("01") == "wrong-type: sequence: 01 is not an integer");
  CHECK(with("\"1\"") == "wrong-type: sequence: found text, expected an integer");
}

TEST_CASE("parse: a side of a book has at most 50,000 levels") {
  auto const with = [](std::size_t count) {
    std::string levels = "[";
    for (std::size_t i = 0; i < count; ++i) levels.append(i == 0 ? "" : ",").append(R"(["1","2"])");
    return parse_record("books", Pieces{book()}.with("asks", levels + ']').json());
  };
  auto const most = with(50'000);
  REQUIRE(most);
  CHECK(std::get<Book>(*most).asks.size() == 50'000);
  CHECK(parse_record("books", json_of(*most)) == most);
  CHECK(with(50'001) == std::unexpected{Reject{reason::out_of_range, "asks: has more than 50000 levels"}});
}

TEST_CASE("parse: what is not one object is malformed") {
  auto const json = json_of(trade());
  for (auto const& text :
       {std::string{}, std::string{" "}, std::string{"null"}, std::string{"7"}, std::string{"\"x\""}, '[' + json + ']',
        json + json, json + ",", json + "}", "{" + json, json + " x", std::string{"{\"a\":1]"}, std::string{"\xEF\xBB\xBF"},
        std::string(5'000, '['), std::string(5'000, '{'), json + '\0', '\0' + json}) {
    CAPTURE(text);
    CHECK(outcome("trades", text).starts_with("malformed: "));
  }
  CHECK(outcome("fills", json) == "malformed: unknown kind fills");
  auto twice = json;
  twice.insert(1, R"("id":"1",)");
  CHECK(outcome("trades", twice) == "malformed: id: given twice");
}

TEST_CASE("parse: every truncation of a record is a reject") {
  for_each_kind([]<class Kind>() {
    for (auto const& record : {MarketRecord{full<Kind>()}, MarketRecord{bare<Kind>()}}) {
      auto const json = json_of(record);
      for (std::size_t size = 0; size < json.size(); ++size) {
        CAPTURE(size);
        CHECK_FALSE(parse_record(Kind::kind, std::string_view{json}.substr(0, size)));
      }
    }
  });
}

TEST_CASE("parse: what is spelled as it is written reads as the parser reads it, whatever stands in it") {
  for_each_kind([]<class Kind>() {
    for (auto const& record : {MarketRecord{full<Kind>()}, MarketRecord{bare<Kind>()}}) {
      auto const json = json_of(record);
      auto const check = [](std::string const& text) {
        CAPTURE(text);
        // Nothing that is written begins with a space; to the parser it is nothing.
        auto const read = parse_record(Kind::kind, text), parsed = parse_record(Kind::kind, ' ' + text);
        CHECK(outcome(Kind::kind, text) == outcome(Kind::kind, ' ' + text));
        if (read && parsed) CHECK(*read == *parsed);
      };
      for (std::size_t at = 0; at < json.size(); ++at) {
        auto const with = [&](std::size_t erased, std::string_view inserted) {
          return json.substr(0, at).append(inserted).append(json, at + erased);
        };
        check(with(1, ""));
        for (std::string_view const other : {"\"", "\\", "0", "9", "-", ".", "]", "}", ",", "a", "Z", "\x01", "\xC3"})
          check(with(1, other));
        for (std::string_view const more : {"0", "-", ".", "e5", " ", "00000000000000000000", "\\u0041", "\xC3\xA9", "\"\""})
          check(with(0, more));
      }
    }
  });
}

TEST_CASE("parse: flipped bits give a reject of the closed list, or a record that is whole") {
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  Random random{seed};
  for_each_kind([&]<class Kind>() {
    auto const json = json_of(MarketRecord{full<Kind>()});
    for (int round = 0; round < 5'000; ++round) {
      auto flipped = json;
      for (auto count = 1 + random.below(3); count > 0; --count)
        flipped[random.below(json.size())] ^= static_cast<char>(1U << random.below(8));
      CAPTURE(flipped);
      auto const record = parse_record(Kind::kind, flipped);
      if (record)
        CHECK(parse_record(Kind::kind, json_of(*record)) == record);
      else
        CHECK(std::ranges::contains(reason::all, record.error().reason));
    }
  });
}

TEST_CASE("parse: a large record leaves nothing behind for the next one") {
  auto large = book();
  large.bids.assign(50'000, {decimal("61737.63"), decimal("0.1234567890123456789")});
  CHECK(parse_record("books", json_of(large)) == MarketRecord{large});
  CHECK(parse_record("trades", json_of(trade())) == MarketRecord{trade()});
  CHECK_FALSE(parse_record("trades", json_of(trade()).substr(0, 100)));
}
