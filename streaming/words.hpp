/// Several bytes at once, as one number. Any thread.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace penstock {

/// Sixteen bytes, each by itself.
using Sixteen [[gnu::vector_size(16)]] = signed char;

/// The first bytes of `text`, which must have as many as a Word; the first of them is the lowest.
template <class Word>
Word load(std::string_view text) {
  Word word;
  std::memcpy(&word, std::to_address(text.begin()), sizeof word);
  if constexpr (std::endian::native == std::endian::big && std::unsigned_integral<Word>) word = std::byteswap(word);
  return word;
}

// Marks: of eight bytes the top bit of the first that is meant is set, none before it, and perhaps some behind it.

/// How many bytes stand before the first mark; 8: there is none.
inline int before_mark(std::uint64_t marks) { return std::countr_zero(marks) / 8; }

namespace marks {
inline constexpr std::uint64_t ones = 0x0101010101010101U;
inline constexpr std::uint64_t tops = ones * 0x80;
constexpr std::uint64_t below(std::uint64_t bytes, char limit) {
  return (bytes - ones * static_cast<unsigned char>(limit)) & ~bytes;
}
constexpr std::uint64_t equal(std::uint64_t bytes, char to) { return below(bytes ^ ones * static_cast<unsigned char>(to), 1); }
}  // namespace marks

/// What JSON has between quotes as it is: no control character, quote, backslash, and nothing above ASCII.
inline bool is_plain(char c) { return c != '"' && c != '\\' && static_cast<unsigned char>(c - ' ') < 0x60; }

/// Marks what is not plain; 0: all eight are.
inline std::uint64_t not_plain(std::uint64_t bytes) {
  return (bytes | marks::below(bytes, ' ') | marks::equal(bytes, '"') | marks::equal(bytes, '\\')) & marks::tops;
}

/// None of the bytes that are not plain is 0, all others are. What is above ASCII is negative.
inline Sixteen other_than_plain(Sixteen bytes) {
  constexpr auto byte = [](char c) { return static_cast<signed char>(c); };
  return (bytes < byte(' ')) | (bytes == byte('"')) | (bytes == byte('\\'));
}
inline bool is_zero(Sixteen bytes) {
  auto const [low, high] = std::bit_cast<std::array<std::uint64_t, 2>>(bytes);
  return (low | high) == 0;
}

/// All eight bytes are digits.
inline bool are_digits(std::uint64_t bytes) {
  constexpr auto halves = marks::ones * 0xf0, digits = marks::ones * '0';
  return (bytes & halves) == digits && ((bytes + marks::ones * 6) & halves) == digits;
}
/// The number that eight digits are: pairs of digits, then pairs of those, then both halves.
inline std::uint64_t number_of(std::uint64_t digits) {
  digits = (digits & marks::ones * 0x0f) * (10 << 8 | 1) >> 8;
  digits = (digits & 0x00ff00ff00ff00ffU) * (100 << 16 | 1) >> 16;
  return (digits & 0x0000ffff0000ffffU) * (10'000ULL << 32U | 1) >> 32;
}

/// What a number is written with but for an exponent, and the slash, which stands between: - . / 0-9.
inline bool is_of_number(char c) { return c >= '-' && c <= '9'; }

/// Marks what is not of a number; 0: all eight are.
inline std::uint64_t not_of_number(std::uint64_t bytes) {
  auto const above_nine = bytes + marks::ones * (0x7f - '9');
  return (bytes | above_nine | marks::below(bytes, '-')) & marks::tops;
}

}  // namespace penstock
