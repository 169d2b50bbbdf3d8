/// Records of any topic as people and programs may see them, and where they stand, as people write it. Pure; any thread.
#pragma once

#include "streaming/record.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace penstock {

/// PARTITION@OFFSET.
std::optional<std::pair<Partition, Offset>> parse_place(std::string_view text);
std::string place_text(Position const& position);

/// One line, on which nothing can move a terminal's cursor: line breaks become spaces, other control characters and bytes
/// that are no UTF-8 \xNN. At most the first `most` bytes.
std::string visible(std::string_view bytes, std::size_t most = std::string_view::npos);

/// The record's value as JSON: itself, on one line, where it is JSON, else a text. Every number keeps its spelling.
std::string json_value(std::string_view bytes);
/// The same over several lines, indented by two spaces; every number and text keeps its spelling. What is no JSON: visible().
std::string indented_json(std::string_view bytes);
/// One JSON object: topic, partition, offset, timestamp, key, headers (pairs, for a name may come twice) and value.
std::string json_of(Delivery const& delivery);

}  // namespace penstock
