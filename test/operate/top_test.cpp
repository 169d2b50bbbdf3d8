/// penstock top on a terminal, in a pipe, from a file and over HTTP.
#include "test/folder.hpp"
#include "test/program.hpp"
#include "test/server.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <utmp.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

using namespace penstock::test;
using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

namespace {

constexpr auto limit = 30s;
constexpr std::string_view screen_given_back = "\x1b[?7h\x1b[?25h\x1b[?1049l";

std::string status(int written) {
  return R"({"agents":[{"name":"store","state":"running","pid":3,"restarts":1,"status":{"rss_bytes":20971520,"metrics":[)"
         R"({"name":"penstock_written_total","labels":{"topic":"md.trades"},"value":)" +
         std::to_string(written) + R"(}]}},{"name":"publish binance","state":"waiting","pid":4,"restarts":9,"status":null}]})";
}

/// What `penstock up --status-file` does: a new file now and then, each in one piece.
class StatusFile {
 public:
  StatusFile() {
    write(0);
    writer_ = std::jthread{[this](std::stop_token const& stop) {
      for (int i = 1; !stop.stop_requested(); ++i) {
        std::this_thread::sleep_for(100ms);
        write(i * 100);
      }
    }};
  }
  std::string path() const { return folder_ / "status.json"; }

 private:
  void write(int written) const {
    std::ofstream{path() + ".new"} << status(written);
    std::filesystem::rename(path() + ".new", path());
  }
  Folder folder_;
  std::jthread writer_;  // After the folder, which it writes into until it has ended.
};

/// The program on a terminal of its own.
class Terminal {
 public:
  explicit Terminal(Words words) {
    winsize size{.ws_row = 20, .ws_col = 150, .ws_xpixel = 0, .ws_ypixel = 0};
    int inner = -1;
    REQUIRE(::openpty(&outer_, &inner, nullptr, nullptr, &size) == 0);
    ::tcgetattr(inner, &before_);
    inner_ = inner;
    words.insert(words.begin(), PENSTOCK_PROGRAM);
    std::vector<char*> pointers;
    for (auto& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::login_tty(inner);
    ::execv(pointers.front(), pointers.data());
    ::_exit(127);
  }
  ~Terminal() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(outer_);
    ::close(inner_);
  }
  Terminal(Terminal const&) = delete;
  Terminal& operator=(Terminal const&) = delete;

  void press(std::string_view keys) const { REQUIRE(::write(outer_, keys.data(), keys.size()) == std::ssize(keys)); }
  void resize(unsigned short columns, unsigned short rows) const {
    winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    REQUIRE(::ioctl(outer_, TIOCSWINSZ, &size) == 0);
  }
  /// Reads until `text` is there, and forgets all up to it. False: it did not come.
  bool sees(std::string_view text) {
    auto const until = Steady::now() + limit;
    while (Steady::now() < until) {
      if (auto const at = seen_.find(text); at != seen_.npos) {
        seen_.erase(0, at + text.size());
        return true;
      }
      pollfd out{outer_, POLLIN, 0};
      std::array<char, 4096> buffer{};
      if (::poll(&out, 1, 100) <= 0) continue;
      auto const size = ::read(outer_, buffer.data(), buffer.size());
      if (size <= 0) return false;
      seen_.append(buffer.data(), static_cast<std::size_t>(size));
    }
    MESSAGE(seen_);
    return false;
  }
  bool is_as_before() const {
    termios now{};
    ::tcgetattr(inner_, &now);
    return now.c_lflag == before_.c_lflag && std::memcmp(now.c_cc, before_.c_cc, sizeof now.c_cc) == 0;
  }
  /// The whole status.
  int wait() {
    int found = 0;
    ::waitpid(std::exchange(pid_, 0), &found, 0);
    return found;
  }
  int end(int signal) {
    ::kill(pid_, signal);
    return wait();
  }

 private:
  int outer_ = -1, inner_ = -1;
  pid_t pid_ = 0;
  termios before_{};
  std::string seen_;
};

}  // namespace

TEST_CASE("top: on a terminal the keys sort, filter, help and quit, and a new size is drawn at once") {
  StatusFile const file;
  Terminal terminal{{"top", "--status-file", file.path(), "--interval", "1"}};
  CHECK(terminal.sees("\x1b[?1049h"));
  CHECK(terminal.sees("sorted by name"));
  CHECK(terminal.sees("publish binance"));
  CHECK_FALSE(terminal.is_as_before());
  terminal.press("r");
  CHECK(terminal.sees("sorted by restarts"));
  terminal.press("/sto\r");
  CHECK(terminal.sees("filter: sto   (Esc clears)"));
  terminal.press("h");
  CHECK(terminal.sees("q quit   p by agent or by provider"));
  terminal.press("p");
  CHECK(terminal.sees("PROVIDER"));
  terminal.resize(30, 3);
  CHECK(terminal.sees("\x1b[Hpenstock top   20"));
  CHECK(terminal.sees("\x1b[K\r\nfilter: sto   (Esc clears)\x1b[K"));
  terminal.press("q");
  CHECK(terminal.sees(screen_given_back));
  CHECK(WEXITSTATUS(terminal.wait()) == 0);
  CHECK(terminal.is_as_before());
}

TEST_CASE("top: Ctrl-C, signals and even SIGKILL leave the terminal as it was") {
  StatusFile const file;
  for (int const signal : {0, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGABRT, SIGKILL}) {
    CAPTURE(signal);
    Terminal terminal{{"top", "--status-file", file.path()}};
    CHECK(terminal.sees("publish binance"));
    CHECK_FALSE(terminal.is_as_before());
    if (signal == 0)
      terminal.press("\x03");
    else
      terminal.end(signal);
    CHECK(terminal.sees(screen_given_back));
    // The one who gives it back after SIGKILL does so a moment later.
    auto const until = Steady::now() + limit;
    while (!terminal.is_as_before() && Steady::now() < until) std::this_thread::sleep_for(5ms);
    CHECK(terminal.is_as_before());
  }
}

TEST_CASE("top: a status that is away is said on the screen, and it goes on") {
  Terminal terminal{{"top", "--status-file", "/nowhere/status.json", "--interval", "1", "--count", "2"}};
  CHECK(terminal.sees("! cannot read /nowhere/status.json (No such file or directory): start `penstock up --status-file"));
  CHECK(terminal.sees("! cannot read"));
  CHECK(WEXITSTATUS(terminal.wait()) == 0);
}

TEST_CASE("top: without a terminal it prints lines, or JSON, at the interval") {
  StatusFile const file;
  auto ran = run({"top", "--status-file", file.path(), "--interval", "1", "--count", "2", "--filter", "store"});
  CHECK(ran.code == 0);
  CHECK(std::ranges::count(ran.text, '\n') == 2);
  CHECK_MESSAGE(ran.text.contains(" agent=store state=running in=0.0 out="), ran.text);
  ran = run({"top", "--status-file", file.path(), "--interval", "1", "--count", "1", "--json"});
  CHECK(std::ranges::count(ran.text, '\n') == 1);
  CHECK(ran.text.contains(R"("name":"store","state":"running","received_per_second":0,"written_per_second":)"));
}

TEST_CASE("top: over HTTP it asks for /agents") {
  std::atomic<int> asked = 0;
  Server server{http_answers([&](auto const& request) {
    return Response{.status = request.target == "/agents" ? 200 : 404, .body = status(++asked * 10)};
  })};
  auto const ran = run({"top", "--url", server.http(), "--interval", "1", "--count", "1", "--json"});
  CHECK(ran.code == 0);
  CHECK(asked == 2);
  CHECK_MESSAGE(ran.text.contains(R"("name":"publish binance","state":"waiting")"), ran.text);
  CHECK(run({"top", "--url", server.http() + "/elsewhere"}).text.contains("does not answer as it should (404)"));
}

TEST_CASE("top: what is wrong is said") {
  CHECK(run({"top"}).code == 2);
  CHECK(run({"top", "--status-file", "/nowhere"}).code == 1);
  CHECK(run({"top", "--status-file", "x", "--sort", "laag"}).text.contains("there is no column \"laag\"; did you mean lag?"));
  CHECK(run({"top", "--status-file", "x", "--interval", "0"}).text.contains("whole number from 1 to 3600"));
  CHECK(run({"top", "--status-file", "/proc/self/status", "--count", "1"}).text.contains("is no status file of `penstock up`"));
}
