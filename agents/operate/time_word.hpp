/// Times as people write them in flags. Pure; any thread.
#pragma once

#include "streaming/time.hpp"

#include <optional>
#include <string_view>

namespace penstock {

/// How long: 90s, 30m, 12h, 7d. Nothing where the text is none.
std::optional<Duration> parse_span(std::string_view text);

/// A time, or how long before `now`: 30m. Nothing where the text is neither.
std::optional<Time> parse_time_or_ago(std::string_view text, Time now);

}  // namespace penstock
