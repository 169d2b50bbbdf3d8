/// What stands in an agent's way, as its loop and whoever looks for it say it; read by /livez, /readyz and the status line.
/// Any thread.
#pragma once

#include "streaming/time.hpp"

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

struct Check {
  std::string name;  ///< broker, database, lag …
  bool ready = false;
  std::string reason;  ///< for people: how it is; where it is not ready, also what to do
};

class Health {
 public:
  explicit Health(Clock& clock = system_clock()) : clock_{clock} {}

  /// The loop has come round once more.
  void turned();
  /// Time since then; nothing before the first turn.
  std::optional<std::chrono::milliseconds> since_turn() const;

  /// `how`: "": when it was said last.
  void good(std::string_view check, std::string how = {});
  void bad(std::string_view check, std::string why);
  /// By name; with how long it has been so.
  std::vector<Check> checks() const;

 private:
  using Instant = std::chrono::steady_clock::time_point;
  struct State {
    bool ready = false;
    std::string text;
    Instant since{}, said{};
  };
  void say(std::string_view check, bool ready, std::string text);

  Clock& clock_;
  std::atomic<Instant::rep> turned_{};
  mutable std::mutex mutex_;
  std::map<std::string, State, std::less<>> states_;
};

/// "0.4 s", "75 s": for people.
std::string seconds_text(std::chrono::steady_clock::duration duration);

}  // namespace penstock
