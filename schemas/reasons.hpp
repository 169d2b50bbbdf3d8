/// The closed list of reasons that a dead letter's header `reason` may have.
#pragma once

#include "streaming/reject.hpp"

#include <array>
#include <string_view>

namespace penstock::reason {

inline constexpr std::string_view malformed = "malformed";          ///< not JSON, cut off, not this provider's shape
inline constexpr std::string_view missing_field = "missing-field";  ///< detail: the field
inline constexpr std::string_view wrong_type = "wrong-type";        ///< detail: the field and what was found
inline constexpr std::string_view out_of_range = "out-of-range";    ///< a number, text or count beyond its limits
inline constexpr std::string_view price_not_positive = "price-not-positive";
inline constexpr std::string_view candle_inconsistent = "candle-inconsistent";  ///< high below low, open or close outside them
inline constexpr std::string_view book_crossed = "book-crossed";        ///< a snapshot whose best bid is at or above its best ask
inline constexpr std::string_view unknown_symbol = "unknown-symbol";    ///< not in the instrument catalogue
inline constexpr std::string_view unknown_channel = "unknown-channel";  ///< no decoder for it
inline constexpr std::string_view time_out_of_range = "time-out-of-range";  ///< before 1970 or more than a day after received_at
using penstock::rejected_by_database;                                       ///< detail: SQLSTATE, column, constraint

inline constexpr std::array all{malformed,          missing_field,       wrong_type,          out_of_range,
                                price_not_positive, candle_inconsistent, book_crossed,        unknown_symbol,
                                unknown_channel,    time_out_of_range,   rejected_by_database};

}  // namespace penstock::reason
