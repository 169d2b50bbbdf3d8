#include "agents/settings.hpp"

#include "agents/provider.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

using namespace penstock;

namespace {

/// The tree's own: beside this file, or above the folder that the test was built in.
std::filesystem::path example() {
  auto const name = "penstock.example.toml";
  if (auto const beside = std::filesystem::path{__FILE__}.parent_path() / "../.." / name; std::filesystem::exists(beside))
    return beside;
  for (auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path(); folder != folder.root_path();
       folder = folder.parent_path())
    if (std::filesystem::exists(folder / name)) return folder / name;
  FAIL("penstock.example.toml is not found");
  return {};
}

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
    auto const holds_secret = line.starts_with("# password_file") || line.starts_with("# api_key_file");
    if (is_key && !holds_secret) line.erase(0, 2);
  }
  return out;
}

struct File {
  explicit File(std::string const& text) {
    auto pattern = (std::filesystem::temp_directory_path() / "penstock-settings-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    path = (folder / "penstock.toml").string();
    std::ofstream{path} << text;
  }
  ~File() { std::filesystem::remove_all(folder); }
  std::filesystem::path folder;
  std::string path;
};

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
    if (auto const star = key.find('*'); star != key.npos) key.replace(star, 1, config.sections("publish").front());
    if (setting.secret) {
      CHECK(text.contains("# " + key.substr(key.rfind('.') + 1) + "_file = "));
      continue;
    }
    CHECK(config.given(key));
    if (!setting.key.contains('*')) CHECK(config.text(key) == setting.fallback);
  }
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
