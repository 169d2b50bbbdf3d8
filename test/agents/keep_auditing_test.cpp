#include "agents/keep_auditing.hpp"

#include "streaming/fault.hpp"
#include "test/fakes.hpp"

#include <doctest/doctest.h>

using namespace penstock;
using namespace penstock::test;
using namespace std::chrono_literals;

namespace {

/// Audits on a clock that only counts, each step once; stops after the last.
struct Auditing {
  using Step = std::function<std::vector<Remark>()>;
  void run(std::vector<Step> const& steps) {
    std::size_t at = 0;
    auto const audit = [&] {
      seen.push_back(metrics.sum("penstock_audit_ok"));
      times.push_back(*metrics.sum("penstock_audit_timestamp_seconds"));
      auto const& step = steps[at++];
      if (at == steps.size()) stop.request_stop();
      return step();
    };
    keep_auditing(audit, 5min, metrics, health, stop.get_token(), clock);
    CHECK(at == steps.size());
  }

  FakeClock clock{};
  Metrics metrics{"audit"};
  Health health{clock};
  std::stop_source stop;
  std::vector<std::optional<double>> seen;  ///< penstock_audit_ok before each audit
  std::vector<double> times;
};

std::vector<Remark> clean() { return {{.differs = false, .where = "raw.x/0", .what = "retention took letters"}}; }
std::vector<Remark> differs() { return {{.differs = true, .where = "raw.x/0", .what = "1 record is missing"}}; }
std::vector<Remark> away() { throw Fault{Fault::Kind::transient, "no broker"}; }

}  // namespace

TEST_CASE("keep_auditing: each result is told until the next; an outage has none, and leaves the time of the last") {
  Auditing auditing;
  auto const began = std::chrono::duration<double>(auditing.clock.now().time_since_epoch()).count();
  auditing.run({clean, differs, away, clean, clean});
  CHECK(auditing.seen == std::vector<std::optional<double>>{{}, 1, 0, 0, 1});
  CHECK(auditing.times == std::vector{began, began + 300, began + 600, began + 600, began + 1200});
}

TEST_CASE("keep_auditing: /livez sees it live while it waits, and what cannot heal ends it") {
  Auditing auditing;
  auto const look = [&] {
    CHECK(auditing.health.since_turn() == 0ms);
    return clean();
  };
  auditing.run({look, look});
  auto const fatal = [] { throw Fault{Fault::Kind::fatal, "no table"}; };
  Auditing broken;
  CHECK_THROWS_AS(broken.run({[&]() -> std::vector<Remark> {
                                fatal();
                                return {};
                              },
                              clean}),
                  Fault);
}
