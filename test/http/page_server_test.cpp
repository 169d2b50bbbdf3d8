#include "streaming/fault.hpp"
#include "streaming/http/server.hpp"

#include <doctest/doctest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <memory>
#include <string>
#include <vector>

using namespace penstock;

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

struct Client {
  asio::io_context context;
  tcp::socket socket{context};

  explicit Client(std::uint16_t port) { socket.connect({asio::ip::make_address("127.0.0.1"), port}); }
  void send(std::string const& text) {
    boost::system::error_code ignored;
    asio::write(socket, asio::buffer(text), ignored);
  }
  /// All that comes until the server closes.
  std::string rest() {
    std::string text;
    boost::system::error_code end;
    asio::read(socket, asio::dynamic_buffer(text), end);
    return text;
  }
};

std::string ask(std::uint16_t port, std::string const& request) {
  Client client{port};
  client.send(request);
  return client.rest();
}
std::string get(std::uint16_t port, std::string const& path) {
  return ask(port, "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
}

http::Pages pages() {
  return {{"/ok", [](auto) { return http::Page{.body = "{}"}; }},
          {"/host", [](auto host) { return http::Page{.type = "text/plain", .body = '<' + std::string{host} + '>'}; }},
          {"/no", [](auto) { return http::Page{.status = 503, .type = "text/plain", .body = "not ready"}; }}};
}

}  // namespace

TEST_CASE("http server: pages with their status and type; others are told what there is") {
  http::Server const server{"127.0.0.1:0", pages()};
  CHECK(server.is_loopback());
  auto const ok = get(server.port(), "/ok?verbose=1");
  CHECK(ok.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(ok.contains("Content-Type: application/json\r\n"));
  CHECK(ok.ends_with("\r\n\r\n{}"));
  CHECK(get(server.port(), "/no").starts_with("HTTP/1.1 503 "));
  auto const missing = get(server.port(), "/other");
  CHECK(missing.starts_with("HTTP/1.1 404 "));
  CHECK(missing.contains("/host /no /ok"));
  CHECK(ask(server.port(), "GET /host HTTP/1.1\r\nHost: name:9464\r\nConnection: close\r\n\r\n").ends_with("<name:9464>"));
  CHECK(ask(server.port(), "GET /host HTTP/1.0\r\n\r\n").ends_with("<>"));
  CHECK(ask(server.port(), "POST /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .starts_with("HTTP/1.1 405 "));
  auto const head = ask(server.port(), "HEAD /ok HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK(head.contains("Content-Length: 2\r\n"));
  CHECK(head.ends_with("\r\n\r\n"));
}

TEST_CASE("http server: a connection is kept for the next question") {
  http::Server const server{"127.0.0.1:0", pages()};
  Client client{server.port()};
  client.send("GET /ok HTTP/1.1\r\nHost: x\r\n\r\nGET /no HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  auto const both = client.rest();
  CHECK(both.contains("200 OK"));
  CHECK(both.contains("503 "));
}

TEST_CASE("http server: a port in use is a fault, and free again when the server is gone") {
  auto server = std::make_unique<http::Server>("127.0.0.1:0", pages());
  auto const address = "127.0.0.1:" + std::to_string(server->port());
  CHECK_THROWS_AS(http::Server(address, pages()), Fault);
  server.reset();
  CHECK_NOTHROW(http::Server(address, pages()));
}

TEST_CASE("http server: rubbish and requests without end are answered or cut, and the next one is served") {
  http::Server const server{"127.0.0.1:0", pages()};
  CHECK(ask(server.port(), "rubbish\r\n\r\n").starts_with("HTTP/1.1 400 "));
  auto const endless = ask(server.port(), "GET /ok HTTP/1.1\r\nX: " + std::string(3 * http::Server::request_bytes_max, 'x'));
  CHECK((endless.empty() || endless.starts_with("HTTP/1.1 400 ")));
  CHECK(get(server.port(), "/ok").contains("200 OK"));
}

TEST_CASE("http server: who says nothing is cut after a while, and only so many are listened to") {
  http::Server const server{"127.0.0.1:0", pages()};
  std::vector<std::unique_ptr<Client>> silent;
  for (std::size_t i = 0; i < http::Server::connections_max; ++i) silent.push_back(std::make_unique<Client>(server.port()));
  CHECK(Client{server.port()}.rest().empty());  // One more is closed at once.
  for (auto& client : silent) CHECK(client->rest().empty());
  CHECK(get(server.port(), "/ok").contains("200 OK"));
}

TEST_CASE("http server: it ends while somebody is connected") {
  auto server = std::make_unique<http::Server>("127.0.0.1:0", pages());
  Client client{server->port()};
  client.send("GET /ok HTTP/1.1\r\n");
  server.reset();
  CHECK(client.rest().empty());
}

TEST_CASE("http server: which addresses it takes") {
  for (auto const* good : {"127.0.0.1:9464", "[::1]:0", "localhost:80", "0.0.0.0:65535"}) CHECK(http::is_listen_address(good));
  for (auto const* bad : {"", "9464", ":9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "host:80", "::1:80",
                          "[127.0.0.1]:80", "127.0.0.1:80x"})
    CHECK_FALSE(http::is_listen_address(bad));
}
