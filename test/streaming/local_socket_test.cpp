#include "streaming/local_socket.hpp"

#include "streaming/fault.hpp"
#include "streaming/local_address.hpp"

#include "test/folder.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

using namespace penstock;
using penstock::test::Folder;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

/// Serves until it goes.
class Serving {
 public:
  explicit Serving(LocalServer& server)
      : thread_{[&server](std::stop_token const& stop) {
          while (!stop.stop_requested()) {
            server.serve([](std::string_view line) { return "got " + std::string{line}; });
            std::this_thread::sleep_for(1ms);
          }
        }} {}

 private:
  std::jthread thread_;
};

Descriptor connected(std::string const& path) {
  Descriptor socket{::socket(AF_UNIX, SOCK_STREAM, 0)};
  auto const address = *LocalAddress::of(path);
  REQUIRE(::connect(socket.get(), address.pointer(), address.size) == 0);
  return socket;
}

// What a process that was killed leaves.
void leave_dead_socket(std::string const& path) {
  Descriptor const socket{::socket(AF_UNIX, SOCK_STREAM, 0)};
  auto const address = *LocalAddress::of(path);
  REQUIRE(::bind(socket.get(), address.pointer(), address.size) == 0);
}

}  // namespace

TEST_CASE("local socket: a line is answered by a line, also where it comes in pieces and others say nothing") {
  Folder const folder;
  LocalServer server{folder / "s"};
  Serving const serving{server};
  auto const silent = connected(server.path());
  auto const slow = connected(server.path());
  CHECK(::send(slow.get(), "on", 2, 0) == 2);
  CHECK(ask_local(server.path(), "one", 20s) == "got one");
  CHECK(::send(slow.get(), "ly\n", 3, 0) == 3);
  char answer[16]{};
  CHECK(::recv(slow.get(), answer, sizeof answer - 1, 0) > 0);
  CHECK(std::string{answer} == "got only\n");
  auto const longest = std::string(LocalServer::line_bytes_max - 10, 'x');
  CHECK(ask_local(server.path(), longest, 20s) == "got " + longest);
}

TEST_CASE("local socket: a client that sends more than a line may have is let go") {
  Folder const folder;
  LocalServer server{folder / "s"};
  Serving const serving{server};
  CHECK_THROWS_AS(ask_local(server.path(), std::string(2 * LocalServer::line_bytes_max + 4096, 'x'), 20s), Fault);
  CHECK(ask_local(server.path(), "next", 20s) == "got next");
}

TEST_CASE("local socket: only this user may open it, and it goes with its server") {
  Folder const folder;
  {
    LocalServer const server{folder / "s"};
    struct stat found{};
    REQUIRE(::stat(server.path().c_str(), &found) == 0);
    CHECK((found.st_mode & 0777) == 0600);
  }
  CHECK(fs::is_empty(folder.path));
  CHECK_THROWS_WITH_AS(ask_local(folder / "s", "x", 1s), doctest::Contains("nobody listens at"), Fault);
}

TEST_CASE("local socket: one that is in use is refused, one that a killed process left is taken over") {
  Folder const folder;
  auto const path = folder / "s";
  leave_dead_socket(path);
  LocalServer server{path};
  CHECK_THROWS_WITH_AS(LocalServer{path}, doctest::Contains(("another process listens at the socket " + path).c_str()), Fault);
  Serving const serving{server};
  CHECK(ask_local(path, "still here", 20s) == "got still here");
}

TEST_CASE("local socket: a path that is something else is left alone") {
  Folder const folder;
  auto const path = folder / "penstock.toml";
  std::ofstream{path} << "[store]\n";
  CHECK_THROWS_WITH_AS(LocalServer{path}, doctest::Contains("is there already, and is no socket"), UsageError);
  CHECK(fs::file_size(path) == 8);
  CHECK_THROWS_WITH_AS(LocalServer{"/nowhere/s"}, doctest::Contains("No such file or directory"), UsageError);
  CHECK_THROWS_WITH_AS(LocalServer{std::string(200, 'x')}, doctest::Contains("has a path of 200 bytes"), UsageError);
}
