/// Open, high, low, close of an interval; `time` is its open.
#pragma once

#include "schemas/field.hpp"

namespace penstock {

struct Candle : Common {
  static constexpr std::string_view kind = "candles";
  static constexpr int version = 1;
  static constexpr Conflict conflict = Conflict::later_wins;

  std::string interval;  ///< 1m, 5m, 1h, 1d, 1w, 1M
  Decimal open, high, low, close;
  Decimal volume;  ///< in base; absent where the provider gives none
  Decimal quote_volume;
  std::optional<std::int64_t> trades;  ///< how many
  bool closed{};                       ///< false: may still change

  static constexpr auto fields_of() {
    return std::tuple{required("interval", &Candle::interval),
                      required("open", &Candle::open),
                      required("high", &Candle::high),
                      required("low", &Candle::low),
                      required("close", &Candle::close),
                      optional("volume", &Candle::volume),
                      optional("quote_volume", &Candle::quote_volume),
                      optional("trades", &Candle::trades),
                      required("closed", &Candle::closed)};
  }
  static constexpr std::string_view identity[] = {"source", "symbol", "interval", "time"};
  friend bool operator==(Candle const&, Candle const&) = default;
};

}  // namespace penstock
