/// Writing text as a JSON string, for what is not on the way of every record (schemas/writer.hpp is). Any thread.
#pragma once

#include <string>
#include <string_view>

namespace penstock {

/// Appends `text` in quotes. What comes out is good UTF-8 on one line, whatever the bytes: control characters are
/// escaped, a byte that is no UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);
std::string json_string(std::string_view text);
/// Of any range of texts.
template <class Words>
std::string json_list(Words const& words) {
  std::string out = "[";
  for (auto const& word : words) {
    if (out.size() > 1) out += ',';
    append_json_string(out, word);
  }
  return out += ']';
}

}  // namespace penstock
