/// Which records of a topic are wanted. Pure; one thread.
#pragma once

#include "streaming/decimal.hpp"
#include "streaming/record.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

/// `side=buy`, `price>=100`, `data.s!=BTCUSDT`, `bids.0.0<1`: what a record's JSON must hold at a place.
/// Two numbers are compared exactly, however they are spelled (0.10 = 0.1, never through a double), two times as times,
/// everything else as text, which is equal or not. What is not there fits no condition.
class Condition {
 public:
  /// Throws UsageError for text that is none, and for < and > with what is neither number nor time.
  explicit Condition(std::string_view text);
  bool fits(std::string_view json) const;

 private:
  enum class Comparison : std::uint8_t { equal, unequal, less, at_most, more, at_least };
  bool fits_value(std::string_view found) const;

  std::string pointer_;  ///< JSON's own: /data/s
  Comparison comparison_{};
  std::string wanted_;
  std::optional<Decimal> number_;
  std::optional<Time> time_;
};

struct TapFilter {
  std::string key;
  std::vector<std::string> symbols;  ///< spellings of the one that is wanted; empty: all
  std::optional<Partition> partition;
  std::vector<Condition> conditions;

  bool fits(Delivery const& delivery) const;
};

/// A symbol as it is written in `topic`: raw topics have the provider's own spelling beside it.
std::vector<std::string> spellings_of(std::string const& symbol, std::string_view topic);

}  // namespace penstock
