/// Keeps child processes running: starts them, reads what they say, starts them again with growing waits, gives up on
/// those that cannot work, and ends them in order. One thread, the process's first: children die with the thread that
/// started them, however it ends (SIGKILL included).
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

struct ChildSpec {
  std::string name;                              ///< for people: "publish binance"
  int rank = 0;                                  ///< stop() ends the lower ranks first
  std::vector<std::string> command;              ///< path of the program and its words
  std::map<std::string, std::string> variables;  ///< added to this process's own environment
};

/// How a child is doing.
struct ChildView {
  enum class State { running, waiting, ended };
  ChildSpec const* spec = nullptr;
  State state = State::waiting;
  int pid = 0;  ///< while running
  int restarts = 0;
  std::string status;  ///< its last whole line on status_descriptor
  std::chrono::steady_clock::time_point status_at{};
};
std::string_view to_text(ChildView::State state);

struct SupervisorOptions {
  std::chrono::milliseconds backoff_first{500}, backoff_most{std::chrono::seconds{30}};
  int failures_max = 5;  ///< so many within failures_within: a crash loop
  std::chrono::milliseconds failures_within{std::chrono::seconds{60}};
  std::chrono::milliseconds stop_max{4400};  ///< then what still runs is killed
  /// A line that a child wrote to stderr.
  std::function<void(ChildSpec const&, std::string_view line)> on_line;
  /// A child ended after stop() asked for it, or was killed when stop_max had passed.
  std::function<void(ChildSpec const&, std::string const& how)> on_end;
  /// A child ended without being asked, and is started again after `wait`.
  std::function<void(ChildSpec const&, std::string const& how, std::chrono::milliseconds wait)> on_restart;
};

class Supervisor {
 public:
  static constexpr int status_descriptor = 3;  ///< where children find the pipe for their status lines

  Supervisor(std::vector<ChildSpec> children, SupervisorOptions options);
  ~Supervisor();  ///< kills what still runs
  Supervisor(Supervisor const&) = delete;
  Supervisor& operator=(Supervisor const&) = delete;

  /// One turn, at most `wait` long: starts what is due, reads, notices ends. Throws Fault when no process can be made.
  void run(std::chrono::milliseconds wait);

  /// Why a child was given up: exit 2 (starting it again cannot help), or a crash loop. The caller stops the others.
  std::optional<std::string> const& gave_up() const { return gave_up_; }

  /// Rank by rank: waits for `settled` (nothing left to do for this rank, now that those before it have ended since
  /// `since`), but not longer than its share of stop_max; then SIGTERM, and SIGKILL when all of stop_max has passed.
  using Settled = std::function<bool(int rank, std::chrono::steady_clock::time_point since)>;
  void stop(Settled const& settled);

  std::vector<ChildView> children() const;

 private:
  struct Child;
  using Steady = std::chrono::steady_clock;
  void start(Child& child);
  void read(Child& child);
  void read_all(std::chrono::milliseconds wait);
  void reap(Child& child);
  void ended(Child& child, int wait_status);
  bool any_running(int rank) const;

  SupervisorOptions options_;
  std::vector<std::unique_ptr<Child>> children_;
  std::optional<std::string> gave_up_;
  bool stopping_ = false;
};

}  // namespace penstock
