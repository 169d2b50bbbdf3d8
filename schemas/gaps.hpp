/// Something that should have come and did not. `symbol` is * for a whole connection.
#pragma once

#include "schemas/field.hpp"

namespace penstock {

enum class GapCause : std::uint8_t { sequence, checksum, reconnect, late_join, stale, refused, spool_full };
enum class GapState : std::uint8_t { open, filled, unfillable };

struct Gap : Common {
  static constexpr std::string_view kind = "gaps";
  static constexpr int version = 1;
  static constexpr Conflict conflict = Conflict::later_wins;

  std::string channel;                        ///< the raw header's; *: the whole connection
  std::optional<std::int64_t> from_sequence;  ///< first missing
  std::optional<std::int64_t> to_sequence;    ///< last missing, inclusive
  Time from_time{};                           ///< of the last record seen before
  Time to_time{};                             ///< of the first record seen after
  GapCause cause{};
  GapState state{};

  static constexpr auto fields_of() {
    return std::tuple{required("channel", &Gap::channel),
                      optional("from_sequence", &Gap::from_sequence),
                      optional("to_sequence", &Gap::to_sequence),
                      required("from_time", &Gap::from_time),
                      required("to_time", &Gap::to_time),
                      required("cause", &Gap::cause),
                      required("state", &Gap::state)};
  }
  static constexpr std::string_view identity[] = {"source", "symbol", "channel", "from_time"};
  friend bool operator==(Gap const&, Gap const&) = default;
};

}  // namespace penstock
