/// A server on loopback for the client's tests: every connection gets a thread, and in it the handler that the test wrote.
/// A handler that speaks with its connection itself needs test/http/connection.hpp; Boost.Beast stays out of all other tests,
/// for it takes longer to compile than they do.
#pragma once

#include "streaming/http/client.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::test {

class Connection;

class Server {
 public:
  using Handler = std::function<void(Connection&)>;

  explicit Server(Handler handler);
  /// Ends every connection, also one that a handler is waiting for.
  ~Server();

  int port() const;
  std::string http() const { return "http://127.0.0.1:" + std::to_string(port()); }
  std::string ws() const { return "ws://127.0.0.1:" + std::to_string(port()); }

 private:
  struct Listening;
  std::unique_ptr<Listening> listening_;
};

struct Request {
  std::string method;
  std::string target;
  std::vector<Header> headers;
  std::string body;

  /// A header's value, whatever the case of its name; "": there is none.
  std::string header(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::vector<Header> headers = {};
  std::string body = {};
};

/// A handler that reads one request after the other and writes what `answer` makes of it.
Server::Handler http_answers(std::function<Response(Request const&)> answer);

/// Reads a request, then writes exactly these bytes.
Server::Handler raw_answer(std::string bytes);

/// Writes these bytes and then nothing more, until the client goes away.
Server::Handler unfinished_answer(std::string bytes);

/// A port of this machine where nobody listens.
int dead_port();

/// Runs the client until `done`; fails the test when that takes longer than any machine needs.
void run_until(http::Client& client, std::function<bool()> const& done, bool read = true);

http::Reply fetch(http::Client& client, http::Exchange exchange);

/// The next message, or nothing where the socket closes before one came.
std::optional<std::string> next_message(http::Client& client, http::Websocket& socket);

}  // namespace penstock::test
