/// The far side is `openssl s_server` with a certificate made here; without that program the cases say that they skip.
#include "streaming/http/frame.hpp"
#include "streaming/http/opening.hpp"
#include "test/folder.hpp"
#include "test/server.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace penstock::test {
namespace {

/// A program whose output is read and whose input is written; ended with this object.
class Program {
 public:
  explicit Program(std::vector<std::string> words) {
    std::array<int, 2> output{}, input{};
    REQUIRE(::pipe2(output.data(), O_CLOEXEC) == 0);
    REQUIRE(::pipe2(input.data(), O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, output[1], 1);
    posix_spawn_file_actions_adddup2(&actions, input[0], 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    if (::posix_spawnp(&process_, arguments[0], &actions, nullptr, arguments.data(), environ) != 0) process_ = -1;
    posix_spawn_file_actions_destroy(&actions);
    ::close(output[1]);
    ::close(input[0]);
    output_ = output[0];
    input_ = input[1];
  }
  ~Program() {
    ::close(output_);
    ::close(input_);
    if (process_ > 0) ::kill(process_, SIGTERM);
    wait();
  }
  std::string line() const {
    std::string text;
    for (char letter = 0; ::read(output_, &letter, 1) == 1 && letter != '\n';) text += letter;
    return text;
  }
  /// What it says next; "": it has ended.
  std::string read() const {
    std::string text(64 * 1024, '\0');
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(::read(output_, text.data(), text.size()), 0)));
    return text;
  }
  void write(std::string_view text) const {
    while (!text.empty()) {
      auto const written = ::write(input_, text.data(), text.size());
      if (written <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  /// Its exit code; -1: it could not be started.
  int wait() {
    int status = -1;
    if (process_ > 0 && ::waitpid(std::exchange(process_, -1), &status, 0) > 0 && WIFEXITED(status)) return WEXITSTATUS(status);
    return -1;
  }

 private:
  pid_t process_ = -1;
  int output_ = -1, input_ = -1;
};

/// A server with a certificate of its own making.
struct TlsServer {
  Folder folder;
  std::string certificate;
  std::unique_ptr<Program> program;
  int port = 0;

  enum class Speaks : std::uint8_t { http, as_told };  ///< as_told: what is written to the program, and nothing else

  explicit TlsServer(std::string const& name, Speaks speaks = Speaks::http) {
    certificate = folder / "certificate.pem";
    auto const key = folder / "key.pem";
    Program made{{"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                  "-subj", "/CN=test", "-addext", "subjectAltName=" + name, "-keyout", key, "-out", certificate}};
    if (made.wait() != 0) return;
    if (speaks == Speaks::as_told) port = dead_port();
    program = std::make_unique<Program>(std::vector<std::string>{"openssl", "s_server", "-accept",
                                                                 "127.0.0.1:" + std::to_string(port), "-cert", certificate,
                                                                 "-key", key, speaks == Speaks::http ? "-www" : "-quiet"});
    if (speaks == Speaks::as_told) return;
    for (auto line = program->line(); !line.empty(); line = program->line())
      if (line.starts_with("ACCEPT ")) {
        port = std::stoi(line.substr(line.rfind(':') + 1));
        return;
      }
  }
  bool skipped() const {
    if (port == 0) MESSAGE("skipped: the openssl program is not here");
    return port == 0;
  }
  std::string https() const { return "https://127.0.0.1:" + std::to_string(port) + "/"; }
};

}  // namespace

TEST_CASE("tls: a certificate that nobody vouches for is refused, for requests and for websockets") {
  TlsServer const server{"IP:127.0.0.1"};
  if (server.skipped()) return;
  auto const client = http::make_client();
  auto const reply = fetch(*client, {.url = server.https()});
  CHECK(reply.status == 0);
  CHECK_MESSAGE(reply.body.contains("certificate"), reply.body);
  auto const socket = client->connect("wss://127.0.0.1:" + std::to_string(server.port) + "/", {});
  CHECK_FALSE(next_message(*client, *socket));
  CHECK_MESSAGE(socket->error().contains("certificate"), socket->error());
}

TEST_CASE("tls: a websocket, with messages of many TLS records in both directions") {
  TlsServer const server{"IP:127.0.0.1", TlsServer::Speaks::as_told};
  if (server.skipped()) return;
  std::string const large(3 * 1024 * 1024, 'x');
  auto far_side = std::async([&] {
    std::string key;
    for (auto line = server.program->line(); line.size() > 1; line = server.program->line())
      if (line.starts_with("Sec-WebSocket-Key: ")) key = line.substr(19, 24);
    auto answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
                  http::accept_of(key) + "\r\n\r\n";
    http::append_frame(answer, http::Opcode::text, "first");
    http::append_frame(answer, http::Opcode::ping, "now");
    http::append_frame(answer, http::Opcode::text, large);
    server.program->write(answer);
    std::vector<std::string> payloads;
    for (std::string received; payloads.size() < 3;) {
      auto const more = server.program->read();
      if (more.empty()) break;
      received += more;
      for (auto frame = http::read_frame(received);
           frame && *frame && received.size() >= (*frame)->head_bytes + (*frame)->payload_bytes;
           frame = http::read_frame(received)) {
        payloads.push_back(received.substr((*frame)->head_bytes, (*frame)->payload_bytes));
        received.erase(0, (*frame)->head_bytes + payloads.back().size());
        http::mask_payload(payloads.back().data(), payloads.back().size(), (*frame)->mask.value());
      }
    }
    return payloads;
  });
  auto const client = http::make_client(server.certificate);
  std::unique_ptr<http::Websocket> socket;
  run_until(*client, [&] {
    using State = http::Websocket::State;
    if (!socket || socket->state() == State::closed)  // It may not listen yet.
      socket = client->connect("wss://127.0.0.1:" + std::to_string(server.port) + "/stream", {});
    return socket->state() == State::open;
  });
  socket->send(large);
  CHECK(next_message(*client, *socket) == "first");
  CHECK((next_message(*client, *socket) == large));
  socket->send("last");
  run_until(*client, [&] {
    CHECK_FALSE(socket->receive());
    return far_side.wait_for(std::chrono::seconds{0}) == std::future_status::ready;
  });
  auto payloads = far_side.get();
  REQUIRE(payloads.size() == 3);
  CHECK(payloads.back() == "last");
  CHECK(std::ranges::count(payloads, large) == 1);
  CHECK(std::ranges::count(payloads, "now") == 1);
}

TEST_CASE("tls: a certificate of the given file is accepted") {
  TlsServer const server{"IP:127.0.0.1"};
  if (server.skipped()) return;
  auto const client = http::make_client(server.certificate);
  auto const reply = fetch(*client, {.url = server.https()});
  CHECK_MESSAGE(reply.status == 200, reply.body);
}

TEST_CASE("tls: a certificate for another name is refused") {
  TlsServer const server{"DNS:other.example"};
  if (server.skipped()) return;
  auto const client = http::make_client(server.certificate);
  auto const reply = fetch(*client, {.url = server.https()});
  CHECK(reply.status == 0);
  CHECK_MESSAGE(reply.body.contains("127.0.0.1"), reply.body);
}

}  // namespace penstock::test
