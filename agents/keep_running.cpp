#include "agents/keep_running.hpp"

#include "agents/rate_window.hpp"
#include "streaming/fault.hpp"
#include "streaming/log.hpp"

namespace penstock {

using namespace std::chrono_literals;

void keep_running(std::stop_token const& stop, std::function<void()> const& member, Clock& clock) {
  RateWindow displaced{4, 1min};
  while (!stop.stop_requested()) try {
      return member();
    } catch (Fault const& fault) {
      auto const now = clock.steady();
      bool const lost_place = fault.kind() == Fault::Kind::displaced;
      if (lost_place ? !displaced.allows(1, now) : fault.kind() != Fault::Kind::transient) throw;
      if (lost_place) displaced.take(1, now);
      log::warning(lost_place ? "the place in the group was given away; joining anew" : "not ready; trying again",
                   {{"why", fault.what()}});
      clock.sleep(lost_place ? 200ms : 500ms, stop);
    }
}

}  // namespace penstock
