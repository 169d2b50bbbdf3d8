/// How far another machine's clock is off, from what it says between two looks at ours. Pure; any thread.
#pragma once

#include "streaming/time.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace penstock {

/// More than this is worth a warning: latencies and gaps between the two are then wrong by as much.
inline constexpr Duration skew_max = std::chrono::seconds{1};

/// What is certain of it: positive where the other clock is ahead of ours. It said a time in [said, said + unit) when ours
/// was between `before` and `after`.
Duration certain_skew(Time before, Time after, Time said, Duration unit = {});

/// HTTP's header Date: "Tue, 15 Nov 1994 08:12:31 GMT". Nothing: it is none.
std::optional<Time> parse_http_date(std::string_view text);

/// "; its clock is 2.5 s ahead of this machine's: …" where that is more than skew_max, else "".
std::string skew_text(std::string_view whose, Duration skew);

}  // namespace penstock
