/// An exact decimal number kept as the text the provider spelled: 0.10 stays 0.10. Never a double.
/// Value type; safe to read from any thread.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace penstock {

class Decimal {
 public:
  Decimal() = default;  ///< absent

  /// Reads `-?digits[.digits][(e|E)[+-]digits]`, as JSON numbers and decimal strings spell it; an exponent
  /// is written out in plain digits. Nothing where the text is not a number or needs more than 100 digits
  /// before or after the point.
  static std::optional<Decimal> parse(std::string_view text);

  /// True where `text` is spelled as a number, also one that parse() finds too long: tells wrong-type from out-of-range.
  static bool is_number(std::string_view text);

  bool empty() const { return text_.empty(); }  ///< true: the field is absent
  std::string const& text() const { return text_; }

  bool is_zero() const;
  bool is_negative() const;  ///< false for -0
  bool is_positive() const;

  /// By value, exactly: 1.0 equals 1.00. Absent ones must not be compared.
  friend std::strong_ordering compare(Decimal const& left, Decimal const& right);
  /// By spelling.
  friend bool operator==(Decimal const&, Decimal const&) = default;

 private:
  explicit Decimal(std::string text) : text_{std::move(text)} {}
  std::string text_;
};

std::strong_ordering compare(Decimal const& left, Decimal const& right);

}  // namespace penstock
