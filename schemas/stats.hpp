/// A global market figure or a provider's quota.
#pragma once

#include "schemas/field.hpp"

namespace penstock {

struct Stat : Common {
  static constexpr std::string_view kind = "stats";
  static constexpr int version = 1;
  static constexpr Conflict conflict = Conflict::append;

  std::string name;
  Decimal value;
  std::string unit;

  static constexpr auto fields_of() {
    return std::tuple{required("name", &Stat::name), required("value", &Stat::value), required("unit", &Stat::unit)};
  }
  static constexpr std::string_view identity[] = {"source", "symbol", "name", "time"};
  friend bool operator==(Stat const&, Stat const&) = default;
};

}  // namespace penstock
