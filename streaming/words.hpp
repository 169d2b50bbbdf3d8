/// Several bytes at once, as one number. Any thread.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

namespace penstock {

/// The first bytes of `text`, which must have as many as a Word.
template <class Word>
Word load(std::string_view text) {
  std::array<char, sizeof(Word)> bytes;
  std::copy_n(text.begin(), bytes.size(), bytes.begin());
  return std::bit_cast<Word>(bytes);
}

/// What JSON has between quotes as it is: no control character, quote, backslash, and nothing above ASCII.
inline bool is_plain(char c) { return c != '"' && c != '\\' && static_cast<unsigned char>(c - ' ') < 0x60; }

/// 0 where all eight bytes are plain.
inline std::uint64_t not_plain(std::uint64_t bytes) {
  constexpr std::uint64_t ones = 0x0101010101010101U;
  constexpr std::uint64_t tops = ones * 0x80;
  auto const has_zero = [](std::uint64_t value) { return (value - ones) & ~value; };
  auto const below_space = (bytes - ones * 0x20) & ~bytes;
  return (bytes | below_space | has_zero(bytes ^ ones * '"') | has_zero(bytes ^ ones * '\\')) & tops;
}

}  // namespace penstock
