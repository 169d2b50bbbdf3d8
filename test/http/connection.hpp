/// For handlers of test/server.hpp that speak with their connection themselves.
#pragma once

#include "test/server.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>

#include <functional>
#include <utility>

namespace penstock::test {

namespace beast = boost::beast;
using tcp = boost::asio::ip::tcp;
using ServerSocket = beast::websocket::stream<tcp::socket>;

class Connection {
 public:
  explicit Connection(tcp::socket accepted) : socket{std::move(accepted)} {}
  tcp::socket socket;
};

/// A handler for a websocket that is open.
inline Server::Handler websocket(std::function<void(ServerSocket&)> handler) {
  return [handler = std::move(handler)](Connection& connection) {
    connection.socket.set_option(tcp::no_delay{true});
    ServerSocket stream{std::move(connection.socket)};
    stream.read_message_max(64 * 1024 * 1024);
    stream.accept();
    stream.text(true);
    handler(stream);
  };
}

}  // namespace penstock::test
