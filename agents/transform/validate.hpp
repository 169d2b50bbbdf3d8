/// Is a decoded record one that may be believed? Pure; any thread.
#pragma once

#include "schemas/kinds.hpp"
#include "streaming/reject.hpp"

#include <optional>

namespace penstock {

/// How far `time` may be ahead of `received_at`: clocks differ, days do not.
inline constexpr std::chrono::hours time_ahead_max{24};

/// Why the record is bad (schemas/reasons.hpp); nothing: it is good. Numbers are compared as decimals, never as doubles.
///   every kind   required text and numbers are there; `time` from 1970 on, and at most a day after received_at
///   trades       price and amount above 0
///   candles      prices above 0, low <= open, close <= high, volumes and counts not negative
///   tickers      prices above 0 where they are there, amounts and volumes not negative (a funding rate may be)
///   books        prices above 0, amounts not negative, a snapshot not crossed, a sequence not before what it follows
///   options      prices above 0, amounts and volatilities not negative (greeks may be)
///   odds         decimal odds of at least 1, a probability above 0 and at most 1
///   instruments  steps and sizes not negative
std::optional<Reject> validate(MarketRecord const& record);

}  // namespace penstock
