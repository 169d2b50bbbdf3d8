/// Best prices and the day's figures. Without a sequence its identity is source, symbol, time and content.
#pragma once

#include "schemas/field.hpp"

namespace penstock {

struct Ticker : Common {
  static constexpr std::string_view kind = "tickers";
  static constexpr int version = 1;
  static constexpr Conflict conflict = Conflict::append;

  std::optional<std::int64_t> sequence;
  Decimal bid, bid_amount, ask, ask_amount, last, mark, index;
  Decimal open;  ///< 24 h, as high, low and both volumes
  Decimal high, low, volume, quote_volume, open_interest;
  Decimal funding_rate;  ///< the current one
  Decimal market_cap;

  static constexpr auto fields_of() {
    return std::tuple{optional("sequence", &Ticker::sequence),
                      optional("bid", &Ticker::bid),
                      optional("bid_amount", &Ticker::bid_amount),
                      optional("ask", &Ticker::ask),
                      optional("ask_amount", &Ticker::ask_amount),
                      optional("last", &Ticker::last),
                      optional("mark", &Ticker::mark),
                      optional("index", &Ticker::index),
                      optional("open", &Ticker::open),
                      optional("high", &Ticker::high),
                      optional("low", &Ticker::low),
                      optional("volume", &Ticker::volume),
                      optional("quote_volume", &Ticker::quote_volume),
                      optional("open_interest", &Ticker::open_interest),
                      optional("funding_rate", &Ticker::funding_rate),
                      optional("market_cap", &Ticker::market_cap)};
  }
  static constexpr std::string_view identity[] = {"source", "symbol", "sequence"};
  friend bool operator==(Ticker const&, Ticker const&) = default;
};

}  // namespace penstock
