/// An option's prices, volatilities and greeks.
#pragma once

#include "schemas/field.hpp"

namespace penstock {

struct Option : Common {
  static constexpr std::string_view kind = "options";
  static constexpr int version = 1;
  static constexpr Conflict conflict = Conflict::append;

  Decimal bid, bid_amount, ask, ask_amount, last, mark, bid_iv, ask_iv, mark_iv, delta, gamma, vega, theta, rho, underlying_price,
      open_interest, volume;

  static constexpr auto fields_of() {
    return std::tuple{optional("bid", &Option::bid),
                      optional("bid_amount", &Option::bid_amount),
                      optional("ask", &Option::ask),
                      optional("ask_amount", &Option::ask_amount),
                      optional("last", &Option::last),
                      optional("mark", &Option::mark),
                      optional("bid_iv", &Option::bid_iv),
                      optional("ask_iv", &Option::ask_iv),
                      optional("mark_iv", &Option::mark_iv),
                      optional("delta", &Option::delta),
                      optional("gamma", &Option::gamma),
                      optional("vega", &Option::vega),
                      optional("theta", &Option::theta),
                      optional("rho", &Option::rho),
                      optional("underlying_price", &Option::underlying_price),
                      optional("open_interest", &Option::open_interest),
                      optional("volume", &Option::volume)};
  }
  static constexpr std::string_view identity[] = {"source", "symbol", "time", "content"};
  friend bool operator==(Option const&, Option const&) = default;
};

}  // namespace penstock
