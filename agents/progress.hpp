/// What the agents' status lines add up to: for the progress line, the status file and the question whether all is done.
/// No I/O. One thread.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace penstock {

/// One agent as its supervisor sees it.
struct AgentReport {
  std::string name;    ///< "publish binance", "transform 2", "store"
  std::string key;     ///< what it is counted by: stays when its name changes because it is no longer the only one
  std::string state;   ///< running, waiting, stopping, stopped, failed
  std::string reason;  ///< of the state
  int pid = 0;
  int restarts = 0;
  std::string status;  ///< its last status line (JSON), or ""
};

/// Sum of penstock_lag_records in a status line; -1 where it has none.
double lag_in(std::string const& status);

struct Totals {
  std::map<std::string, double> written;     ///< records per topic since the start, over restarts: the stores' where there is
                                             ///< one, else the transformers', else the publishers'
  std::map<std::string, double> per_second;  ///< of the same, between the last two updates
  double lag_records = 0;                    ///< of all agents
  double spool_records = 0;                  ///< on disk, until the broker takes them
  double dead = 0;                           ///< dead letters since the start, over restarts
  int restarts = 0;
  double rss_bytes = 0;
};

class Progress {
 public:
  using Instant = std::chrono::steady_clock::time_point;

  explicit Progress(Instant began) : began_{began}, at_{began}, changed_at_{began} {}

  void update(std::vector<AgentReport> const& reports, Instant now);
  Totals const& totals() const { return totals_; }

  /// True when something was written, all agents run and report, lag and spools are empty, and nothing more was written for so
  /// long.
  bool idle_for(std::chrono::milliseconds how_long, Instant now) const;

  /// "12 s  trades 1,234/s  books 80/s  lag 12  dead 0  restarts 0  87 MB"; "spool 4,711" after the lag where there is one.
  std::string line(Instant now) const;
  /// {"running_seconds":…,"agents":[{"name":…,"state":…,"pid":…,"restarts":…,"reason":…,"status":{…}}],
  ///  "written":{"md.trades":…},"per_second":{…},"lag_records":…,"spool_records":…,"dead":…,"restarts":…,"rss_bytes":…}
  std::string json(std::vector<AgentReport> const& reports, Instant now) const;

 private:
  /// A counter that starts from 0 again when its process does.
  struct Counter {
    double before = 0, last = 0;
    double value() const { return before + last; }
    void see(double now) {
      if (now < last) before += last;
      last = now;
    }
  };

  Instant began_;
  std::map<std::pair<std::string, std::string>, Counter> written_;  ///< by agent and topic
  std::map<std::pair<std::string, std::string>, Counter> dead_;     ///< by agent and labels
  Totals totals_;
  bool complete_ = false;  ///< every agent runs and has reported
  Instant at_, changed_at_;
};

}  // namespace penstock
