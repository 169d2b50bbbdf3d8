/// Rows of binary COPY taken apart and put together, so that a test can make bad ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::test {

using CopyFields = std::vector<std::optional<std::string>>;  ///< as the types' receive functions read them

/// What no numeric can be, and no time.
inline std::string const bad_numeric{"\0\1\0\0\0\0\0\0\x7f\xff", 10}, bad_time{"\x7f\xff\xff\xff\xff\xff\xff\0", 8};

inline CopyFields fields_of(std::string_view row) {
  auto const take = [&row](std::size_t bytes) {
    std::uint32_t value = 0;
    for (auto const byte : row.substr(0, bytes)) value = value << 8U | static_cast<unsigned char>(byte);
    row.remove_prefix(bytes);
    return value;
  };
  CopyFields fields(take(2));
  for (auto& field : fields) {
    auto const length = take(4);
    if (length == UINT32_MAX) continue;
    field = row.substr(0, length);
    row.remove_prefix(length);
  }
  return fields;
}

inline std::string row_of(CopyFields const& fields) {
  std::string row;
  auto const put = [&row](std::size_t value, unsigned bytes) {
    while (bytes-- > 0) row += static_cast<char>(value >> 8U * bytes);
  };
  put(fields.size(), 2);
  for (auto const& field : fields) {
    put(field ? field->size() : UINT32_MAX, 4);
    row += field.value_or("");
  }
  return row;
}

}  // namespace penstock::test
