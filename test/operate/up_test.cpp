/// penstock up while something around it goes wrong. A transformer on the embedded broker needs nothing else.
#include "test/folder.hpp"
#include "test/kafka/support.hpp"
#include "test/program.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

using namespace penstock::test;
using penstock::kafka::test::until;
namespace fs = std::filesystem;

namespace {

using namespace std::chrono_literals;

void a_moment() { std::this_thread::sleep_for(20ms); }

std::string text_of(std::string const& path) {
  std::ifstream in{path};
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// Ends by itself in a minute, so that a test which waits for what it does not say ends, too.
struct Up {
  Folder folder;
  std::string file = folder.file("penstock.toml", "[publish.binance]\n");
  std::string status = folder / "status";
  Background program{"up --embedded --without publish,store --for 60 --config '" + file + "' --status-file '" + status +
                     "' 2>&1"};

  bool reports() const {
    return until([&] { return text_of(status).contains(R"("state":"running")"); }, a_moment);
  }
};

}  // namespace

TEST_CASE("up: a status file that cannot be written ends nothing, and is written again when it can be") {
  Up up;
  REQUIRE(up.reports());
  auto const in_its_place = up.status + ".new";
  std::error_code busy;
  REQUIRE(until([&] { return fs::create_directory(in_its_place, busy); }, a_moment));
  CHECK(up.program.says("the status file cannot be written"));
  fs::remove(in_its_place);
  fs::remove(up.status);
  CHECK(up.reports());
  fs::remove(up.status);
  REQUIRE(until([&] { return fs::create_directories(up.status + "/not-empty", busy); }, a_moment));
  CHECK(up.program.says("why=\"Is a directory\""));
  CHECK(up.program.end(SIGTERM) == 0);
}
