#include "streaming/notify.hpp"

#include "streaming/local_address.hpp"

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>

namespace penstock {
namespace {

std::string taken(char const* variable) {
  auto const* const value = std::getenv(variable);
  std::string text = value == nullptr ? "" : value;
  ::unsetenv(variable);
  return text;
}

// The socket of the service manager, connected; none where there is none.
Descriptor manager() {
  auto const path = taken("NOTIFY_SOCKET");
  auto const address = LocalAddress::of(path.starts_with('@') ? std::string(1, '\0') + path.substr(1) : path);
  if (path.empty() || !address) return {};
  Descriptor socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (::connect(socket.get(), address->pointer(), address->size) != 0) return {};
  return socket;
}

}  // namespace

Notify::Notify() : socket_{manager()} {
  auto const microseconds = std::strtoll(taken("WATCHDOG_USEC").c_str(), nullptr, 10);
  auto const watched = taken("WATCHDOG_PID");
  if (microseconds > 0 && (watched.empty() || watched == std::to_string(::getpid())))
    alive_every_ = std::chrono::microseconds{microseconds / 2};
}

void Notify::reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000));
}

void Notify::status(std::string_view text) {
  if (auto line = one_line(text); line != status_) {
    status_ = std::move(line);
    send("STATUS=" + status_);
  }
}

void Notify::alive(std::chrono::steady_clock::time_point now) {
  if (alive_every_.count() == 0 || now < alive_at_ + alive_every_) return;
  alive_at_ = now;
  send("WATCHDOG=1");
}

std::string Notify::one_line(std::string_view text) {
  std::string line{text};
  std::ranges::replace(line, '\n', ' ');
  return line;
}

void Notify::send(std::string const& message) {
  if (socket_) [[maybe_unused]]
    auto const sent = ::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL);
}

}  // namespace penstock
