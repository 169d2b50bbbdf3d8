#include "agents/transform/open_gaps.hpp"

#include <algorithm>

namespace penstock {

void OpenGaps::see(Gap const& gap) {
  if (gap.symbol == "*") return;
  std::pair const identity{Series{gap.source, gap.symbol, gap.channel}, gap.from_time};
  if (gap.state != GapState::open) {
    gaps_.erase(identity);
    return;
  }
  gaps_.insert_or_assign(identity, gap);
  if (gaps_.size() <= gaps_max) return;
  gaps_.erase(std::ranges::min_element(gaps_, {}, [](auto const& entry) { return entry.first.second; }));
}

std::vector<Gap> OpenGaps::of(std::string_view source, std::string_view symbol, std::string_view channel) const {
  std::vector<Gap> found;
  if (gaps_.empty()) return found;
  Series const series{source, symbol, channel};
  for (auto each = gaps_.lower_bound({series, Time::min()}); each != gaps_.end() && each->first.first == series; ++each)
    found.push_back(each->second);
  return found;
}

}  // namespace penstock
