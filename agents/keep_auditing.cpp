#include "agents/keep_auditing.hpp"

#include "streaming/fault.hpp"
#include "streaming/log.hpp"

#include <prometheus/gauge.h>

#include <algorithm>

namespace penstock {

namespace {

using namespace std::chrono_literals;

void tell_when(Metrics& metrics, Time now) {
  metrics.audit_timestamp({}).Set(std::chrono::duration<double>(now.time_since_epoch()).count());
}

void tell(std::vector<Remark> const& remarks, Metrics& metrics, Time now) {
  for (auto const& remark : remarks)
    if (remark.differs)
      log::error("it does not add up",
                 {{"where", remark.where}, {"what", remark.what}, {"do", "run `penstock audit --deep`; it names the partition"}});
  auto const ok = std::ranges::none_of(remarks, &Remark::differs);
  if (ok) log::info("it adds up", {{"not_checked", std::to_string(remarks.size())}});
  metrics.audit_ok({}).Set(ok ? 1 : 0);
  tell_when(metrics, now);
}

// In steps, so that /livez sees that this process lives.
void wait(std::chrono::milliseconds every, Health& health, std::stop_token const& stop, Clock& clock) {
  auto const until = clock.steady() + every;
  for (auto now = clock.steady(); now < until && !stop.stop_requested(); now = clock.steady()) {
    health.turned();
    clock.sleep(std::min<std::chrono::milliseconds>(1s, std::chrono::ceil<std::chrono::milliseconds>(until - now)), stop);
  }
  health.turned();
}

}  // namespace

void keep_auditing(std::function<std::vector<Remark>()> const& audit, std::chrono::milliseconds every, Metrics& metrics,
                   Health& health, std::stop_token const& stop, Clock& clock) {
  tell_when(metrics, clock.now());
  for (wait(every, health, stop, clock); !stop.stop_requested(); wait(every, health, stop, clock)) try {
      auto const remarks = audit();
      if (!stop.stop_requested()) tell(remarks, metrics, clock.now());
    } catch (Fault const& fault) {
      if (fault.kind() != Fault::Kind::transient) throw;
      log::warning("no audit is possible now; trying again", {{"why", fault.what()}});
    }
}

}  // namespace penstock
