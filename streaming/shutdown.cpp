#include "streaming/shutdown.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

namespace penstock {

namespace {

using Steady = std::chrono::steady_clock;
constexpr std::chrono::milliseconds same_signal_max{300};

sigset_t own_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGUSR1);
  return set;
}

int opened(int descriptor, char const* what) {
  if (descriptor < 0) throw std::system_error{errno, std::generic_category(), what};
  return descriptor;
}

// _exit: destructors of threads that hang would hang, too.
[[noreturn]] void end_process(std::string_view why) {
  [[maybe_unused]] auto const written = ::write(STDERR_FILENO, why.data(), why.size());
  ::_exit(1);
}

bool readable(int descriptor) {
  pollfd one{descriptor, POLLIN, 0};
  return ::poll(&one, 1, 0) > 0;
}

/// Its number, and the one that came with it; 0: there is none.
struct Signal {
  std::uint32_t number = 0;
  int with = 0;
};
Signal take_signal(int signals) {
  signalfd_siginfo info{};
  bool const taken = readable(signals) && ::read(signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info);
  return taken ? Signal{info.ssi_signo, info.ssi_code == SI_QUEUE ? info.ssi_int : 0} : Signal{};
}

void take_wake(int wake) {
  std::uint64_t count = 0;
  if (readable(wake)) [[maybe_unused]]
    auto const taken = ::read(wake, &count, sizeof count);
}

}  // namespace

Shutdown::Shutdown(std::chrono::milliseconds limit, std::function<void(int)> on_user_signal)
    : on_user_signal_{std::move(on_user_signal)} {
  auto const signals = own_signals();
  pthread_sigmask(SIG_BLOCK, &signals, &blocked_before_);
  signals_ = opened(::signalfd(-1, &signals, SFD_CLOEXEC), "signalfd");
  wake_ = opened(::eventfd(0, EFD_CLOEXEC), "eventfd");
  thread_ = std::jthread{[this, limit](std::stop_token const& end) { wait(end, limit); }};
}

Shutdown::~Shutdown() {
  thread_.request_stop();
  wake();
  thread_.join();
  ::close(wake_);
  ::close(signals_);
  pthread_sigmask(SIG_SETMASK, &blocked_before_, nullptr);
}

void Shutdown::request() {
  source_.request_stop();
  wake();
}

void Shutdown::wait(std::stop_token const& end, std::chrono::milliseconds limit) const {
  auto source = source_;
  std::optional<Steady::time_point> deadline;
  std::uint32_t first = 0;
  while (!end.stop_requested()) {
    int timeout = -1;
    if (deadline) {
      auto const left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Steady::now());
      if (left.count() <= 0) end_process("penstock: did not stop in time; ended\n");
      timeout = static_cast<int>(left.count());
    }
    std::array<pollfd, 2> waiting{pollfd{signals_, POLLIN, 0}, pollfd{wake_, POLLIN, 0}};
    ::poll(waiting.data(), waiting.size(), timeout);
    take_wake(wake_);
    auto const [signalled, with] = take_signal(signals_);
    if (signalled == SIGUSR1) {
      if (on_user_signal_) on_user_signal_(with);
      continue;
    }
    // A program that passes signals on may send the same one to the process and to its group.
    bool const same = signalled == first && deadline && *deadline - Steady::now() > limit - same_signal_max;
    if (signalled != 0 && deadline && !same) end_process("penstock: asked a second time; ended at once\n");
    if (signalled != 0) source.request_stop();
    if (first == 0) first = signalled;
    if (!deadline && source.stop_requested()) deadline = Steady::now() + limit;
  }
}

void Shutdown::wake() const {
  std::uint64_t const one = 1;
  [[maybe_unused]] auto const written = ::write(wake_, &one, sizeof one);
}

}  // namespace penstock
