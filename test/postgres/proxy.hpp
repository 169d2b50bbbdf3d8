/// A TCP proxy in front of PostgreSQL that can lose an answer, and a server that only says one thing.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace penstock::test {

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

class Listener {
 public:
  Listener() : socket_{::socket(AF_INET, SOCK_STREAM, 0)} {
    auto address = loopback(0);
    socklen_t length = sizeof address;
    ::bind(socket_, reinterpret_cast<sockaddr*>(&address), length);
    ::listen(socket_, 16);
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { ::close(socket_); }
  Listener(Listener const&) = delete;
  Listener& operator=(Listener const&) = delete;
  int socket() const { return socket_; }
  std::uint16_t port() const { return port_; }
  /// -1: stop was asked for.
  int accept(std::stop_token const& stop) const {
    while (!stop.stop_requested()) {
      pollfd waiting{socket_, POLLIN, 0};
      if (::poll(&waiting, 1, 20) == 1) return ::accept(socket_, nullptr, nullptr);
    }
    return -1;
  }

 private:
  int socket_;
  std::uint16_t port_ = 0;
};

class Proxy {
 public:
  enum class Loses { nothing, commit, answer_to_commit, everything };

  explicit Proxy(std::uint16_t to)
      : to_{to}, thread_{[this](std::stop_token const& stop) {
          std::vector<std::jthread> links;
          while (true) {
            auto const client = listener_.accept(stop);
            if (client < 0) return;
            links.emplace_back([this, client, stop] { relay(client, stop); });
          }
        }} {}
  std::uint16_t port() const { return listener_.port(); }
  std::atomic<Loses> loses{Loses::nothing};  ///< commit and answer_to_commit: once
  std::atomic<std::size_t> bytes_sent{0};    ///< to the server

 private:
  void relay(int client, std::stop_token const& stop) {
    auto const server = ::socket(AF_INET, SOCK_STREAM, 0);
    auto address = loopback(to_);
    if (::connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) pump(client, server, stop);
    ::close(client);
    ::close(server);
  }
  void pump(int client, int server, std::stop_token const& stop) {
    std::string buffer(1 << 16, '\0');
    while (!stop.stop_requested()) {
      pollfd both[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
      if (::poll(both, 2, 20) == 0) continue;
      if (loses == Loses::everything) {
        ::usleep(1000);
        continue;
      }
      for (auto const from_client : {true, false}) {
        if ((both[from_client ? 0 : 1].revents & (POLLIN | POLLHUP)) == 0) continue;
        auto const size = ::read(from_client ? client : server, buffer.data(), buffer.size());
        if (size <= 0) return;
        std::string_view const text{buffer.data(), static_cast<std::size_t>(size)};
        auto const is_commit = from_client && text.starts_with('Q') && text.contains(std::string_view{"commit\0", 7});
        if (is_commit && loses == Loses::commit) {
          loses = Loses::nothing;
          return;
        }
        std::size_t sent = 0;
        while (sent < text.size()) {
          auto const count = ::write(from_client ? server : client, text.data() + sent, text.size() - sent);
          if (count <= 0) return;
          sent += static_cast<std::size_t>(count);
        }
        if (from_client) bytes_sent += sent;
        if (is_commit && loses == Loses::answer_to_commit) {
          loses = Loses::nothing;
          ::read(server, buffer.data(), buffer.size());
          return;
        }
      }
    }
  }

  Listener listener_;
  std::uint16_t to_;
  std::jthread thread_;
};

/// Answers every connection with one PostgreSQL error and closes it; with `asks_password` after asking for one.
class Refuser {
 public:
  Refuser(std::string sqlstate, std::string message, bool asks_password = false)
      : thread_{[this, sqlstate, message, asks_password](std::stop_token const& stop) {
          for (int client; (client = listener_.accept(stop)) >= 0; ::close(client)) {
            char buffer[4096];
            // libpq asks for GSS or TLS first; N: have none.
            while (::read(client, buffer, sizeof buffer) == 8) ::write(client, "N", 1);
            if (asks_password) {
              ::write(client, "R\0\0\0\10\0\0\0\3", 9);
              ::read(client, buffer, sizeof buffer);
            }
            std::string body = "SFATAL" + std::string(1, '\0') + "VFATAL" + std::string(1, '\0') + "C" + sqlstate +
                               std::string(1, '\0') + "M" + message + std::string(2, '\0');
            auto const length = htonl(static_cast<std::uint32_t>(body.size() + 4));
            std::string answer = "E" + std::string{reinterpret_cast<char const*>(&length), 4} + body;
            ::write(client, answer.data(), answer.size());
          }
        }} {}
  std::string url() const { return "postgresql://penstock:s3cret@127.0.0.1:" + std::to_string(listener_.port()) + "/market"; }

 private:
  Listener listener_;
  std::jthread thread_;
};

/// Lets everyone in and then says nothing, as a server does that is frozen at that moment.
class Welcomer {
 public:
  std::string url() const { return "postgresql://penstock@127.0.0.1:" + std::to_string(listener_.port()) + "/market"; }

 private:
  Listener listener_;
  std::jthread thread_{[this](std::stop_token const& stop) {
    std::vector<int> clients;
    for (int client; (client = listener_.accept(stop)) >= 0; clients.push_back(client)) {
      char buffer[4096];
      while (::read(client, buffer, sizeof buffer) == 8) ::write(client, "N", 1);  // No GSS, no TLS.
      std::string_view constexpr welcome{"R\0\0\0\10\0\0\0\0Z\0\0\0\5I", 15};      // Authenticated; ready.
      ::write(client, welcome.data(), welcome.size());
    }
    for (auto const client : clients) ::close(client);
  }};
};

}  // namespace penstock::test
