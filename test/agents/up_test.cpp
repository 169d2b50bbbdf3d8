#include "agents/operate/up.hpp"

#include "agents/command_line.hpp"
#include "agents/operate/commands.hpp"
#include "agents/settings.hpp"
#include "streaming/fault.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <ranges>
#include <set>

using namespace penstock;
using Words = std::vector<std::string>;

namespace {

Config config_of(std::string const& toml, std::map<std::string, std::string> const& flags = {}) {
  auto pattern = (std::filesystem::temp_directory_path() / "penstock-up-XXXXXX").string();
  std::filesystem::path const folder = ::mkdtemp(pattern.data());
  std::ofstream{folder / "penstock.toml"} << toml;
  auto config = load_config((folder / "penstock.toml").string(), flags);
  std::filesystem::remove_all(folder);
  return config;
}

Words names(std::vector<ChildSpec> const& agents) {
  Words out;
  for (auto const& agent : agents) out.push_back(agent.name);
  return out;
}

constexpr auto two_publishers = "[publish.hyperliquid]\n[publish.binance]\n";

}  // namespace

TEST_CASE("up: one publisher per section, one transformer, one store; readers are started first and end last") {
  auto const config = config_of(two_publishers);
  auto const agents = agents_of(config, {.program = "/bin/penstock"});
  CHECK(names(agents) == Words{"store", "transform", "publish hyperliquid", "publish binance"});
  CHECK(agents[3].command ==
        Words{"/bin/penstock", "publish", "binance", "--config", config.file(), "--status-fd=3", "--kafka-wait-ms-max=0"});
  CHECK(agents[0].rank == stores);
  CHECK(agents[1].rank == transformers);
  CHECK(agents[2].rank == publishers);
}

TEST_CASE("up: letters are replayed by themselves only where a reason is named") {
  auto const config = config_of("[publish.binance]\n[dead]\nretry_reasons = [\"unknown-symbol\"]\n");
  auto const agents = agents_of(config, {.program = "p"});
  CHECK(names(agents) == Words{"store", "transform", "publish binance", "dead retry"});
  CHECK(agents[3].rank == publishers);
  Words const words(agents[3].command.begin() + 1, agents[3].command.end());
  CHECK_NOTHROW(parse_command_line(words, all_commands()));
  CHECK(names(agents_of(config, {.program = "p", .without = {"dead"}})) == Words{"store", "transform", "publish binance"});
}

TEST_CASE("up: on the embedded broker the agents have no transactions and are paced") {
  auto const config = config_of(two_publishers);
  for (auto const& agent : agents_of(config, {.program = "p", .embedded_brokers = "127.0.0.1:7"}))
    for (auto const* word : {"--kafka-brokers", "127.0.0.1:7", "--kafka-transactions=false", "--kafka-pace-bytes-max=2000000"})
      CHECK(std::ranges::contains(agent.command, std::string{word}));
}

TEST_CASE("up: on the embedded broker the store has a group of its own, so that offsets of an earlier run do not count") {
  auto const config = config_of(two_publishers, {{"store.group", "mine"}});
  for (auto const& agent :
       agents_of(config, {.program = "p", .embedded_brokers = "127.0.0.1:7", .embedded_group = "mine-embedded-1"}))
    CHECK(agent.variables.at("PENSTOCK_STORE_GROUP") == "mine-embedded-1");
}

TEST_CASE("up: its own flags reach the agents as variables, whatever flags they have") {
  auto const config =
      config_of(two_publishers, {{"store.batch_age_ms_max", "20"}, {"publish.binance.symbols", "BTC/USDT,ETH/USDT"}});
  for (auto const& agent : agents_of(config, {.program = "p"}))
    CHECK(agent.variables == std::map<std::string, std::string>{{"PENSTOCK_STORE_BATCH_AGE_MS_MAX", "20"},
                                                                {"PENSTOCK_PUBLISH_BINANCE_SYMBOLS", "BTC/USDT,ETH/USDT"}});
}

TEST_CASE("up: parts that run elsewhere are left out, and nothing to start is an error") {
  auto const config = config_of(two_publishers);
  CHECK(names(agents_of(config, {.program = "p", .without = {"store", "transform"}})) ==
        Words{"publish hyperliquid", "publish binance"});
  auto const none = config_of("[store]\n");
  CHECK(names(agents_of(none, {.program = "p", .without = {"publish"}})) == Words{"store", "transform"});
  CHECK_THROWS_WITH_AS(
      agents_of(none, {.program = "p"}),
      doctest::Contains("has no [publish.PROVIDER] section, so there is nothing to publish: write for example [publish.binance]"),
      UsageError);
  CHECK_THROWS_WITH_AS(agents_of(config, {.program = "p", .without = {"publish", "transform", "store"}}),
                       "flag --without leaves nothing to start; leave one of publish, transform, store", UsageError);
}

TEST_CASE("up: wrong words of its flags say what is allowed") {
  Invocation invocation;
  invocation.config = config_of(two_publishers);
  invocation.flags = {{"without", "stor"}};
  CHECK_THROWS_WITH_AS(up_command.run(invocation), "flag --without: \"stor\" is no agent; did you mean store?", UsageError);
  invocation.flags = {{"for", "soon"}};
  CHECK_THROWS_WITH_AS(up_command.run(invocation),
                       "flag --for is \"soon\"; it takes a whole number of seconds from 1 to 31536000", UsageError);
  invocation.flags = {{"until-idle", "0"}};
  CHECK_THROWS_AS(up_command.run(invocation), UsageError);
  invocation.flags = {{"status-file", "/nowhere/status.json"}};
  CHECK_THROWS_WITH_AS(
      up_command.run(invocation),
      "flag --status-file: /nowhere/status.json cannot be written (No such file or directory); name another file", UsageError);
  invocation.flags = {{"embedded", "true"}};
  invocation.config = config_of(two_publishers, {{"kafka.brokers", "127.0.0.1:7"}});
  CHECK_THROWS_WITH_AS(up_command.run(invocation),
                       "--embedded brings a broker of its own: leave out --embedded or --kafka-brokers", UsageError);
}

TEST_CASE("up: a publisher that cannot work is found before anything is started") {
  Invocation invocation;
  invocation.config =
      config_of("[publish.binance]\nsymbols = [\"NOPE\"]\n[database]\nurl = \"postgresql://penstock@127.0.0.1:9/x\"\n");
  CHECK_THROWS_WITH_AS(up_command.run(invocation), doctest::Contains("NOPE"), UsageError);
}

TEST_CASE("up: every agent that it starts knows the flags that it gives") {
  auto const config = config_of("[publish.binance]\n");
  for (auto const& agent : agents_of(config, {.program = "p", .embedded_brokers = "127.0.0.1:7"})) {
    CAPTURE(agent.name);
    Words const words(agent.command.begin() + 1, agent.command.end());
    CHECK_NOTHROW(parse_command_line(words, all_commands()));
  }
}

TEST_CASE("commands: every one has a summary, an example that is right, and help with all its flags") {
  std::set<std::string> seen;
  for (auto const* command : all_commands()) {
    CAPTURE(command->name);
    CHECK(seen.insert(command->name).second);
    REQUIRE_FALSE(command->summary.empty());
    CHECK(std::isupper(command->summary.front()) != 0);
    CHECK(command->run != nullptr);
    CHECK(command->example.starts_with("penstock " + command->name));
    auto const help = help_text(*command);
    for (auto const& flag : command->flags) {
      CHECK_MESSAGE(help.contains("--" + flag.name), flag.name);
      REQUIRE_FALSE(flag.help.empty());
      CHECK_MESSAGE(std::isupper(flag.help.front()) != 0, flag.name);
    }
    for (auto const& setting : all_settings()) {
      auto const section = setting.key.substr(0, setting.key.rfind('.'));
      if (std::ranges::contains(command->sections, section))
        CHECK_MESSAGE(help.contains(flag_name(setting.key.substr(setting.key.rfind('.') + 1))), setting.key);
    }
    for (auto const& section : command->sections)
      if (!section.empty()) CHECK_MESSAGE(!section_help(section).empty(), section);
    for (auto const line : std::views::split(help, '\n'))
      CHECK_MESSAGE(std::string_view{line}.size() <= 104, std::string{std::string_view{line}});

    // The example's words, up to the text about them, are ones that the command takes.
    Words words;
    for (auto const part :
         std::views::split(command->example.substr(0, std::min(command->example.find("   "), command->example.find('|'))), ' '))
      if (std::string const word{std::string_view{part}}; !word.empty() && word != "penstock") words.push_back(word);
    CHECK_NOTHROW(parse_command_line(words, all_commands()));
  }
}
