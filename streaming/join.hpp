/// Words as one text. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace penstock {

/// Of any range of texts; "" where there is none.
template <class Words>
std::string join(Words&& words, std::string_view between = ", ") {
  std::string out;
  std::string_view before;
  for (auto const& word : words) {
    out.append(before).append(word);
    before = between;
  }
  return out;
}

}  // namespace penstock
