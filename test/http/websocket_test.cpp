#include "streaming/http/frame.hpp"
#include "streaming/http/opening.hpp"
#include "test/http/connection.hpp"

#include <doctest/doctest.h>
#include <malloc.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace penstock::test {
namespace {

using namespace std::chrono_literals;
using State = http::Websocket::State;
namespace ws = beast::websocket;

boost::asio::const_buffer bytes(std::string_view text) { return boost::asio::buffer(text.data(), text.size()); }

std::string read_text(ServerSocket& stream) {
  beast::flat_buffer buffer;
  stream.read(buffer);
  return beast::buffers_to_string(buffer.data());
}

/// Waits for the client to go away.
void linger(ServerSocket& stream) {
  while (true) read_text(stream);
}

std::size_t allocated_bytes() {  // Nothing with a sanitizer, which has an allocator of its own.
  auto const info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

/// Answers the upgrade, with `frames` on the heels of the answer; `piece_bytes` of all that at a time.
Server::Handler opened_with(std::string frames, std::size_t piece_bytes) {
  return [frames = std::move(frames), piece_bytes](Connection& connection) {
    connection.socket.set_option(tcp::no_delay{true});
    beast::flat_buffer buffer;
    beast::http::request<beast::http::string_body> request;
    beast::http::read(connection.socket, buffer, request);
    auto const all = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
                     http::accept_of(request[beast::http::field::sec_websocket_key]) + "\r\n\r\n" + frames;
    for (std::size_t at = 0; at < all.size(); at += piece_bytes)
      boost::asio::write(connection.socket, bytes(std::string_view{all}.substr(at, piece_bytes)));
    boost::asio::read(connection.socket, boost::asio::buffer(buffer.prepare(1)));
  };
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// What came before the end, and why it ended.
struct Heard {
  std::vector<std::string> messages;
  std::string error;
};
Heard hear_all(std::string const& url) {
  auto const client = http::make_client();
  auto const socket = client->connect(url, {});
  Heard heard;
  while (auto message = next_message(*client, *socket)) heard.messages.push_back(*message);
  heard.error = socket->error();
  return heard;
}

}  // namespace

TEST_CASE("websocket: what is sent while it connects goes out once it is open") {
  Server server{websocket([](ServerSocket& stream) {
    while (true) stream.write(bytes("echo " + read_text(stream)));
  })};
  auto const client = http::make_client();
  auto const socket = client->connect(server.ws() + "/stream?streams=a/b", {});
  CHECK(socket->state() == State::connecting);
  socket->send("one");
  socket->send("PONG, which is not JSON");
  CHECK(next_message(*client, *socket) == "echo one");
  CHECK(next_message(*client, *socket) == "echo PONG, which is not JSON");
  CHECK(socket->state() == State::open);
}

TEST_CASE("websocket: the request has the path, the query and the headers that were asked for") {
  std::promise<std::string> target, key;
  Server server{[&](Connection& connection) {
    beast::flat_buffer buffer;
    beast::http::request<beast::http::string_body> request;
    beast::http::read(connection.socket, buffer, request);
    target.set_value(std::string{request.target()});
    key.set_value(std::string{request["X-Key"]});
    ServerSocket stream{std::move(connection.socket)};
    stream.accept(request);
    linger(stream);
  }};
  auto const client = http::make_client();
  auto const socket = client->connect(server.ws() + "/stream?streams=a/b", {{"X-Key", "k1"}});
  run_until(*client, [&] { return socket->state() == State::open; });
  CHECK(target.get_future().get() == "/stream?streams=a/b");
  CHECK(key.get_future().get() == "k1");
}

TEST_CASE("websocket: fragments are joined, also around a ping in their middle") {
  Server server{websocket([](ServerSocket& stream) {
    stream.write_some(false, bytes("one, "));
    stream.ping("between");
    stream.write_some(false, bytes(""));
    stream.write_some(false, bytes("two, "));
    stream.write_some(true, bytes("three"));
    stream.write(bytes(""));
    stream.write(bytes("whole"));
    linger(stream);
  })};
  auto const client = http::make_client();
  auto const socket = client->connect(server.ws(), {});
  CHECK(next_message(*client, *socket) == "one, two, three");
  CHECK(next_message(*client, *socket) == "");
  CHECK(next_message(*client, *socket) == "whole");
}

TEST_CASE("websocket: a binary message is a message") {
  Server server{websocket([](ServerSocket& stream) {
    stream.binary(true);
    stream.write(bytes(std::string_view{"\0\xff\n", 3}));
    linger(stream);
  })};
  auto const client = http::make_client();
  auto const socket = client->connect(server.ws(), {});
  CHECK(next_message(*client, *socket) == std::string{"\0\xff\n", 3});
}

TEST_CASE("websocket: a ping is answered with its payload") {
  for (auto const& payload : {std::string{}, std::string{"1735689600000"}, std::string(125, 'x')}) {
    CAPTURE(payload);
    std::promise<std::string> pong;
    Server server{websocket([&](ServerSocket& stream) {
      stream.control_callback([&](ws::frame_type kind, beast::string_view text) {
        if (kind == ws::frame_type::pong) pong.set_value(std::string{text});
      });
      stream.ping(ws::ping_data{payload});
      linger(stream);
    })};
    auto const client = http::make_client();
    auto const socket = client->connect(server.ws(), {});
    auto answer = pong.get_future();
    run_until(*client, [&] {
      CHECK_FALSE(socket->receive());
      return answer.wait_for(0s) == std::future_status::ready;
    });
    CHECK(answer.get() == payload);
  }
}

TEST_CASE("websocket: a message of 16 MB comes whole") {
  std::string large(16 * 1024 * 1024, '.');
  for (std::size_t at = 0; at < large.size(); at += 4096) large[at] = static_cast<char>('a' + at / 4096 % 26);
  Server server{websocket([&](ServerSocket& stream) {
    stream.auto_fragment(false);
    stream.write(bytes(large));
    stream.write(bytes("small again"));
    linger(stream);
  })};
  auto const before = allocated_bytes();
  auto const client = http::make_client();
  auto const socket = client->connect(server.ws(), {});
  CHECK((next_message(*client, *socket) == large));
  CHECK(next_message(*client, *socket) == "small again");
  CHECK_FALSE(socket->receive());
  CHECK(allocated_bytes() < before + 2U * 1024 * 1024);
}

TEST_CASE("websocket: a message that is too large ends the connection, in one frame or in many") {
  for (bool const fragments : {false, true}) {
    CAPTURE(fragments);
    Server server{websocket([&](ServerSocket& stream) {
      stream.auto_fragment(fragments);
      stream.write(bytes(std::string(http::Client::frame_bytes_max + 1, '.')));
      linger(stream);
    })};
    auto const [messages, error] = hear_all(server.ws());
    CHECK(messages.empty());
    CHECK(error == "a message of more than 16778240 bytes came");
  }
}

TEST_CASE("websocket: the server's close frame ends it, after what came before, and is answered") {
  std::promise<int> answered;
  Server server{websocket([&](ServerSocket& stream) {
    stream.write(bytes("last words"));
    stream.close({ws::close_code::going_away, "maintenance"});  // Returns when the answer has come.
    answered.set_value(stream.reason().code);
  })};
  auto const [messages, error] = hear_all(server.ws());
  CHECK(messages == std::vector<std::string>{"last words"});
  CHECK(error == "the server closed the connection: 1001 maintenance");
  CHECK(answered.get_future().get() == 1001);
}

TEST_CASE("websocket: a connection that just ends is closed, after what came before") {
  Server server{websocket([](ServerSocket& stream) {
    stream.write(bytes("last words"));
    boost::asio::write(stream.next_layer(), bytes(std::string_view{"\x81\x7e\x10\x00 half", 9}));
    ::shutdown(stream.next_layer().native_handle(), SHUT_RDWR);
  })};
  auto const [messages, error] = hear_all(server.ws());
  CHECK(messages == std::vector<std::string>{"last words"});
  CHECK(error == "the server closed the connection without a close frame");
}

TEST_CASE("websocket: bytes that are no frame, and frames that are not a server's turn, close it, and the server is told") {
  for (std::string_view const wrong : {"\xf7 not a frame at all", "\x81\x81mask.", "\x80\x01x", "\x01\x01x\x81\x01y"}) {
    CAPTURE(wrong);
    std::promise<int> told;
    Server server{websocket([&](ServerSocket& stream) {
      stream.write(bytes("good"));
      boost::asio::write(stream.next_layer(), bytes(wrong));
      boost::system::error_code closed;
      beast::flat_buffer buffer;
      stream.read(buffer, closed);
      told.set_value(stream.reason().code);
    })};
    auto const [messages, error] = hear_all(server.ws());
    CHECK(messages == std::vector<std::string>{"good"});
    CHECK_MESSAGE(error.starts_with("what the server sends is no websocket's: "), error);
    CHECK(told.get_future().get() == 1002);
  }
}

TEST_CASE("websocket: frames on the heels of the answer to the upgrade are all there, in one piece or byte by byte") {
  std::string frames;
  for (auto const* text : {"one", "", "three"}) http::append_frame(frames, http::Opcode::text, text);
  for (std::size_t const piece_bytes : {1U, 7U, 10'000U}) {
    CAPTURE(piece_bytes);
    Server server{opened_with(frames, piece_bytes)};
    auto const client = http::make_client();
    auto const socket = client->connect(server.ws(), {});
    for (auto const* text : {"one", "", "three"}) CHECK(next_message(*client, *socket) == text);
  }
}

TEST_CASE("websocket: a server that ends the connection in the middle of the opening says so") {
  Server server{raw_answer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso")};
  auto const [messages, error] = hear_all(server.ws());
  CHECK(messages.empty());
  CHECK(error == "the server closed the connection before it opened the websocket");
}

TEST_CASE("websocket: half a frame and silence is no message, and nothing waits for it but its other half") {
  std::promise<void> rest;
  Server server{websocket([&](ServerSocket& stream) {
    boost::asio::write(stream.next_layer(), bytes("\x81\x05he"));
    rest.get_future().wait();
    boost::asio::write(stream.next_layer(), bytes("llo"));
    linger(stream);
  })};
  auto const client = http::make_client();
  auto const socket = client->connect(server.ws(), {});
  run_until(*client, [&] { return socket->state() == State::open; });
  for (int turn = 0; turn < 3; ++turn) {
    CHECK_FALSE(socket->receive());
    client->run(20ms);
  }
  CHECK(socket->state() == State::open);
  rest.set_value();
  CHECK(next_message(*client, *socket) == "hello");
}

TEST_CASE("websocket: a refused connection, an unknown host, a wrong scheme and a refused upgrade each say why") {
  Server forbidden{raw_answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")};
  Server redirecting{raw_answer("HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")};
  struct Case {
    char const* name;
    std::string url;
    char const* word;
  };
  for (auto const& [name, url, word] :
       {Case{"nobody listens", "ws://127.0.0.1:" + std::to_string(dead_port()), "connect"},
        Case{"no such host", "ws://nowhere.invalid/", "nowhere.invalid"}, Case{"scheme", "gopher://127.0.0.1/", "gopher"},
        Case{"403", forbidden.ws(), "403"}, Case{"a redirect is not followed", redirecting.ws(), "302"}}) {
    CAPTURE(name);
    auto const [messages, error] = hear_all(url);
    CHECK(messages.empty());
    CHECK_MESSAGE(error.contains(word), error);
    CHECK_FALSE_MESSAGE(error.contains("timed out"), error);
  }
}

TEST_CASE("websocket: a server that never answers the upgrade is given up") {
  Server server{unfinished_answer("")};
  auto const client = http::make_client("", 100ms);
  auto const socket = client->connect(server.ws(), {});
  CHECK_FALSE(next_message(*client, *socket));
  CHECK_MESSAGE(socket->error().contains("timed out"), socket->error());
}

TEST_CASE("websocket: the time limit of the opening is not one of the connection") {
  std::promise<void> later;
  Server server{websocket([&](ServerSocket& stream) {
    later.get_future().wait();
    stream.write(bytes("late"));
    linger(stream);
  })};
  auto const client = http::make_client("", 200ms);
  auto const socket = client->connect(server.ws(), {});
  auto const until = std::chrono::steady_clock::now() + 400ms;
  run_until(*client, [&] {
    CHECK_FALSE(socket->receive());
    return std::chrono::steady_clock::now() > until;
  });
  later.set_value();
  CHECK(next_message(*client, *socket) == "late");
}

TEST_CASE("websocket: 50,000 small frames are all there, in order") {
  constexpr int count = 50'000;
  Server server{websocket([&](ServerSocket& stream) {
    read_text(stream);
    std::string frames;
    for (int number = 0; number < count; ++number) {
      auto const text =
          R"({"e":"trade","E":1700000000000,"s":"BTCUSDT","p":"42000.01000000","t":)" + std::to_string(100'000 + number) + '}';
      frames += '\x81';
      frames += static_cast<char>(text.size());
      frames += text;
    }
    boost::asio::write(stream.next_layer(), bytes(frames));
    linger(stream);
  })};
  auto const client = http::make_client();
  auto const socket = client->connect(server.ws(), {});
  socket->send("go");
  int received = 0, in_order = 0;
  auto const before = cpu_seconds();
  run_until(*client, [&] {
    while (auto const message = socket->receive()) {
      in_order += message->ends_with("\"t\":" + std::to_string(100'000 + received) + '}') ? 1 : 0;
      ++received;
    }
    return received >= count || socket->state() == State::closed;
  });
  MESSAGE("CPU of client and server per frame: " << (cpu_seconds() - before) * 1e6 / count << " us");
  CHECK(received == count);
  CHECK(in_order == count);
}

TEST_CASE("websocket: a message that came together with the one before is not waited for") {
  Server server{websocket([](ServerSocket& stream) {
    boost::asio::write(stream.next_layer(), bytes("\x81\x03"
                                                  "one\x81\x03"
                                                  "two"));
    linger(stream);
  })};
  auto const client = http::make_client();
  auto const socket = client->connect(server.ws(), {});
  CHECK(next_message(*client, *socket) == "one");
  auto const began = std::chrono::steady_clock::now();
  client->run(10s);
  CHECK(std::chrono::steady_clock::now() - began < 9s);
  CHECK(socket->receive() == "two");
}

TEST_CASE("websocket: a server that sends faster than the client reads is made to wait") {
  constexpr std::size_t count = 2'000'000, in_block = 2'000;
  std::string block;
  for (std::size_t number = 0; number < in_block; ++number) http::append_frame(block, http::Opcode::text, std::string(125, 'x'));
  Server server{websocket([&](ServerSocket& stream) {
    for (std::size_t sent = 0; sent < count; sent += in_block) boost::asio::write(stream.next_layer(), bytes(block));
    linger(stream);
  })};
  auto const client = http::make_client();
  auto const socket = client->connect(server.ws(), {});
  auto const before = allocated_bytes();
  std::size_t received = 0, most = 0;
  run_until(*client, [&] {
    while (socket->receive())
      if (++received % 10'000 == 0) most = std::max(most, allocated_bytes());
    return received == count || socket->state() == State::closed;
  });
  CHECK(received == count);
  CHECK(most < before + 2U * 1024 * 1024);
}

TEST_CASE("websocket: what is not read stays with the server, and the client does not spin") {
  constexpr int count = 4'000;
  std::string const text(16 * 1024, 'x');
  std::atomic<int> written = 0;
  Server server{websocket([&](ServerSocket& stream) {
    for (int number = 0; number < count; ++number) {
      stream.write(bytes(text + std::to_string(number)));
      ++written;
    }
    linger(stream);
  })};
  auto const client = http::make_client();
  auto const socket = client->connect(server.ws(), {});
  run_until(*client, [&] { return socket->state() == State::open; }, false);
  auto const began = std::chrono::steady_clock::now();
  for (int turn = 0; turn < 10; ++turn) client->run(30ms, false);
  CHECK(std::chrono::steady_clock::now() - began >= 290ms);
  CHECK(written < count);
  int received = 0;
  while (received < count) {
    auto const message = next_message(*client, *socket);
    REQUIRE(message);
    REQUIRE(message->substr(text.size()) == std::to_string(received));
    ++received;
  }
  CHECK(received == count);
}

TEST_CASE("websocket: a hang-up while nothing is read does not make the client spin") {
  std::promise<void> gone;
  Server server{websocket([&](ServerSocket& stream) {
    ::shutdown(stream.next_layer().native_handle(), SHUT_RDWR);  // What comes now is answered by a reset.
    gone.set_value();
  })};
  auto const client = http::make_client();
  auto const socket = client->connect(server.ws(), {});
  run_until(*client, [&] { return socket->state() == State::open; }, false);
  gone.get_future().wait();
  socket->send("anybody there?");
  client->run(1ms, false);
  auto const began = std::chrono::steady_clock::now();
  for (int turn = 0; turn < 5; ++turn) client->run(30ms, false);
  CHECK(std::chrono::steady_clock::now() - began >= 145ms);
  CHECK_FALSE(next_message(*client, *socket));
  CHECK(socket->state() == State::closed);
}

TEST_CASE("websocket: a large frame is sent in parts, with pongs before and behind it, not inside") {
  std::promise<void> read;
  std::promise<bool> equal;
  std::string large(8 * 1024 * 1024, '.');
  for (std::size_t at = 0; at < large.size(); at += 1000) large[at] = static_cast<char>('a' + at / 1000 % 26);
  std::atomic<int> pongs = 0;
  Server server{websocket([&](ServerSocket& stream) {
    stream.control_callback([&](ws::frame_type kind, beast::string_view) { pongs += kind == ws::frame_type::pong ? 1 : 0; });
    for (int number = 0; number < 3; ++number) stream.ping("now");
    read.get_future().wait();
    bool const first = read_text(stream) == large;
    equal.set_value(first && read_text(stream) == "behind it");
    linger(stream);
  })};
  auto const client = http::make_client();
  auto const socket = client->connect(server.ws(), {});
  socket->send(large);
  socket->send("behind it");
  run_until(*client, [&] { return socket->state() == State::open; });
  for (int turn = 0; turn < 5; ++turn) {
    CHECK_FALSE(socket->receive());
    client->run(10ms);
  }
  read.set_value();
  auto answer = equal.get_future();
  run_until(*client, [&] {
    CHECK_FALSE(socket->receive());
    return answer.wait_for(0s) == std::future_status::ready;
  });
  CHECK(answer.get());
  CHECK(pongs == 3);
}

TEST_CASE("websocket: closing says so to the server") {
  std::promise<int> code;
  Server server{websocket([&](ServerSocket& stream) {
    boost::system::error_code error;
    beast::flat_buffer buffer;
    stream.read(buffer, error);
    code.set_value(stream.reason().code);
  })};
  auto const client = http::make_client();
  auto socket = client->connect(server.ws(), {});
  run_until(*client, [&] { return socket->state() == State::open; });
  socket->close();
  CHECK(socket->state() == State::closed);
  CHECK_FALSE(socket->receive());
  socket->send("ignored");
  CHECK(code.get_future().get() == 1000);
}

TEST_CASE("websocket: many at once, opened and dropped at any time") {
  Server server{websocket([](ServerSocket& stream) {
    while (true) stream.write(bytes(read_text(stream)));
  })};
  auto const client = http::make_client();
  std::vector<std::unique_ptr<http::Websocket>> sockets;
  for (int number = 0; number < 20; ++number) {
    sockets.push_back(client->connect(server.ws(), {}));
    sockets.back()->send(std::to_string(number));
    if (number % 3 == 0) sockets.back().reset();  // Still connecting.
  }
  for (int number = 0; number < 20; ++number) {
    auto const& socket = sockets[static_cast<std::size_t>(number)];
    if (socket) CHECK(next_message(*client, *socket) == std::to_string(number));
  }
  CHECK(client->requests_running() == 0);
}

}  // namespace penstock::test
