/// Keeps child processes running: starts them, reads what they say, starts them again with growing waits, sets aside those that
/// cannot work while the others go on, changes which there are, and ends them in order. One thread, the process's first
/// (ChildProcess).
#pragma once

#include "agents/child_process.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

struct ChildSpec {
  std::string name;                  ///< for people: "publish binance", "transform 2"
  std::string kind;                  ///< publish, transform, store, dead
  std::string provider;              ///< of publishers
  int number = 1;                    ///< among those of its kind and provider, from 1. These three say which child it is
  int rank = 0;                      ///< stop() ends the lower ranks first
  bool enabled = true;               ///< false: known, not started
  std::vector<std::string> command;  ///< path of the program and its words
  std::map<std::string, std::string> variables;  ///< added to this process's own environment
  std::shared_ptr<Descriptor const> file;        ///< what it finds open as ChildProcess::file_descriptor
  std::map<std::string, std::string> settings;   ///< what it works by, key -> value: another value asks for a new start
};

/// How a child is doing.
struct ChildView {
  enum class State : std::uint8_t {
    running,
    waiting,   ///< to be started (again)
    stopping,  ///< asked to end
    stopped,   ///< as asked, or not enabled
    failed,    ///< ended and not started again: a crash loop, or starting it again cannot help
  };
  ChildSpec const* spec = nullptr;  ///< until the next call that is not const
  State state = State::waiting;
  std::string reason;                             ///< why it waits, is stopped or failed: how it ended, with its last words
  std::chrono::steady_clock::time_point since{};  ///< of the state
  int pid = 0;                                    ///< while there is a process
  int restarts = 0;                               ///< starts after an end that nobody had asked for
  int restarts_lately = 0;                        ///< those of the last 10 minutes
  std::string status;                             ///< its last whole line on status_descriptor
  std::chrono::steady_clock::time_point status_at{};
};
std::string_view to_text(ChildView::State state);

struct SupervisorOptions {
  std::chrono::milliseconds backoff_first{500}, backoff_most{std::chrono::seconds{30}};
  int failures_max = 5;  ///< so many within failures_within: a crash loop
  std::chrono::milliseconds failures_within{std::chrono::seconds{60}};
  /// One that ran for so long and was then killed (SIGKILL) was killed from outside: no failure of its own.
  std::chrono::milliseconds steady_after{std::chrono::seconds{5}};
  std::chrono::milliseconds stop_max{4400};  ///< then what still runs is killed
  /// A line that a child wrote to stderr.
  std::function<void(ChildSpec const&, std::string_view line)> on_line;
  /// A child ended after it was asked to, or was killed when stop_max had passed.
  std::function<void(ChildSpec const&, std::string const& how)> on_end;
  /// A child ended without being asked, and is started again after `wait`.
  std::function<void(ChildSpec const&, std::string const& how, std::chrono::milliseconds wait)> on_restart;
  /// A child is set aside.
  std::function<void(ChildSpec const&, std::string const& why)> on_fail;
  /// With every turn.
  std::function<void()> on_turn;
};

class Supervisor {
 public:
  static constexpr std::chrono::minutes lately{10};

  Supervisor(std::vector<ChildSpec> children, SupervisorOptions options);
  ~Supervisor();  ///< kills what still runs
  Supervisor(Supervisor const&) = delete;
  Supervisor& operator=(Supervisor const&) = delete;

  /// One turn, at most `wait` long: starts what is due, reads, notices ends. Throws Fault when no process can be made.
  void run(std::chrono::milliseconds wait);

  // By hand: the child with this name, in any state. They only ask; run() does it.
  void start(std::string_view name);  ///< a failed one, too; one that waits is started at once
  void stop(std::string_view name);
  void restart(std::string_view name);  ///< what is not running is started

  struct Changes {
    std::vector<std::string> started, stopped;
    std::map<std::string, std::vector<std::string>> restarted;  ///< and the settings that changed
    bool any() const { return !started.empty() || !stopped.empty() || !restarted.empty(); }
  };
  enum class ByHand : std::uint8_t { keep, undo };
  /// From now on there are these: others are ended, new ones started, those with other settings started anew. undo: what was
  /// started and stopped by hand is as the specs say again, and those that failed get another try.
  Changes become(std::vector<ChildSpec> specs, ByHand by_hand);

  /// Why the failed ones failed, where nothing else is left that runs or shall be started.
  std::optional<std::string> gave_up() const;

  /// Rank by rank: waits for `settled` (nothing left to do for this rank, now that those before it have ended since
  /// `since`), but not longer than its share of stop_max; then SIGTERM, and SIGKILL when all of stop_max has passed.
  using Settled = std::function<bool(int rank, std::chrono::steady_clock::time_point since)>;
  void stop_all(Settled const& settled);

  std::vector<ChildView> children() const;

 private:
  struct Child;
  using Steady = std::chrono::steady_clock;
  using Children = std::vector<std::unique_ptr<Child>>;
  Child& named(std::string_view name);
  Children::iterator same(ChildSpec const& spec);
  void change(Child& child, ChildSpec spec, ByHand by_hand, Changes& changes);
  void start_when_due(Child& child, Steady::time_point& until);
  void launch(Child& child);
  void begin(Child& child);
  void end(Child& child, std::string why, bool then_start);
  void read(Child& child);
  void read_all(std::chrono::milliseconds wait);
  void reap(Child& child);
  void ended(Child& child, int wait_status);
  void failed(Child& child, std::string const& how);
  bool any_alive(int rank) const;

  SupervisorOptions options_;
  Children children_;
  bool stopping_ = false;
};

}  // namespace penstock
