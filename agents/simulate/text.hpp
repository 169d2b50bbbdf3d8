/// Numbers as text, appended without a temporary: the simulator writes hundreds of thousands of them a second.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace penstock::simulate {

__extension__ using Wide = __int128;  ///< sums of price x amount of a long run

inline void append(std::string& out, std::int64_t number) {
  std::array<char, 24> digits;
  auto const end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

/// value / 10^decimals with exactly `shown` decimals (shown >= decimals): 12345, 2, 8 -> 123.45000000.
/// Not negative.
inline void append_padded(std::string& out, Wide value, int decimals, int shown) {
  std::array<char, 64> text;
  auto* const end = text.data() + text.size();
  auto* at = end;
  for (int zeros = decimals; zeros < shown; ++zeros) *--at = '0';
  for (int written = 0; written < decimals; ++written) {
    *--at = static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  }
  if (shown > 0) *--at = '.';
  auto whole = static_cast<std::uint64_t>(value);
  do {
    *--at = static_cast<char>('0' + static_cast<int>(whole % 10));
    whole /= 10;
  } while (whole != 0);
  out.append(at, end);
}

inline void append_padded(std::string& out, std::int64_t value, int decimals, int shown) {
  std::array<char, 48> text;
  auto* const end = text.data() + text.size();
  auto* at = end;
  auto rest = static_cast<std::uint64_t>(value);
  for (int zeros = decimals; zeros < shown; ++zeros) *--at = '0';
  for (int written = 0; written < decimals; ++written) {
    *--at = static_cast<char>('0' + rest % 10);
    rest /= 10;
  }
  if (shown > 0) *--at = '.';
  do {
    *--at = static_cast<char>('0' + rest % 10);
    rest /= 10;
  } while (rest != 0);
  out.append(at, end);
}

/// value / 10^decimals, without trailing zeros but with at least `least` decimals: 12300, 2, 1 -> 123.0.
inline void append_trimmed(std::string& out, std::int64_t value, int decimals, int least) {
  while (decimals > least && value % 10 == 0) {
    value /= 10;
    --decimals;
  }
  append_padded(out, value, decimals, decimals < least ? least : decimals);
}

}  // namespace penstock::simulate
