/// The far side is `openssl s_server` with a certificate made here; without that program the cases say that they skip.
#include "test/folder.hpp"
#include "test/server.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace penstock::test {
namespace {

/// A program whose output is read; ended with this object.
class Program {
 public:
  explicit Program(std::vector<std::string> words) {
    std::array<int, 2> pipes{};
    REQUIRE(::pipe(pipes.data()) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], 1);
    posix_spawn_file_actions_addclose(&actions, pipes[0]);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    if (::posix_spawnp(&process_, arguments[0], &actions, nullptr, arguments.data(), environ) != 0) process_ = -1;
    posix_spawn_file_actions_destroy(&actions);
    ::close(pipes[1]);
    output_ = pipes[0];
  }
  ~Program() {
    ::close(output_);
    if (process_ > 0) ::kill(process_, SIGTERM);
    wait();
  }
  std::string line() const {
    std::string text;
    for (char letter = 0; ::read(output_, &letter, 1) == 1 && letter != '\n';) text += letter;
    return text;
  }
  /// Its exit code; -1: it could not be started.
  int wait() {
    int status = -1;
    if (process_ > 0 && ::waitpid(std::exchange(process_, -1), &status, 0) > 0 && WIFEXITED(status)) return WEXITSTATUS(status);
    return -1;
  }

 private:
  pid_t process_ = -1;
  int output_ = -1;
};

/// A server with a certificate of its own making.
struct TlsServer {
  Folder folder;
  std::string certificate;
  std::unique_ptr<Program> program;
  int port = 0;

  explicit TlsServer(std::string const& name) {
    certificate = folder / "certificate.pem";
    auto const key = folder / "key.pem";
    Program made{{"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                  "-subj", "/CN=test", "-addext", "subjectAltName=" + name, "-keyout", key, "-out", certificate}};
    if (made.wait() != 0) return;
    program = std::make_unique<Program>(
        std::vector<std::string>{"openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", certificate, "-key", key, "-www"});
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
