/// A place of trade. `symbol` repeats the code.
#pragma once

#include "schemas/field.hpp"

namespace penstock {

struct Venue : Common {
  static constexpr std::string_view kind = "venues";
  static constexpr int version = 1;
  static constexpr Conflict conflict = Conflict::later_wins;

  std::string code;  ///< MIC where there is one
  std::string name;
  std::string country;
  std::string timezone;
  std::string currency;

  static constexpr auto fields_of() {
    return std::tuple{required("code", &Venue::code), required("name", &Venue::name), optional("country", &Venue::country),
                      optional("timezone", &Venue::timezone), optional("currency", &Venue::currency)};
  }
  static constexpr std::string_view identity[] = {"source", "code"};
  friend bool operator==(Venue const&, Venue const&) = default;
};

}  // namespace penstock
