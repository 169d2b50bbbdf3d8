/// A server on loopback for the client's tests: every connection gets a thread, and in it the handler that the test wrote.
#pragma once

#include "streaming/http/client.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace penstock::test {

namespace beast = boost::beast;
using tcp = boost::asio::ip::tcp;
using ServerSocket = beast::websocket::stream<tcp::socket>;

class Server {
 public:
  using Handler = std::function<void(tcp::socket)>;

  explicit Server(Handler handler)
      : handler_{std::move(handler)},
        acceptor_{context_, {boost::asio::ip::make_address("127.0.0.1"), 0}},
        accepting_{[this] { accept(); }} {}
  /// Ends every connection, also one that a handler is waiting for.
  ~Server() {
    stopping_ = true;
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
    accepting_.join();
    {
      std::lock_guard const guard{mutex_};
      for (auto const descriptor : descriptors_) ::shutdown(descriptor, SHUT_RDWR);
    }
    for (auto& thread : threads_) thread.join();
    for (auto const descriptor : descriptors_) ::close(descriptor);
  }

  int port() const { return acceptor_.local_endpoint().port(); }
  std::string http() const { return "http://127.0.0.1:" + std::to_string(port()); }
  std::string ws() const { return "ws://127.0.0.1:" + std::to_string(port()); }

 private:
  void accept() {
    boost::system::error_code error;
    while (!stopping_) {
      auto socket = acceptor_.accept(error);
      if (error) return;
      auto const descriptor = ::dup(socket.native_handle());
      {
        std::lock_guard const guard{mutex_};
        descriptors_.push_back(descriptor);
      }
      threads_.emplace_back([this, descriptor, connection = std::move(socket)]() mutable {
        try {
          handler_(std::move(connection));
        } catch (boost::system::system_error const&) {  // The client has gone.
        }
        ::shutdown(descriptor, SHUT_RDWR);
      });
    }
  }

  Handler handler_;
  boost::asio::io_context context_;
  tcp::acceptor acceptor_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::vector<int> descriptors_;
  std::vector<std::thread> threads_;
  std::thread accepting_;
};

/// A handler for a websocket that is open.
inline Server::Handler websocket(std::function<void(ServerSocket&)> handler) {
  return [handler = std::move(handler)](tcp::socket socket) {
    socket.set_option(tcp::no_delay{true});
    ServerSocket stream{std::move(socket)};
    stream.read_message_max(64 * 1024 * 1024);
    stream.accept();
    stream.text(true);
    handler(stream);
  };
}

/// A handler that reads one request after the other and writes what `answer` makes of it.
inline Server::Handler http_answers(
    std::function<beast::http::response<beast::http::string_body>(beast::http::request<beast::http::string_body> const&)>
        answer) {
  return [answer = std::move(answer)](tcp::socket socket) {
    beast::flat_buffer buffer;
    while (true) {
      beast::http::request<beast::http::string_body> request;
      beast::http::read(socket, buffer, request);
      auto response = answer(request);
      response.prepare_payload();
      beast::http::write(socket, response);
    }
  };
}

/// Reads a request, then writes exactly these bytes.
inline Server::Handler raw_answer(std::string bytes) {
  return [bytes = std::move(bytes)](tcp::socket socket) {
    beast::flat_buffer buffer;
    beast::http::request<beast::http::string_body> request;
    beast::http::read(socket, buffer, request);
    boost::asio::write(socket, boost::asio::buffer(bytes));
  };
}

/// A port of this machine where nobody listens.
inline int dead_port() {
  boost::asio::io_context context;
  tcp::acceptor const acceptor{context, {boost::asio::ip::make_address("127.0.0.1"), 0}};
  return acceptor.local_endpoint().port();
}

/// Runs the client until `done`; fails the test when that takes longer than any machine needs.
inline void run_until(http::Client& client, std::function<bool()> const& done, bool read = true) {
  auto const deadline = std::chrono::steady_clock::now() + std::chrono::seconds{60};
  while (!done()) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    client.run(std::chrono::milliseconds{20}, read);
  }
}

inline http::Reply fetch(http::Client& client, http::Exchange exchange) {
  std::optional<http::Reply> reply;
  client.request(std::move(exchange), [&](http::Reply answer) { reply = std::move(answer); });
  run_until(client, [&] { return reply.has_value(); });
  return *reply;
}

/// The next message, or nothing where the socket closes before one came.
inline std::optional<std::string> next_message(http::Client& client, http::Websocket& socket) {
  std::optional<std::string> message;
  run_until(client, [&] {
    if (auto const view = socket.receive()) message = std::string{*view};
    return message || socket.state() == http::Websocket::State::closed;
  });
  return message;
}

}  // namespace penstock::test
