#include "test/server.hpp"

#include "test/http/connection.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

namespace penstock::test {
namespace {

using BeastRequest = beast::http::request<beast::http::string_body>;
using BeastResponse = beast::http::response<beast::http::string_body>;

Request request_of(BeastRequest& from) {
  Request request{.method = std::string{from.method_string()}, .target = std::string{from.target()}};
  for (auto const& field : from) request.headers.emplace_back(field.name_string(), field.value());
  request.body = std::move(from.body());
  return request;
}

BeastResponse response_of(Response from) {
  BeastResponse response{static_cast<beast::http::status>(from.status), 11};
  for (auto const& [name, value] : from.headers) response.set(name, value);
  response.body() = std::move(from.body);
  response.prepare_payload();
  return response;
}

}  // namespace

struct Server::Listening {
  Handler handler;
  boost::asio::io_context context;
  tcp::acceptor acceptor{context, {boost::asio::ip::make_address("127.0.0.1"), 0}};
  std::atomic<bool> stopping = false;
  std::mutex mutex;
  std::vector<int> descriptors;
  std::vector<std::thread> threads;
  std::thread accepting{[this] { accept(); }};

  explicit Listening(Handler to_call) : handler{std::move(to_call)} {}

  ~Listening() {
    stopping = true;
    ::shutdown(acceptor.native_handle(), SHUT_RDWR);
    accepting.join();
    {
      std::lock_guard const guard{mutex};
      for (auto const descriptor : descriptors) ::shutdown(descriptor, SHUT_RDWR);
    }
    for (auto& thread : threads) thread.join();
    for (auto const descriptor : descriptors) ::close(descriptor);
  }

  void accept() {
    boost::system::error_code error;
    while (!stopping) {
      auto socket = acceptor.accept(error);
      if (error) return;
      auto const descriptor = ::dup(socket.native_handle());
      {
        std::lock_guard const guard{mutex};
        descriptors.push_back(descriptor);
      }
      threads.emplace_back([this, descriptor, connection = Connection{std::move(socket)}]() mutable {
        try {
          handler(connection);
        } catch (boost::system::system_error const&) {  // The client has gone.
        }
        ::shutdown(descriptor, SHUT_RDWR);
      });
    }
  }
};

Server::Server(Handler handler) : listening_{std::make_unique<Listening>(std::move(handler))} {}
Server::~Server() = default;

int Server::port() const { return listening_->acceptor.local_endpoint().port(); }

std::string Request::header(std::string_view name) const {
  for (auto const& [key, value] : headers)
    if (beast::iequals(key, name)) return value;
  return {};
}

Server::Handler http_answers(std::function<Response(Request const&)> answer) {
  return [answer = std::move(answer)](Connection& connection) {
    beast::flat_buffer buffer;
    while (true) {
      BeastRequest request;
      beast::http::read(connection.socket, buffer, request);
      beast::http::write(connection.socket, response_of(answer(request_of(request))));
    }
  };
}

Server::Handler raw_answer(std::string bytes) {
  return [bytes = std::move(bytes)](Connection& connection) {
    beast::flat_buffer buffer;
    BeastRequest request;
    beast::http::read(connection.socket, buffer, request);
    boost::asio::write(connection.socket, boost::asio::buffer(bytes));
  };
}

Server::Handler unfinished_answer(std::string bytes) {
  return [bytes = std::move(bytes)](Connection& connection) {
    boost::asio::write(connection.socket, boost::asio::buffer(bytes));
    char ignored = 0;
    while (boost::asio::read(connection.socket, boost::asio::buffer(&ignored, 1)) > 0) {
    }
  };
}

int dead_port() {
  boost::asio::io_context context;
  tcp::acceptor const acceptor{context, {boost::asio::ip::make_address("127.0.0.1"), 0}};
  return acceptor.local_endpoint().port();
}

void run_until(http::Client& client, std::function<bool()> const& done, bool read) {
  auto const deadline = std::chrono::steady_clock::now() + std::chrono::seconds{60};
  while (!done()) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    client.run(std::chrono::milliseconds{20}, read);
  }
}

http::Reply fetch(http::Client& client, http::Exchange exchange) {
  std::optional<http::Reply> reply;
  client.request(std::move(exchange), [&](http::Reply answer) { reply = std::move(answer); });
  run_until(client, [&] { return reply.has_value(); });
  return *reply;
}

std::optional<std::string> next_message(http::Client& client, http::Websocket& socket) {
  std::optional<std::string> message;
  run_until(client, [&] {
    if (auto const view = socket.receive()) message = std::string{*view};
    return message || socket.state() == http::Websocket::State::closed;
  });
  return message;
}

}  // namespace penstock::test
