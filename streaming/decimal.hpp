/// An exact decimal number kept as the text the provider spelled: 0.10 stays 0.10. Never a double.
/// Value type; safe to read from any thread.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
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
  /// Into this one the number that `text` begins with, where it is short and spelled without an exponent. How many bytes it has;
  /// 0: this one stays as it is.
  std::size_t assign_front(std::string_view text) {
    auto const size = plain_size(text);
    if (size > here_.size()) return 0;
    if (size > 0) keep_here(text, size);
    return size;
  }

  /// True where `text` is spelled as a number, also one that parse() finds too long: tells wrong-type from out-of-range.
  static bool is_number(std::string_view text);

  bool empty() const { return text().empty(); }  ///< true: the field is absent
  /// As long as this one is neither moved nor changed.
  std::string_view text() const { return long_ ? std::string_view{*long_} : std::string_view{here_.data(), size_}; }

  /// At a pointer with room for put_bytes_max(); returns the end.
  char* put(char* at) const {
    if (long_) return at + long_->copy(at, long_->size());
    std::memcpy(at, here_.data(), here_.size());  // All of it: a copy of known size is a few moves.
    return at + size_;
  }
  std::size_t put_bytes_max() const { return long_ ? long_->size() : here_.size(); }

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
  static std::size_t plain_size(std::string_view text);
  void keep(std::string_view text);
  void keep_here(std::string_view text, std::size_t size) {
    long_.reset();
    size_ = static_cast<std::uint8_t>(size);
    if (text.size() >= here_.size())
      std::memcpy(here_.data(), text.data(), here_.size());
    else
      std::memcpy(here_.data(), text.data(), size);
  }

  // Nearly every number is short: it needs no memory of its own. 32 bytes together.
  std::array<char, 23> here_{};
  std::uint8_t size_ = 0;  ///< in here_
  Long long_;              ///< set: the text is there
};

/// Of -?digits[.digits] at the beginning; 0: there is none. It is on the way of every record.
inline std::size_t Decimal::plain_size(std::string_view text) {
  auto const* at = text.data();
  auto const* const end = at + text.size();
  auto const skip_digits = [&] {
    auto const* const from = at;
    while (at != end && *at >= '0' && *at <= '9') ++at;
    return at - from;
  };
  if (at != end && *at == '-') ++at;
  auto const* const whole = at;
  auto const digits = skip_digits();
  if (digits == 0 || (*whole == '0' && digits > 1)) return 0;
  if (at != end && *at == '.') {
    ++at;
    if (skip_digits() == 0) return 0;
  }
  return static_cast<std::size_t>(at - text.data());
}

std::strong_ordering compare(Decimal const& left, Decimal const& right);

}  // namespace penstock
