#include "agents/settings.hpp"
#include "agents/operate/reference.hpp"

#include "agents/provider.hpp"
#include "streaming/fault.hpp"

#include "test/folder.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

using namespace penstock;
using penstock::test::File;

namespace {

/// The tree's own: beside this file, or above the folder that the test was built in.
std::filesystem::path of_tree(std::string const& name) {
  if (auto const beside = std::filesystem::path{__FILE__}.parent_path() / "../.." / name; std::filesystem::exists(beside))
    return beside;
  for (auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path(); folder != folder.root_path();
       folder = folder.parent_path())
    if (std::filesystem::exists(folder / name)) return folder / name;
  FAIL(name << " is not found");
  return {};
}

std::filesystem::path example() { return of_tree("penstock.example.toml"); }

std::string text_of(std::filesystem::path const& path) {
  std::ifstream in{path};
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// The example with every key live: `# key = value` -> `key = value`. Prose has no ` = ` after its first word, and the
/// files that hold secrets are not here.
std::string uncommented(std::string const& text) {
  std::istringstream in{text};
  std::string out;
  for (std::string line; std::getline(in, line); out += line + '\n') {
    auto const equals = line.find(" = ");
    auto const is_key = line.starts_with("# ") && equals != line.npos && line.find(' ', 2) == equals;
    auto const holds_secret = line.contains("password_file = ") || line.contains("api_key_file = ");
    if (is_key && !holds_secret) line.erase(0, 2);
  }
  return out;
}

}  // namespace

TEST_CASE("settings: keys are unique, every one has help, and every default is allowed") {
  std::set<std::string> keys;
  std::map<std::string, std::string> defaults;
  for (auto const& setting : all_settings()) {
    CAPTURE(setting.key);
    CHECK(keys.insert(setting.key).second);
    CHECK_FALSE(setting.help.empty());
    CHECK_FALSE(section_help(setting.key.substr(0, setting.key.rfind('.'))).empty());
    if (!setting.secret && !setting.key.contains('*')) defaults[setting.key] = setting.fallback;
  }
  CHECK_NOTHROW(load_config("/dev/null", defaults));
}

TEST_CASE("settings: the example file loads as it is, and starts something") {
  auto const config = load_config(example().string());
  CHECK_FALSE(config.sections("publish").empty());
  for (auto const& setting : all_settings())
    if (!setting.key.contains('*')) CHECK_MESSAGE(!config.given(setting.key), setting.key);
}

TEST_CASE("settings: the example file names every key, each at its default") {
  auto const text = text_of(example());
  File const live{uncommented(text)};
  auto const config = load_config(live.path);
  REQUIRE_FALSE(config.sections("publish").empty());
  for (auto const& setting : all_settings()) {
    CAPTURE(setting.key);
    auto key = setting.key;
    if (auto const star = key.find('*'); star != key.npos) key.replace(star, 1, config.sections(key.substr(0, star - 1)).front());
    if (setting.secret) {
      CHECK(text.contains("# " + key.substr(key.rfind('.') + 1) + "_file = "));
      continue;
    }
    CHECK(config.given(key));
    if (!setting.key.contains('*')) CHECK(config.text(key) == setting.fallback);
  }
}

TEST_CASE("settings: the reference in docs is that of this program") {
  // Otherwise: penstock list --settings > docs/configuration.md
  CHECK(text_of(of_tree("docs/configuration.md")) == settings_reference());
}

TEST_CASE("settings: the example's symbols and channels are ones that their providers take") {
  auto const config = load_config(example().string());
  for (auto const& name : config.sections("publish")) {
    auto const* provider = find_provider(name);
    REQUIRE(provider != nullptr);
    CHECK_NOTHROW(provider->check({.symbols = config.list("publish." + name + ".symbols"),
                                   .channels = config.list("publish." + name + ".channels"),
                                   .intervals = config.list("publish." + name + ".intervals")}));
  }
}

TEST_CASE("settings: an address that is none is refused when the file is read") {
  auto const error_of = [](std::string const& toml) -> std::string {
    File const file{toml};
    try {
      load_config(file.path);
    } catch (UsageError const& error) {
      std::string const what = error.what();
      return what.substr(what.find("line"));
    }
    return "no error";
  };
  for (auto const* brokers : {"a:9092", "a", "a:1, b:2", "[::1]:9092", "SASL_SSL://a:9092", "10.0.0.1:65535"}) {
    CAPTURE(brokers);
    CHECK(error_of(std::string{"[kafka]\nbrokers = \""} + brokers + "\"\n") == "no error");
  }
  for (auto const* brokers : {"", "a:99999", "a:0", "a:x", "a:", "http://a:9092", "a:1,,b:2", ":9092", "a b:1"}) {
    CAPTURE(brokers);
    CHECK(error_of(std::string{"[kafka]\nbrokers = \""} + brokers + "\"\n") ==
          "line 2 column 11: kafka.brokers is \"" + std::string{brokers} + "\"; it takes host:port, several separated by commas");
  }
  CHECK(error_of("[publish.binance]\nhttp_url = \"localhost:80\"\n") ==
        "line 2 column 12: publish.binance.http_url is \"localhost:80\"; it takes a URL that begins with http:// or https://");
  CHECK(
      error_of("[publish.binance]\nwebsocket_url = \"http://localhost\"\n") ==
      "line 2 column 17: publish.binance.websocket_url is \"http://localhost\"; it takes a URL that begins with ws:// or wss://");
  CHECK(error_of("[publish.binance]\nhttp_url = \"\"\nwebsocket_url = \"wss://a/b\"\n") == "no error");
}

TEST_CASE("settings: every default is what its setting takes") {
  for (auto const& setting : all_settings())
    if (setting.has_form != nullptr) CHECK_MESSAGE(setting.has_form(setting.fallback), setting.key);
}
