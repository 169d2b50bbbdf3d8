#include "agents/spool_folder.hpp"

#include "agents/settings.hpp"
#include "streaming/fault.hpp"

#include "test/folder.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

using namespace penstock;
namespace fs = std::filesystem;

namespace {

struct SpoolsAt : penstock::test::Folder {
  Config config(std::map<std::string, std::string> more = {}) const {
    more.try_emplace("spool.folder", path.string());
    more.try_emplace("kafka.brokers", "one:9092,two:9092");
    return load_config("", more);
  }
};

void put(Spool& spool) { REQUIRE(spool.append("raw.binance", {.key = "k", .value = "v", .headers = {}})); }

}  // namespace

TEST_CASE("spool folder: each running publisher has one of its own, below the brokers that its records are for") {
  SpoolsAt const folder;
  auto const config = folder.config();
  auto const first = open_spool(config, "binance"), second = open_spool(config, "binance"), other = open_spool(config, "kraken");
  CHECK(first->folder() == folder.path / "one:9092,two:9092" / "binance-0");
  CHECK(second->folder() == folder.path / "one:9092,two:9092" / "binance-1");
  CHECK(other->folder() == folder.path / "one:9092,two:9092" / "kraken-0");
}

TEST_CASE("spool folder: a publisher takes over the records of one that is gone") {
  SpoolsAt const folder;
  auto const config = folder.config();
  {
    auto const first = open_spool(config, "binance"), second = open_spool(config, "binance");
    put(*second);
  }
  CHECK(open_spool(config, "binance")->records() == 1);
  CHECK(open_spool(folder.config({{"kafka.brokers", "elsewhere:9092"}}), "binance")->records() == 0);
}

TEST_CASE("spool folder: none is made where none is wanted") {
  SpoolsAt const folder;
  CHECK(open_spool(folder.config({{"spool.bytes_max", "0"}}), "binance") == nullptr);
  CHECK(fs::is_empty(folder.path));
  CHECK(check_spool(folder.config({{"spool.bytes_max", "0"}})).starts_with("none:"));
}

TEST_CASE("spool folder: one that cannot be written is an error that says what to set") {
  SpoolsAt const folder;
  std::ofstream{folder.path / "file"} << "x";
  auto const config = folder.config({{"spool.folder", (folder.path / "file" / "spool").string()}});
  for (auto const& call : {+[](Config const& c) { open_spool(c, "binance"); }, +[](Config const& c) { check_spool(c); }}) {
    CHECK_THROWS_WITH_AS(call(config), doctest::Contains("Not a directory"), UsageError);
    CHECK_THROWS_WITH_AS(call(config), doctest::Contains("PENSTOCK_SPOOL_FOLDER"), UsageError);
  }
  auto const good = check_spool(folder.config());
  CHECK(good.starts_with(folder.path.string() + " can be written, "));
  CHECK(good.ends_with(" GB free, 4.0 GB for each publisher"));
  CHECK(std::ranges::distance(fs::directory_iterator{folder.path}) == 1);  // Nothing is left of looking.
}

TEST_CASE("spool folder: unless one is named, it is the service manager's state folder, else the user's") {
  SpoolsAt const folder;
  auto const config = load_config("", {{"kafka.brokers", "b:1"}});
  auto const where = [&] { return open_spool(config, "binance")->folder(); };
  ::setenv("XDG_STATE_HOME", (folder.path / "user").c_str(), 1);
  CHECK(where() == folder.path / "user/penstock/spool/b:1/binance-0");
  ::setenv("STATE_DIRECTORY", (folder.path / "service").c_str(), 1);
  CHECK(where() == folder.path / "service/spool/b:1/binance-0");
  ::unsetenv("XDG_STATE_HOME");
  ::unsetenv("STATE_DIRECTORY");
}
