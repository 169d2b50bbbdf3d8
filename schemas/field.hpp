/// How a kind says what its fields are, once: JSON, SQL columns, COPY rows and identity all follow from it.
#pragma once

#include "streaming/decimal.hpp"
#include "streaming/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace penstock {

enum class Presence : std::uint8_t { required, optional };

template <class Kind, class Value>
struct Field {
  std::string_view name;
  Value Kind::* member;
  Presence presence;
};

template <class Kind, class Value>
constexpr auto required(std::string_view name, Value Kind::* member) {
  return Field<Kind, Value>{name, member, Presence::required};
}
template <class Kind, class Value>
constexpr auto optional(std::string_view name, Value Kind::* member) {
  return Field<Kind, Value>{name, member, Presence::optional};
}

/// Where a record came from, header `origin`.
enum class Origin : std::uint8_t { live, snapshot, backfill };

/// The taker's.
enum class Side : std::uint8_t { buy, sell };

/// One price level; amount 0 removes.
struct Level {
  Decimal price;
  Decimal amount;
  friend bool operator==(Level const&, Level const&) = default;
};
using Levels = std::vector<Level>;  ///< best first

/// The four that every record has. Absent text is "", an absent Decimal is empty(), an absent number is nullopt.
struct Common {
  std::string source;  ///< the provider's name
  std::string symbol;  ///< unified; from a decoder of a provider with a catalogue: native, until the symbols stage
  Time time{};         ///< when it happened, by the provider's clock
  Time received_at{};  ///< when the publisher saw it
  friend bool operator==(Common const&, Common const&) = default;
};

/// Own fields of a kind come after these four, in JSON, in the table and in COPY.
template <class Kind>
constexpr auto common_fields() {
  return std::tuple{Field<Kind, std::string>{"source", &Kind::source, Presence::required},
                    Field<Kind, std::string>{"symbol", &Kind::symbol, Presence::required},
                    Field<Kind, Time>{"time", &Kind::time, Presence::required},
                    Field<Kind, Time>{"received_at", &Kind::received_at, Presence::required}};
}
template <class Kind>
constexpr auto all_fields() {
  return std::tuple_cat(common_fields<Kind>(), Kind::fields_of());
}

/// What a store does with a second record of the same identity.
enum class Conflict : std::uint8_t { append, later_wins };

}  // namespace penstock
