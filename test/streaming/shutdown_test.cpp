#include "streaming/shutdown.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>

using namespace penstock;
using namespace std::chrono_literals;

namespace {

void wait_for_stop(std::stop_token const& stop) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock{mutex};
  changed.wait(lock, stop, [] { return false; });
}

/// Runs `body` in a process of its own; it says `ready` when signals may come. Answers its exit code.
template <class Body>
int in_child(Body const& body, std::initializer_list<int> signals) {
  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);
  auto const child = ::fork();
  if (child == 0) {
    ::close(STDERR_FILENO);
    for (int const signal : {SIGTERM, SIGINT}) std::signal(signal, SIG_DFL);  // doctest has handlers of its own
    body([&] { [[maybe_unused]] auto const done = ::write(pipe[1], "x", 1); });
    ::_exit(0);
  }
  for (int const signal : signals) {
    char c = 0;
    CHECK(::read(pipe[0], &c, 1) == 1);
    ::kill(child, signal);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(pipe[0]);
  ::close(pipe[1]);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

}  // namespace

TEST_CASE("shutdown: SIGTERM and SIGINT stop the token, and the process ends as it wants") {
  for (int const signal : {SIGTERM, SIGINT})
    CHECK(in_child(
              [](auto const& ready) {
                Shutdown const shutdown;
                ready();
                wait_for_stop(shutdown.token());
                ::_exit(42);
              },
              {signal}) == 42);
}

TEST_CASE("shutdown: a second signal ends the process at once") {
  CHECK(in_child(
            [](auto const& ready) {
              Shutdown const shutdown{1h};
              ready();
              wait_for_stop(shutdown.token());
              ready();
              for (;;) ::pause();
            },
            {SIGTERM, SIGINT}) == 1);
}

TEST_CASE("shutdown: a process that does not stop within the limit is ended") {
  CHECK(in_child(
            [](auto const& ready) {
              Shutdown const shutdown{10ms};
              ready();
              for (;;) ::pause();
            },
            {SIGTERM}) == 1);
}

TEST_CASE("shutdown: SIGUSR1 is handed on with its number, and stops nothing") {
  CHECK(in_child(
            [](auto const& ready) {
              std::atomic<int> told = -1;
              Shutdown const shutdown{1h, [&](int with) { told = with; }};
              ready();
              while (told < 0) std::this_thread::yield();
              if (told != 0) ::_exit(1);
              ::sigqueue(::getpid(), SIGUSR1, sigval{.sival_int = 7});
              while (told == 0) std::this_thread::yield();
              ::_exit(shutdown.token().stop_requested() ? 2 : told == 7 ? 42 : 3);
            },
            {SIGUSR1}) == 42);
}

TEST_CASE("shutdown: request does what a signal does, its limit included") {
  {
    Shutdown shutdown;
    CHECK_FALSE(shutdown.token().stop_requested());
    shutdown.request();
    CHECK(shutdown.token().stop_requested());
  }
  CHECK(in_child(
            [](auto const&) {
              Shutdown shutdown{10ms};
              shutdown.request();
              for (;;) ::pause();
            },
            {}) == 1);
}

TEST_CASE("shutdown: afterwards the signals mean what they meant before") {
  CHECK(in_child(
            [](auto const& ready) {
              {
                Shutdown const shutdown;
              }
              ready();
              for (;;) ::pause();
            },
            {SIGTERM}) == 1000 + SIGTERM);
}
