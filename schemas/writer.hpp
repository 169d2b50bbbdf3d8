/// For the .cpp files of this folder: writing text fast. The most that a record can need is made room for once; then
/// every put_* writes at a bare pointer and returns the end of what it wrote. Whoever writes a record with them is
/// [[gnu::flatten]]: for a field a call costs as much as its bytes. Any thread.
#pragma once

#include "streaming/decimal.hpp"
#include "streaming/words.hpp"

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace penstock {

/// Lets `fill(char* at)` write at most `bytes_max` bytes at the end of `out`; it returns the end of what it wrote.
template <class Fill>
void append_at_most(std::string& out, std::size_t bytes_max, Fill&& fill) {
  auto const before = out.size();
  out.resize_and_overwrite(before + bytes_max,
                           [&](char* data, std::size_t) { return static_cast<std::size_t>(fill(data + before) - data); });
}

inline char* put(char* at, std::string_view text) {
  std::memcpy(at, text.data(), text.size());
  return at + text.size();
}

inline constexpr std::size_t integer_bytes_max = 20;
inline char* put(char* at, std::int64_t value) { return std::to_chars(at, at + integer_bytes_max, value).ptr; }

/// Length of the UTF-8 character at the start of `text`; 0: there is none (cut off, overlong, a surrogate, a stray byte).
inline std::size_t utf8_length(std::string_view text) {
  auto const byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  auto const follows = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  auto const first = byte(0);
  if (first < 0x80) return text.empty() ? 0 : 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if ((first & 0xF0U) == 0xE0) {
    bool const bad = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F);
    return !bad && follows(1) && follows(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    bool const bad = (first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F);
    return !bad && follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

/// What comes out for a byte that is not UTF-8.
inline constexpr std::string_view replacement = "\xEF\xBF\xBD";
inline constexpr std::size_t bytes_per_byte_max = 6;  ///< put_text makes of one byte at most \u001f

/// Copies plain text; nullptr: some of it is not plain, and anything may stand at `at`.
inline char* put_plain(char* at, std::string_view text) {
  auto const size = text.size();
  std::uint64_t other = 0;
  // The last ones overlap.
  auto const copy = [&]<class Word>(Word, std::size_t from) {
    auto const bytes = load<Word>(text.substr(from));
    other |= not_plain(sizeof(Word) == 8 ? bytes : bytes | std::uint64_t{bytes} << 32U);
    std::memcpy(at + from, &bytes, sizeof bytes);
  };
  if (size >= 8) {
    for (std::size_t from = 0; from + 8 < size; from += 8) copy(std::uint64_t{}, from);
    copy(std::uint64_t{}, size - 8);
  } else if (size >= 4) {
    copy(std::uint32_t{}, 0);
    copy(std::uint32_t{}, size - 4);
  } else {
    for (std::size_t from = 0; from < size; ++from) {
      other |= is_plain(text[from]) ? 0U : 1U;
      at[from] = text[from];
    }
  }
  return other == 0 ? at + size : nullptr;
}

/// Writes text of any bytes as good UTF-8; `escape(at, c)` writes control characters, quotes and backslashes.
template <class Escape>
char* put_text(char* at, std::string_view text, Escape&& escape) {
  if (auto* const end = put_plain(at, text)) return end;
  while (!text.empty()) {
    auto const c = static_cast<unsigned char>(text.front());
    if (c >= 0x80) {
      auto const length = utf8_length(text);
      at = put(at, length == 0 ? replacement : text.substr(0, length));
      text.remove_prefix(length == 0 ? 1 : length);
      continue;
    }
    if (is_plain(text.front()))
      *at++ = text.front();
    else
      at = escape(at, text.front());
    text.remove_prefix(1);
  }
  return at;
}

}  // namespace penstock
