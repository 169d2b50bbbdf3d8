/// SIGUSR1 and the level of the log, through the program and from a supervisor to its children.
#include "agents/operate/log_level.hpp"

#include "streaming/log.hpp"
#include "test/program.hpp"

#include <fcntl.h>

#include <csignal>

using namespace penstock;
using namespace penstock::test;

namespace {

/// A child that answers with the numbers that come with SIGUSR1, until one is 0.
struct Child {
  pid_t pid = 0;
  std::array<int, 2> pipe{};

  Child() {
    REQUIRE(::pipe2(pipe.data(), O_CLOEXEC) == 0);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigset_t before;
    pthread_sigmask(SIG_BLOCK, &signals, &before);
    pid = ::fork();
    if (pid == 0) {
      siginfo_t info{};
      while (::sigwaitinfo(&signals, &info) == SIGUSR1) {
        char const with = static_cast<char>('0' + info.si_value.sival_int);
        [[maybe_unused]] auto const told = ::write(pipe[1], &with, 1);
      }
      ::_exit(0);
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  ~Child() {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    ::close(pipe[0]);
    ::close(pipe[1]);
  }
  Child(Child const&) = delete;
  Child& operator=(Child const&) = delete;

  ChildView view(bool reported) const {
    return {.state = ChildView::State::running,
            .pid = pid,
            .status = reported ? "{\"agent\":\"store\",\"pid\":" + std::to_string(pid) + ",\"metrics\":[]}"
                               : "{\"agent\":\"store\",\"pid\":1,\"metrics\":[]}"};
  }
  int told() const {
    char with = 0;
    REQUIRE(::read(pipe[0], &with, 1) == 1);
    return with - '0';
  }
};

}  // namespace

TEST_CASE("log level: children that run are told once, those that start later when they are ready, and all when it is over") {
  Child const first, second;
  LogLevelPasser passer;
  log::change_level(log::set_level_back);
  passer.pass_on({first.view(true)});
  log::change_level(log::raise_level);
  passer.pass_on({first.view(true), second.view(false)});
  CHECK(first.told() == log::raise_level);
  passer.pass_on({first.view(true), second.view(true)});
  CHECK(second.told() == log::raise_level);
  log::change_level(log::set_level_back);
  passer.pass_on({first.view(true), second.view(true)});
  CHECK(first.told() == log::set_level_back);  // Nothing came between the two.
  CHECK(second.told() == log::set_level_back);
}

TEST_CASE("log level: SIGUSR1 makes a running program say everything, and once more ends that") {
  Background program{"simulate binance 2>&1"};
  CHECK(program.says("websocket_url"));  // It is there, and knows its signals.
  ::kill(program.pid(), SIGUSR1);
  CHECK(program.says("everything is logged now; SIGUSR1 sets it back"));
  ::kill(program.pid(), SIGUSR1);
  CHECK(program.says("the level of the log is what log.level says again"));
  CHECK(program.end(SIGTERM) == 0);
}
