// What tells `penstock up` to look at its file again, and where it is asked.
#include "agents/operate/commands.hpp"
#include "agents/operate/file_watch.hpp"
#include "agents/operate/ground.hpp"
#include "agents/operate/hangup.hpp"
#include "agents/operate/up_socket.hpp"
#include "agents/settings.hpp"
#include "streaming/fault.hpp"
#include "streaming/local_socket.hpp"

#include "test/folder.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <stop_token>

using namespace penstock;
using penstock::test::Folder;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

std::function<void()> failing(int& times, Fault::Kind kind) {
  return [&times, kind] {
    if (times-- > 0) throw Fault{kind, "away"};
  };
}

}  // namespace

TEST_CASE("watch: a changed file is seen once, when it has settled; also when it was replaced; one that is away is no change") {
  Folder const folder;
  auto const path = folder.file("penstock.toml", "a");
  FileWatch watch{path};
  auto now = std::chrono::steady_clock::now();
  auto const look = [&] { return watch.changed(now += FileWatch::every); };
  CHECK_FALSE(look());
  CHECK_FALSE(look());
  folder.file("penstock.toml", "ab");
  CHECK_FALSE(watch.changed(now));  // Not again within the second.
  CHECK_FALSE(look());
  folder.file("penstock.toml", "abc");  // The editor was not done.
  CHECK_FALSE(look());
  CHECK(look());
  CHECK_FALSE(look());
  fs::remove(path);
  CHECK_FALSE(look());
  CHECK_FALSE(look());
  fs::rename(folder.file("other", "xyz"), path);
  CHECK_FALSE(look());
  CHECK(look());
  CHECK_FALSE(look());
}

TEST_CASE("hangup: SIGHUP asks for the file once, and does not end the process; afterwards it means what it did") {
  auto const before = std::signal(SIGHUP, SIG_IGN);
  {
    Hangup hangup;
    CHECK(hangup.take() == Hangup::Asked::nothing);
    std::raise(SIGHUP);
    std::raise(SIGHUP);
    CHECK(hangup.take() == Hangup::Asked::reload);
    CHECK(hangup.take() == Hangup::Asked::nothing);
  }
  CHECK(std::signal(SIGHUP, before) == SIG_IGN);
}

TEST_CASE("up: its socket is found through its configuration file, each file has its own, and none is none") {
  Folder const folder;
  ::setenv("XDG_RUNTIME_DIR", folder.path.c_str(), 1);
  auto const one = load_config(folder.file("one.toml", "[store]\n")), other = load_config(folder.file("other.toml", "[store]\n"));
  auto const path = socket_to_listen(one);
  CHECK(path.starts_with(folder.path.string() + "/penstock-"));
  CHECK(path != socket_to_listen(other));
  {
    LocalServer const server{path};
    CHECK(socket_to_ask(one) == path);
    CHECK_THROWS_WITH_AS(socket_to_ask(other), doctest::Contains("no `penstock up` of this user runs with"), Fault);
  }
  CHECK_THROWS_AS(socket_to_ask(one), Fault);
  auto const named = load_config(folder.file("named.toml", "[up]\nsocket = \"/run/x.sock\"\n"));
  CHECK(socket_to_listen(named) == "/run/x.sock");
  CHECK(socket_to_ask(named) == "/run/x.sock");
  auto const none = load_config(folder.file("none.toml", "[up]\nsocket = \"none\"\n"));
  CHECK(socket_to_listen(none).empty());
  CHECK_THROWS_AS(socket_to_ask(none), UsageError);
  ::unsetenv("XDG_RUNTIME_DIR");
}

TEST_CASE("up: what is away is waited for, what waiting cannot help is not") {
  std::stop_source stop;
  int times = 2;
  CHECK(until_there("it", 0ms, stop.get_token(), failing(times, Fault::Kind::transient)));
  CHECK(times == -1);
  times = 1;
  CHECK_THROWS_AS(until_there("it", 0ms, stop.get_token(), failing(times, Fault::Kind::fatal)), Fault);
  times = 1000;
  CHECK_THROWS_AS(until_there("it", 1ms, stop.get_token(), failing(times, Fault::Kind::transient)), Fault);
  stop.request_stop();
  CHECK_FALSE(until_there("it", 0ms, stop.get_token(), failing(times, Fault::Kind::transient)));
}

TEST_CASE("up: a database that is away at its start ends it only where that was asked for") {
  Folder const folder;
  Invocation invocation;
  invocation.config =
      load_config(folder.file("penstock.toml",
                              "[publish.binance]\n[database]\nurl = \"postgresql://penstock@127.0.0.1:9/x\"\n[up]\n"
                              "socket = \"none\"\nwait_ms_max = 1\n[spool]\nbytes_max = 0\n"));
  CHECK_THROWS_WITH_AS(up_command.run(invocation), doctest::Contains("127.0.0.1"), Fault);
}
