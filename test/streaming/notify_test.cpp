#include "streaming/notify.hpp"

#include "streaming/local_address.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

using namespace penstock;
using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

namespace {

/// What systemd is, to the service.
class Manager {
 public:
  Manager() {
    auto const address = *LocalAddress::of(path_);
    REQUIRE(::bind(socket_.get(), address.pointer(), address.size) == 0);
    ::setenv("NOTIFY_SOCKET", path_.c_str(), 1);
  }
  ~Manager() { std::filesystem::remove(path_); }
  /// All that has come.
  Texts told() const {
    Texts out;
    char text[4096];
    for (ssize_t count = 0; (count = ::recv(socket_.get(), text, sizeof text, 0)) >= 0;)
      out.emplace_back(text, static_cast<std::size_t>(count));
    return out;
  }

 private:
  std::string path_ = (std::filesystem::temp_directory_path() / ("penstock-notify-" + std::to_string(::getpid()))).string();
  Descriptor socket_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)};
};

}  // namespace

TEST_CASE("notify: the service manager is told how it goes, each status once") {
  Manager const manager;
  Notify notify;
  notify.status("waiting for\nthe broker");
  notify.status("waiting for\nthe broker");
  notify.ready("started");
  notify.stopping();
  CHECK(manager.told() == Texts{"STATUS=waiting for the broker", "READY=1\nSTATUS=started", "STOPPING=1\nSTATUS=stopping"});
  notify.reloading();
  auto const told = manager.told();
  REQUIRE(told.size() == 1);
  CHECK(told[0].starts_with("RELOADING=1\nMONOTONIC_USEC="));
}

TEST_CASE("notify: the watchdog hears of a loop that turns, at half of its time and only then") {
  Manager const manager;
  ::setenv("WATCHDOG_USEC", "3000000", 1);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  Notify notify;
  auto const t0 = std::chrono::steady_clock::now();
  for (auto const at : {0ms, 100ms, 1400ms, 1500ms, 1600ms, 9000ms}) notify.alive(t0 + at);
  CHECK(manager.told() == Texts(3, "WATCHDOG=1"));
}

TEST_CASE("notify: a watchdog that is meant for another process hears nothing, and children inherit none of it") {
  Manager const manager;
  ::setenv("WATCHDOG_USEC", "3000000", 1);
  ::setenv("WATCHDOG_PID", "1", 1);
  Notify notify;
  notify.alive(std::chrono::steady_clock::now());
  CHECK(manager.told().empty());
  for (auto const* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) CHECK(std::getenv(name) == nullptr);
}

TEST_CASE("notify: without a service manager, and with one that is gone, nothing happens") {
  {
    Manager const manager;
  }
  Notify gone;
  gone.ready("x");
  Notify none;
  none.ready("x");
  none.alive(std::chrono::steady_clock::now());
}
