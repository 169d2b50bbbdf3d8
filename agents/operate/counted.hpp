#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace penstock {

/// "1 topic", "2 topics".
std::string counted(std::integral auto count, std::string_view noun) {
  return std::to_string(count) + ' ' + std::string{noun} + (count == 1 ? "" : "s");
}

}  // namespace penstock
