/// One trade between a taker and a maker.
#pragma once

#include "schemas/field.hpp"

namespace penstock {

struct Trade : Common {
  static constexpr std::string_view kind = "trades";
  static constexpr int version = 1;
  static constexpr Conflict conflict = Conflict::append;

  std::string id;  ///< aggregates' ids begin with a, derived ones with ~
  Side side{};
  Decimal price, amount;

  static constexpr auto fields_of() {
    return std::tuple{required("id", &Trade::id), required("side", &Trade::side), required("price", &Trade::price),
                      required("amount", &Trade::amount)};
  }
  static constexpr std::string_view identity[] = {"source", "symbol", "id"};
  friend bool operator==(Trade const&, Trade const&) = default;
};

}  // namespace penstock
