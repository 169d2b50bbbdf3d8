/// An exact decimal number kept as the text the provider spelled: 0.10 stays 0.10. Never a double.
/// Value type; safe to read from any thread.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace penstock {

class Decimal {
 public:
  Decimal() = default;  ///< absent
  Decimal(Decimal&&) = default;
  Decimal& operator=(Decimal&&) = default;
  Decimal(Decimal const& other) : here_{other.here_}, size_{other.size_}, long_{copy_of(other.long_)} {}
  Decimal& operator=(Decimal const& other) {
    if (this != &other) *this = Decimal{other};
    return *this;
  }
  ~Decimal() = default;

  /// Reads `-?digits[.digits][(e|E)[+-]digits]`, as JSON numbers and decimal strings spell it; an exponent
  /// is written out in plain digits. Nothing where the text is not a number or needs more than 100 digits
  /// before or after the point.
  static std::optional<Decimal> parse(std::string_view text);
  /// The same into this one, which stays as it is where the answer is false.
  bool assign(std::string_view text);

  /// True where `text` is spelled as a number, also one that parse() finds too long: tells wrong-type from out-of-range.
  static bool is_number(std::string_view text);

  bool empty() const { return text().empty(); }  ///< true: the field is absent
  /// As long as this one is neither moved nor changed.
  std::string_view text() const { return long_ ? std::string_view{*long_} : std::string_view{here_.data(), size_}; }

  bool is_zero() const;
  bool is_negative() const;  ///< false for -0
  bool is_positive() const;

  /// By value, exactly: 1.0 equals 1.00. Absent ones must not be compared.
  friend std::strong_ordering compare(Decimal const& left, Decimal const& right);
  /// By spelling.
  friend bool operator==(Decimal const& left, Decimal const& right) { return left.text() == right.text(); }

 private:
  using Long = std::unique_ptr<std::string const>;
  static Long copy_of(Long const& other) { return other ? std::make_unique<std::string const>(*other) : nullptr; }
  void keep(std::string_view text);

  // Nearly every number is short: it needs no memory of its own. 32 bytes together.
  std::array<char, 23> here_{};
  std::uint8_t size_ = 0;  ///< in here_
  Long long_;              ///< set: the text is there
};

std::strong_ordering compare(Decimal const& left, Decimal const& right);

}  // namespace penstock
