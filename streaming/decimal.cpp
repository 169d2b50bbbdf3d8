#include "streaming/decimal.hpp"

#include <algorithm>
#include <cstddef>

namespace penstock {
namespace {

constexpr std::size_t digits_max = 100;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// A number's text, cut into its parts: -12.50e-3 = negative, "12", "50", -3.
struct Parts {
  bool negative = false;
  std::string_view whole;
  std::string_view fraction;
  bool has_exponent = false;
  long exponent = 0;  ///< beyond ±exponent_bound: that bound
};
constexpr long exponent_bound = 1'000'000'000'000;

std::string_view take_digits(std::string_view& text) {
  std::size_t count = 0;
  while (count < text.size() && is_digit(text[count])) ++count;
  auto const digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

/// JSON's grammar of a number: no leading zeros, no plus sign, a digit on both sides of the point.
std::optional<Parts> cut(std::string_view text) {
  Parts parts;
  parts.negative = take(text, '-');
  parts.whole = take_digits(text);
  if (parts.whole.empty() || (parts.whole.size() > 1 && parts.whole.front() == '0')) return {};
  if (take(text, '.')) {
    parts.fraction = take_digits(text);
    if (parts.fraction.empty()) return {};
  }
  if (text.empty()) return parts;
  if (!take(text, 'e') && !take(text, 'E')) return {};
  bool const minus = take(text, '-');
  if (!minus) take(text, '+');
  auto const digits = take_digits(text);
  if (digits.empty() || !text.empty()) return {};
  parts.has_exponent = true;
  for (char const digit : digits) parts.exponent = std::min(parts.exponent * 10 + (digit - '0'), exponent_bound);
  if (minus) parts.exponent = -parts.exponent;
  return parts;
}

/// The digits with the point moved. Every digit stays, also zeros at the end: 1.20e1 is 12.0. Zero itself becomes 0.
std::optional<std::string> plain(Parts const& parts) {
  auto digits = std::string{parts.whole}.append(parts.fraction);
  std::string const sign = parts.negative ? "-" : "";
  if (digits.find_first_not_of('0') == std::string::npos) return sign + "0";

  auto const size = static_cast<long>(digits.size());
  auto point = static_cast<long>(parts.whole.size()) + parts.exponent;
  auto const zeros = static_cast<long>(digits.find_first_not_of('0'));
  auto const limit = static_cast<long>(digits_max);
  if (point - zeros > limit || size - point > limit) return {};

  if (point > size) digits.append(static_cast<std::size_t>(point - size), '0');
  if (point < 1) {
    digits.insert(0, static_cast<std::size_t>(1 - point), '0');
    point = 1;
  }
  auto whole = digits.substr(0, static_cast<std::size_t>(point));
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size() - 1));
  auto const fraction = digits.substr(static_cast<std::size_t>(point));
  return sign + whole + (fraction.empty() ? "" : ".") + fraction;
}

/// Of text that Decimal::parse has made, or of "", which counts as 0.
Parts parts_of(std::string_view text) {
  Parts parts;
  parts.negative = take(text, '-');
  parts.whole = take_digits(text);
  if (parts.whole == "0") parts.whole = {};
  if (take(text, '.')) parts.fraction = text.substr(0, text.find_last_not_of('0') + 1);
  return parts;
}

bool is_nothing(Parts const& parts) { return parts.whole.empty() && parts.fraction.empty(); }

std::strong_ordering compare_sizes(Parts const& left, Parts const& right) {
  if (auto const order = left.whole.size() <=> right.whole.size(); order != 0) return order;
  if (auto const order = left.whole <=> right.whole; order != 0) return order;
  // Without zeros at the end, fractions are in the order of their text: 05 < 5 < 51.
  return left.fraction <=> right.fraction;
}

}  // namespace

std::optional<Decimal> Decimal::parse(std::string_view text) {
  Decimal number;
  if (!number.assign(text)) return {};
  return number;
}

bool Decimal::assign(std::string_view text) {
  if (text.size() <= here_.size() && plain_size(text) == text.size() && !text.empty()) {
    keep_here(text, text.size());
    return true;
  }
  auto const parts = cut(text);
  if (!parts) return false;
  if (parts->has_exponent) {
    auto const written = plain(*parts);
    if (written) keep(*written);
    return written.has_value();
  }
  if (parts->whole.size() > digits_max || parts->fraction.size() > digits_max) return false;
  keep(text);
  return true;
}

void Decimal::keep(std::string_view text) {
  if (text.size() > here_.size())
    long_ = std::make_unique<std::string const>(text);
  else
    keep_here(text, text.size());
}

bool Decimal::is_number(std::string_view text) { return cut(text).has_value(); }

bool Decimal::is_zero() const {
  return !empty() && std::ranges::none_of(text(), [](char c) { return c >= '1'; });
}
bool Decimal::is_negative() const { return text().starts_with('-') && !is_zero(); }
bool Decimal::is_positive() const { return !empty() && text().front() != '-' && !is_zero(); }

std::strong_ordering compare(Decimal const& left, Decimal const& right) {
  auto const a = parts_of(left.text());
  auto const b = parts_of(right.text());
  bool const a_below_zero = a.negative && !is_nothing(a);
  bool const b_below_zero = b.negative && !is_nothing(b);
  if (a_below_zero != b_below_zero) return b_below_zero <=> a_below_zero;
  return a_below_zero ? compare_sizes(b, a) : compare_sizes(a, b);
}

}  // namespace penstock
