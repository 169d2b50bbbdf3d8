/// penstock up while something around it goes wrong, or its file is changed.
#include "test/folder.hpp"
#include "test/kafka/support.hpp"
#include "test/program.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

using namespace penstock::test;
using penstock::kafka::test::brokers_for_tests;
using penstock::kafka::test::fresh;
using penstock::kafka::test::until;
namespace fs = std::filesystem;

namespace {

using namespace std::chrono_literals;

void a_moment() { std::this_thread::sleep_for(20ms); }

/// Takes connections and says nothing.
struct Silence {
  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string address;

  Silence() {
    sockaddr_in any{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    socklen_t size = sizeof any;
    auto* const place = reinterpret_cast<sockaddr*>(&any);
    REQUIRE(::bind(listener, place, size) == 0);
    REQUIRE(::listen(listener, 10) == 0);
    REQUIRE(::getsockname(listener, place, &size) == 0);
    address = "127.0.0.1:" + std::to_string(ntohs(any.sin_port));
  }
  ~Silence() { ::close(listener); }
  Silence(Silence const&) = delete;
  Silence& operator=(Silence const&) = delete;

  bool was_asked() const {
    pollfd one{listener, POLLIN, 0};
    return ::poll(&one, 1, 30'000) == 1;
  }
};

std::string text_of(std::string const& path) {
  std::ifstream in{path};
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// Ends by itself in a minute, so that a test which waits for what it does not say ends, too.
struct Up {
  Folder folder;
  std::string toml, file, status = folder / "status";
  Background program;

  /// A transformer on the embedded broker needs nothing else.
  explicit Up(std::string const& words = "--embedded --without publish,store", std::string text = "[publish.binance]\n")
      : toml{std::move(text) + "[spool]\nfolder = \"" + folder / "spool" + "\"\n"},
        file{folder.file("penstock.toml", toml)},
        program{"up " + words + " --for 60 --config '" + file + "' --status-file '" + status + "' 2>&1"} {}

  bool reports() const {
    return until([&] { return text_of(status).contains(R"("state":"running")"); }, a_moment);
  }
  Ran ctl(Words words) const {
    words.insert(words.begin(), "ctl");
    words.insert(words.end(), {"--config", file});
    return run(words);
  }
  std::string pids() const {
    std::string pids;
    auto const text = ctl({"status", "--json"}).text;
    for (auto at = text.find("\"pid\":"); at != text.npos; at = text.find("\"pid\":", at + 1))
      pids += text.substr(at, text.find(',', at) - at);
    return pids;
  }
};

}  // namespace

TEST_CASE("up: a status file that cannot be written ends nothing, and is written again when it can be") {
  Up up;
  REQUIRE(up.reports());
  auto const in_its_place = up.status + ".new";
  std::error_code busy;
  REQUIRE(until([&] { return fs::create_symlink("/nowhere/file", in_its_place, busy), !busy; }, a_moment));
  CHECK(up.program.says("the status file cannot be written"));
  fs::remove(in_its_place);
  fs::remove(up.status);
  CHECK(up.reports());
  fs::remove(up.status);
  REQUIRE(until([&] { return fs::create_directories(up.status + "/not-empty", busy); }, a_moment));
  CHECK(up.program.says("why=\"Is a directory\""));
  CHECK(up.program.end(SIGTERM) == 0);
}

TEST_CASE("up: a reload that names a folder where records cannot be kept is refused, and the publisher goes on") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  Up const up{"--without transform,store,audit", "[kafka]\nbrokers = \"" + brokers +
                                                     "\"\n[publish.binance]\nhttp_url = \"http://127.0.0.1:9\"\n"
                                                     "websocket_url = \"ws://127.0.0.1:9\"\n"};
  REQUIRE(up.reports());
  auto const pids = up.pids();
  auto wrong = up.toml;
  up.folder.file("penstock.toml", wrong.insert(wrong.find("/spool\""), "/penstock.toml"));
  auto const reloaded = up.ctl({"reload"});
  CAPTURE(reloaded.text);
  CHECK(reloaded.code != 0);
  CHECK(reloaded.text.contains("spool.folder: records cannot be kept in"));
  CHECK(up.pids() == pids);
}

TEST_CASE("up: a stop while a changed file is taken ends the agents in order, and kills none") {
  auto const brokers = brokers_for_tests();
  if (brokers.empty()) return;
  Up up{"--without publish,store,audit", "[publish.binance]\n[up]\nstop_ms_max = 3400\n[transform]\ngroup = \"" +
                                             fresh("transform") + "\"\n[kafka]\nbrokers = \"" + brokers + "\"\n"};
  REQUIRE(up.reports());
  Silence const broker;
  auto changed = up.toml;
  up.folder.file("penstock.toml", changed.replace(changed.find(brokers), brokers.size(), broker.address));
  ::kill(up.program.pid(), SIGHUP);
  REQUIRE(broker.was_asked());
  ::kill(up.program.pid(), SIGTERM);
  CHECK(up.program.says("transform ended with exit 0"));
  CHECK(up.program.end(0) == 0);
}

TEST_CASE("up: --watch takes a changed file, and refuses a wrong one") {
  Up up{"--embedded --without publish,store --watch"};
  REQUIRE(up.reports());
  auto const pids = up.pids();
  auto const good = up.toml + "[transform]\nhold_ms_max = 7\n";
  up.folder.file("penstock.toml", good);
  CHECK(up.program.says("restarted=\"transform (transform.hold_ms_max)\""));
  REQUIRE(until([&] { return up.ctl({"status"}).text.contains("running"); }, a_moment));
  auto const changed = up.pids();
  CHECK(changed != pids);
  up.folder.file("penstock.toml", good + "hold_ms = 7\n");
  CHECK(up.program.says("the configuration stays as it was"));
  CHECK(up.pids() == changed);
  CHECK(up.program.end(SIGTERM) == 0);
}
