#include "agents/status.hpp"

#include "streaming/time.hpp"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <string_view>

namespace penstock {

namespace {

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    auto const written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// A signal that a write raises goes to the thread that wrote: blocked here, it is gone with the thread.
void block_broken_pipe_signal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void report(std::stop_token const& stop, Metrics const& metrics, int fd) {
  block_broken_pipe_signal();
  while (write_all(fd, metrics.status_line() + '\n')) {
    if (stop.stop_requested()) return;
    system_clock().sleep(std::chrono::seconds{1}, stop);
  }
}

}  // namespace

StatusWriter::StatusWriter(Metrics const& metrics, int fd) {
  if (fd >= 0) thread_ = std::jthread{[&metrics, fd](std::stop_token const& stop) { report(stop, metrics, fd); }};
}

}  // namespace penstock
