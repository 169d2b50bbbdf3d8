/// SIGUSR1 is handed on. SIGTERM and SIGINT become a stop_token; a second signal, or `limit` passing after the first, ends the
/// process (exit 1).
#pragma once

#include <chrono>
#include <csignal>
#include <functional>
#include <stop_token>
#include <thread>

namespace penstock {

/// Make one in main, before any other thread starts (it blocks the signals and waits for them in a thread of its own).
/// The destructor ends that thread and gives the signals their old meaning back.
class Shutdown {
 public:
  /// `on_user_signal`: told of SIGUSR1 in the signal thread, with the number that came with it (sigqueue), 0: none.
  explicit Shutdown(std::chrono::milliseconds limit = std::chrono::seconds{5}, std::function<void(int)> on_user_signal = {});
  ~Shutdown();
  Shutdown(Shutdown const&) = delete;
  Shutdown& operator=(Shutdown const&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  /// What a signal does, the limit included. Any thread.
  void request();

 private:
  void wait(std::stop_token const& end, std::chrono::milliseconds limit) const;
  void wake() const;

  std::function<void(int)> on_user_signal_;
  std::stop_source source_;
  sigset_t blocked_before_{};
  int signals_ = -1;  ///< signalfd
  int wake_ = -1;     ///< eventfd: request() or the destructor
  std::jthread thread_;
};

}  // namespace penstock
