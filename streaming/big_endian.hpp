/// Numbers as PostgreSQL's binary formats have them: most significant byte first. Any thread.
#pragma once

#include "streaming/words.hpp"

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace penstock {

/// At a pointer with room for it; returns the end.
template <std::integral Number>
char* put_big_endian(char* at, Number value) {
  if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
  std::memcpy(at, &value, sizeof value);
  return at + sizeof value;
}

template <std::integral Number>
void append_big_endian(std::string& out, Number value) {
  out.resize(out.size() + sizeof value);
  put_big_endian(out.data() + out.size() - sizeof value, value);
}

/// The number that `bytes` begin with; they must have so many.
template <std::integral Number>
Number get_big_endian(std::string_view bytes) {
  auto const value = load<Number>(bytes);
  return std::endian::native == std::endian::little ? std::byteswap(value) : value;
}

}  // namespace penstock
