#include "agents/transform/twins.hpp"

#include <algorithm>

namespace penstock {

bool Twins::hear(std::string_view publisher, Time now) {
  auto const own = std::ranges::find(heard_, publisher, &Heard::publisher);
  if (own != heard_.end()) {
    own->at = now;
    if (heard_.size() == 1) return false;
  } else {
    std::erase_if(heard_, [&](Heard const& each) { return now - each.at > heard_within; });
    if (heard_.size() < publishers_max) heard_.push_back({std::string{publisher}, now});
  }
  return std::ranges::any_of(heard_,
                             [&](Heard const& each) { return each.publisher != publisher && now - each.at <= heard_within; });
}

}  // namespace penstock
