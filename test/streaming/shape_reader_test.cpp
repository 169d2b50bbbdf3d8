#include "streaming/shape_reader.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <string>

using namespace penstock;

namespace {

/// The digits that `text` begins with, one by one; none: they are no number of ours.
std::optional<std::string> digits_one_by_one(std::string const& text) {
  auto const digits = text.substr(0, std::ranges::find_if(text, [](char c) { return c < '0' || c > '9'; }) - text.begin());
  if (digits.empty() || digits.size() > 18 || (digits.size() > 1 && digits.front() == '0')) return {};
  return digits;
}

template <class Each>
void each_byte(Each each) {
  for (int byte = 0; byte < 256; ++byte) each(static_cast<char>(byte));
}

}  // namespace

TEST_CASE("shape reader: digits end where they end one by one, whatever stands there") {
  std::string const all = "9876543210123456789098765";
  for (std::size_t size = 0; size <= all.size(); ++size)
    for (std::size_t at = 0; at <= size; ++at)
      each_byte([&](char byte) {
        auto text = all.substr(0, size);
        if (at < size) text[at] = byte;
        auto const expected = digits_one_by_one(text);
        std::string_view found;
        ShapeReader as_text{text};
        REQUIRE(as_text.digits(found) == expected.has_value());
        std::int64_t number = 0;
        ShapeReader as_number{text};
        REQUIRE(as_number.digits(number) == expected.has_value());
        if (!expected) return;
        REQUIRE(found == *expected);
        REQUIRE(number == std::stoll(*expected));
        REQUIRE(as_number.at_end() == (expected->size() == text.size()));
      });
}

TEST_CASE("shape reader: so many plain characters, and each byte that is none is seen wherever it stands") {
  auto const check = [](auto const& skip, std::size_t size) {
    for (std::size_t at = 0; at < size; ++at)
      each_byte([&](char byte) {
        std::string text(size, 'x');
        text[at] = byte;
        ShapeReader in{text};
        REQUIRE(skip(in) == is_plain(byte));
      });
    std::string const shorter(size - 1, 'x');
    ShapeReader in{shorter};
    CHECK(!skip(in));
  };
  check([](ShapeReader& in) { return in.skip_text<16>(); }, 16);
  check([](ShapeReader& in) { return in.skip_text<17>(); }, 17);
  check([](ShapeReader& in) { return in.skip_text<42>(); }, 42);
  check([](ShapeReader& in) { return in.skip_text<66>(); }, 66);
}
