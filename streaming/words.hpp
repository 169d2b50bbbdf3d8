/// Several bytes at once, as one number. Any thread.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace penstock {

/// The first bytes of `text`, which must have as many as a Word; the first of them is the lowest.
template <class Word>
Word load(std::string_view text) {
  Word word;
  std::memcpy(&word, std::to_address(text.begin()), sizeof word);
  return std::endian::native == std::endian::big ? std::byteswap(word) : word;
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

/// What a number is written with but for an exponent, and the slash, which stands between: - . / 0-9.
inline bool is_of_number(char c) { return c >= '-' && c <= '9'; }

/// Marks what is not of a number; 0: all eight are.
inline std::uint64_t not_of_number(std::uint64_t bytes) {
  auto const above_nine = bytes + marks::ones * (0x7f - '9');
  return (bytes | above_nine | marks::below(bytes, '-')) & marks::tops;
}

}  // namespace penstock
