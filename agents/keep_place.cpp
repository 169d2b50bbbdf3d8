#include "agents/keep_place.hpp"

#include "agents/rate_window.hpp"
#include "streaming/fault.hpp"
#include "streaming/log.hpp"

namespace penstock {

using namespace std::chrono_literals;

void keep_place(std::stop_token const& stop, std::function<void()> const& member, Clock& clock) {
  RateWindow displaced{4, 1min};
  while (true) try {
      return member();
    } catch (Fault const& fault) {
      auto const now = clock.steady();
      if (fault.kind() != Fault::Kind::displaced || !displaced.allows(1, now)) throw;
      if (stop.stop_requested()) return;
      displaced.take(1, now);
      log::warning("the place in the group was given away; joining anew", {{"why", fault.what()}});
      clock.sleep(200ms, stop);
    }
}

}  // namespace penstock
