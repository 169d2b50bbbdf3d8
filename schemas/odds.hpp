/// A bookmaker's price for one outcome.
#pragma once

#include "schemas/field.hpp"

namespace penstock {

struct Odds : Common {
  static constexpr std::string_view kind = "odds";
  static constexpr int version = 1;
  static constexpr Conflict conflict = Conflict::append;

  std::string event_id;
  std::string event;
  std::string sport;
  std::optional<Time> starts_at;
  std::string bookmaker;
  std::string market;  ///< h2h, h2h_lay, spreads, totals, outrights, outrights_lay, …
  std::string outcome;
  Decimal point;
  Decimal price;  ///< decimal odds
  Decimal implied_probability;

  static constexpr auto fields_of() {
    return std::tuple{required("event_id", &Odds::event_id),   required("event", &Odds::event),
                      required("sport", &Odds::sport),         optional("starts_at", &Odds::starts_at),
                      required("bookmaker", &Odds::bookmaker), required("market", &Odds::market),
                      required("outcome", &Odds::outcome),     optional("point", &Odds::point),
                      required("price", &Odds::price),         required("implied_probability", &Odds::implied_probability)};
  }
  static constexpr std::string_view identity[] = {"source", "symbol", "bookmaker", "time"};
  friend bool operator==(Odds const&, Odds const&) = default;
};

}  // namespace penstock
