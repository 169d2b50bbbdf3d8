/// The gaps that md.gaps leaves open: what a transformer must go on asking for though it was not the one who found it. One
/// thread.
#pragma once

#include "schemas/kinds.hpp"

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace penstock {

class OpenGaps {
 public:
  /// One more and the one that began first is forgotten.
  static constexpr std::size_t gaps_max = 100'000;

  /// Every record of md.gaps, in its order. Of whole connections (`*`) nothing is kept: their publisher looks after them.
  void see(Gap const& gap);
  /// Those of one series, by from_time.
  std::vector<Gap> of(std::string_view source, std::string_view symbol, std::string_view channel) const;

 private:
  using Series = std::tuple<std::string, std::string, std::string>;

  std::map<std::pair<Series, Time>, Gap> gaps_;
};

}  // namespace penstock
