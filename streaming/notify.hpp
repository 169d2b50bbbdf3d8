/// What systemd is told of a service (sd_notify(3)): one datagram a fact to the socket that NOTIFY_SOCKET names. Without one
/// every call does nothing, and a message that cannot be sent is dropped. One thread.
#pragma once

#include "streaming/descriptor.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace penstock {

class Notify {
 public:
  /// Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment, so that child processes do not speak for this
  /// one: make it before other threads read the environment.
  Notify();

  void ready(std::string_view status) { send("READY=1\nSTATUS=" + one_line(status)); }
  void reloading();  ///< followed by ready()
  void stopping() { send("STOPPING=1\nSTATUS=stopping"); }
  void status(std::string_view text);  ///< for `systemctl status`; the same text twice in a row is sent once
  /// For every turn of the loop: says that it turns, as often as the watchdog asks for (half of its time).
  void alive(std::chrono::steady_clock::time_point now);

 private:
  static std::string one_line(std::string_view text);
  void send(std::string const& message);

  Descriptor socket_;
  std::chrono::microseconds alive_every_{};  ///< 0: nobody watches
  std::chrono::steady_clock::time_point alive_at_{};
  std::string status_;
};

}  // namespace penstock
