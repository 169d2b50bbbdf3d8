/// What can be traded, and how the provider spells it. The catalogue of symbols is made of these.
#pragma once

#include "schemas/field.hpp"

namespace penstock {

struct Instrument : Common {
  static constexpr std::string_view kind = "instruments";
  static constexpr int version = 1;
  static constexpr Conflict conflict = Conflict::later_wins;

  std::string class_;  ///< spot, swap, future, option, combo, equity, etf, fund, fx, commodity, bond, index, prediction
  std::string native_symbol;
  std::string name;
  std::string base;
  std::string quote;
  std::string settle;
  std::string venue;
  Decimal price_tick, amount_step, contract_size;
  std::optional<Time> expiry;
  Decimal strike;
  std::string option_type;  ///< call, put
  bool active{};
  std::string event;

  static constexpr auto fields_of() {
    return std::tuple{required("class", &Instrument::class_),
                      required("native_symbol", &Instrument::native_symbol),
                      optional("name", &Instrument::name),
                      optional("base", &Instrument::base),
                      optional("quote", &Instrument::quote),
                      optional("settle", &Instrument::settle),
                      optional("venue", &Instrument::venue),
                      optional("price_tick", &Instrument::price_tick),
                      optional("amount_step", &Instrument::amount_step),
                      optional("contract_size", &Instrument::contract_size),
                      optional("expiry", &Instrument::expiry),
                      optional("strike", &Instrument::strike),
                      optional("option_type", &Instrument::option_type),
                      required("active", &Instrument::active),
                      optional("event", &Instrument::event)};
  }
  static constexpr std::string_view identity[] = {"source", "symbol"};
  friend bool operator==(Instrument const&, Instrument const&) = default;
};

}  // namespace penstock
