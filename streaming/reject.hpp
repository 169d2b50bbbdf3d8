/// Why a record is bad. Records fail by value; connections by Fault (fault.hpp).
#pragma once

#include <string>
#include <string_view>

namespace penstock {

/// The one reason that the library itself gives. Detail: SQLSTATE, column, constraint.
inline constexpr std::string_view rejected_by_database = "rejected-by-database";

struct Reject {
  std::string_view reason;  ///< one of a closed list with static lifetime (schemas/reasons.hpp)
  std::string detail;       ///< for people: which field, what was found
  friend bool operator==(Reject const&, Reject const&) = default;
};

}  // namespace penstock
