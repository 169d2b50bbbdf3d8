#include "streaming/decimal.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>

using penstock::Decimal;

namespace {

/// The text that parse() makes of it; "-": nothing.
std::string parsed(std::string_view text) {
  auto const decimal = Decimal::parse(text);
  return decimal ? std::string{decimal->text()} : "nothing";
}

Decimal decimal(std::string_view text) { return Decimal::parse(text).value(); }

}  // namespace

TEST_CASE("decimal: digits stay as the provider spelled them") {
  for (auto const text : {"0", "-0", "0.10", "-0.00", "61737.63000000", "1", "10", "9007199254740993", "0.000000000000000001",
                          "123456789012345678901234567890.123456789012345678901234567890"})
    CHECK(parsed(text) == text);
}

TEST_CASE("decimal: an exponent is written out in plain digits") {
  struct Case {
    char const* text;
    char const* plain;
  };
  for (auto const& [text, plain] : {Case{"1.2e-08", "0.000000012"},
                                    Case{"2.70016521312815e+15", "2700165213128150"},
                                    Case{"1E3", "1000"},
                                    Case{"1e0", "1"},
                                    Case{"1.20e1", "12.0"},
                                    Case{"1.20e2", "120"},
                                    Case{"-1.5e-3", "-0.0015"},
                                    Case{"12.5e-1", "1.25"},
                                    Case{"125e-3", "0.125"},
                                    Case{"125e-2", "1.25"},
                                    Case{"0.012e1", "0.12"},
                                    Case{"0.012e2", "1.2"},
                                    Case{"0.012e5", "1200"},
                                    Case{"100e-2", "1.00"},
                                    Case{"-0e5", "-0"},
                                    Case{"0.00e5", "0"},
                                    Case{"0e-400", "0"},
                                    Case{"0e99999999999999999999", "0"},
                                    Case{"5e+000000000000000000001", "50"},
                                    Case{"8.1e-7", "0.00000081"}}) {
    CAPTURE(text);
    CHECK(parsed(text) == plain);
  }
}

TEST_CASE("decimal: what is not a JSON number is nothing") {
  for (auto const text : {"",    "-",   "+1",    "01",    "-01",   "00",   ".5",    "5.",       "-.5",  "1.e5", "1e",
                          "1e+", "1e-", "e5",    "1e5.0", "1e5e5", "NaN",  "nan",   "Infinity", "-inf", "0x10", "1,000",
                          "1 ",  " 1",  "1_000", "--1",   "1.2.3", "1.-2", "\"1\"", "null",     "1\n"}) {
    CAPTURE(text);
    CHECK(parsed(text) == "nothing");
    CHECK_FALSE(Decimal::is_number(text));
  }
  CHECK(parsed(std::string_view{"1\0", 2}) == "nothing");
  CHECK(parsed("\xD9\xA1") == "nothing");
}

TEST_CASE("decimal: at most 100 digits stand before and after the point") {
  std::string const hundred(100, '7');
  CHECK(parsed(hundred + '.' + hundred) == hundred + '.' + hundred);
  CHECK(parsed("1e99") == "1" + std::string(99, '0'));
  CHECK(parsed("1e-100") == "0." + std::string(99, '0') + "1");
  CHECK(parsed("0." + std::string(150, '0') + "1e151") == "1");
  for (auto const& text : {hundred + '7', "0." + hundred + '7', std::string{"1e100"}, std::string{"1e-101"},
                           std::string{"1.5e-100"}, std::string{"1E400"}, std::string{"1e-400"},
                           std::string{"-1e99999999999999999999"}, std::string{"1e-99999999999999999999"}}) {
    CAPTURE(text);
    CHECK(parsed(text) == "nothing");
    CHECK(Decimal::is_number(text));
  }
}

TEST_CASE("decimal: sign and zero are told exactly") {
  struct Case {
    char const* text;
    bool zero;
    bool negative;
    bool positive;
  };
  for (auto const& [text, zero, negative, positive] :
       {Case{"0", true, false, false}, Case{"-0", true, false, false}, Case{"-0.000", true, false, false},
        Case{"0.0001", false, false, true}, Case{"-0.0001", false, true, false}, Case{"10", false, false, true},
        Case{"-10", false, true, false}}) {
    CAPTURE(text);
    CHECK(decimal(text).is_zero() == zero);
    CHECK(decimal(text).is_negative() == negative);
    CHECK(decimal(text).is_positive() == positive);
  }
  CHECK(Decimal{}.empty());
  CHECK_FALSE(Decimal{}.is_zero());
  CHECK_FALSE(Decimal{}.is_positive());
}

TEST_CASE("decimal: order is by value and equality by spelling") {
  CHECK(compare(decimal("1.0"), decimal("1.00")) == 0);
  CHECK(decimal("1.0") != decimal("1.00"));
  CHECK(compare(decimal("0"), decimal("-0.00")) == 0);
  char const* const ascending[] = {"-100.5",
                                   "-100",
                                   "-99.99",
                                   "-1.1",
                                   "-1.01",
                                   "-1",
                                   "-0.5",
                                   "-0.05",
                                   "0",
                                   "0.05",
                                   "0.5",
                                   "0.51",
                                   "1",
                                   "1.01",
                                   "1.1",
                                   "9",
                                   "10",
                                   "10.000000000000000000001",
                                   "9007199254740992",
                                   "9007199254740993"};
  for (std::size_t i = 0; i < std::size(ascending); ++i)
    for (std::size_t j = 0; j < std::size(ascending); ++j) {
      CAPTURE(ascending[i]);
      CAPTURE(ascending[j]);
      CHECK(compare(decimal(ascending[i]), decimal(ascending[j])) == (i <=> j));
    }
}

TEST_CASE("decimal: moving the point by an exponent does not change the value") {
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random{seed};
  for (int round = 0; round < 2000; ++round) {
    auto const whole = std::to_string(random());
    auto const fraction = std::to_string(random());
    auto const moved = static_cast<int>(random() % (whole.size() - 1 + 1));
    // 12.345 is 1.2345e1, with the point moved to the left by hand.
    auto const at = whole.size() - static_cast<std::size_t>(moved);
    auto const left = at == 0 ? "0" : whole.substr(0, at);
    auto const text = left + '.' + whole.substr(at) + fraction + 'e' + std::to_string(moved);
    CAPTURE(text);
    CHECK(parsed(text) == whole + '.' + fraction);
  }
}

TEST_CASE("decimal: a copy is its own, short or long, and what cannot be read leaves the number that was there") {
  std::string const longest(100, '7');
  for (auto const& text :
       std::initializer_list<std::string>{"1.5", "-" + std::string(21, '4') + ".5", "1234567890.1234567890123", longest}) {
    CAPTURE(text);
    auto original = decimal(text);
    auto copy = original;
    CHECK(copy.text() == text);
    CHECK(copy == original);
    original = decimal("2");
    CHECK(copy.text() == text);
    CHECK(copy != original);
    original = copy;
    CHECK(original.text() == text);
    auto const& same = original;
    original = same;
    CHECK(original.text() == text);
    auto const moved = std::move(copy);
    CHECK(moved.text() == text);
    CHECK_FALSE(original.assign("1,5"));
    CHECK_FALSE(original.assign("1e101"));
    CHECK(original.text() == text);
    CHECK(original.assign("3"));
    CHECK(original.text() == "3");
    CHECK(original.assign(text));
    CHECK(original.text() == text);
  }
}

TEST_CASE("decimal: a number at the front of a text ends where it does") {
  auto const front = [](std::string_view text) {
    auto number = Decimal::parse("7").value();
    auto const size = number.assign_front(text);
    std::string room(std::max<std::size_t>(number.put_bytes_max(), 1), '?');
    room.resize(static_cast<std::size_t>(number.put(room.data()) - room.data()));
    CHECK(room == number.text());
    return std::to_string(size) + ' ' + room;
  };
  CHECK(front("0.10\",") == "4 0.10");
  CHECK(front("-12") == "3 -12");
  CHECK(front("1.5.5") == "3 1.5");
  CHECK(front("1e5") == "1 1");  // What follows is for the caller.
  CHECK(front("0") == "1 0");
  for (auto const* none : {"", "-", ".", ".5", "-.5", "5.", "5.\"", "00", "01", "+1", "\"1", " 1", "x"})
    CHECK(front(none) == "0 7");
  std::string const most(23, '9');
  CHECK(front(most) == "23 " + most);
  CHECK(front(most + '"') == "23 " + most);
  CHECK(front(most + '9') == "0 7");
  CHECK(front("1." + std::string(30, '0')) == "0 7");
}
