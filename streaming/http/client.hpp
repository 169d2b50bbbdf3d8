/// HTTP requests and websockets over connections of libcurl, all on the caller's thread. TLS certificates are verified.
#pragma once

#include "streaming/record.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::http {

struct Exchange {
  bool post = false, put = false;  ///< `body` is sent then
  std::string url;
  std::string body;
  std::vector<Header> headers;
  std::string user, password;  ///< "": nobody; sent at once, in the form that RFC 7617 calls Basic
  std::chrono::milliseconds timeout{std::chrono::seconds{20}};
};

struct Reply {
  int status = 0;               ///< 0: no answer; `body` then says why, in words
  std::vector<Header> headers;  ///< names in lower case
  std::string body;             ///< at most 64 MB; longer ones are an error
};

/// A websocket client. Pings are answered, fragments joined, frames up to `frame_bytes_max`.
class Websocket {
 public:
  enum class State : std::uint8_t { connecting, open, closed };
  virtual ~Websocket() = default;
  virtual State state() const = 0;
  virtual std::string const& error() const = 0;  ///< why it is closed
  /// Queues a text frame; sent from Client::run.
  virtual void send(std::string text) = 0;
  /// The next whole text or binary message, if one is here. The view is valid until the next call.
  virtual std::optional<std::string_view> receive() = 0;
  /// Sends a close frame where that is possible; the state is closed afterwards.
  virtual void close() = 0;
};

class Client {
 public:
  static constexpr std::size_t frame_bytes_max = 16 * 1024 * 1024 + 1024;

  virtual ~Client() = default;
  using Done = std::function<void(Reply)>;
  /// Starts a request; `done` is called once, from run(). Throws nothing: failures are replies with status 0.
  virtual void request(Exchange exchange, Done done) = 0;
  /// Starts to connect; never throws. Sockets must die before their client.
  virtual std::unique_ptr<Websocket> connect(std::string const& url, std::vector<Header> const& headers) = 0;
  /// Waits up to `wait` for anything to do on any socket, and does it. `read` false: websockets are not waited for
  /// (back-pressure: what feeds them is paused by TCP).
  virtual void run(std::chrono::milliseconds wait, bool read = true) = 0;
  virtual std::size_t requests_running() const = 0;
};

/// `ca_file`: "" = the system's certificates. `connect_timeout`: of a connection, and of a websocket's whole opening.
std::unique_ptr<Client> make_client(std::string const& ca_file = {},
                                    std::chrono::milliseconds connect_timeout = std::chrono::seconds{10});

}  // namespace penstock::http
