#include "agents/operate/agents_of.hpp"

#include "agents/command_help.hpp"
#include "agents/command_line.hpp"
#include "agents/operate/commands.hpp"
#include "agents/settings.hpp"
#include "streaming/fault.hpp"

#include "test/folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <ranges>
#include <set>

using namespace penstock;
using penstock::test::File;
using penstock::test::Folder;
using Words = std::vector<std::string>;

namespace {

Config config_of(std::string const& toml, std::map<std::string, std::string> const& flags = {}) {
  File const file{toml};
  return load_config(file.path, flags);
}

Words names(std::vector<ChildSpec> const& agents) {
  Words out;
  for (auto const& agent : agents) out.push_back(agent.name);
  return out;
}

/// A file of the source tree: above this file, or above the folder that the test was built in.
std::filesystem::path in_tree(std::string const& name) {
  for (auto const& start : {std::filesystem::path{__FILE__}, std::filesystem::read_symlink("/proc/self/exe")})
    for (auto folder = start.parent_path(); folder != folder.parent_path(); folder = folder.parent_path())
      if (std::filesystem::exists(folder / name)) return folder / name;
  FAIL(name);
  return {};
}

constexpr auto two_publishers = "[publish.hyperliquid]\n[publish.binance]\n";

}  // namespace

TEST_CASE("up: one publisher per section, one transformer, one store; readers are started first and end last") {
  auto const config = config_of(two_publishers);
  auto const agents = agents_of(config, {.program = "/bin/penstock"});
  CHECK(names(agents) == Words{"store", "transform", "publish hyperliquid", "publish binance", "audit"});
  CHECK(agents[3].command == Words{"/bin/penstock", "publish", "binance", "--config", config.file(), "--status-fd=3",
                                   "--http-listen=off", "--kafka-wait-ms-max=0"});
  CHECK(agents[0].rank == stores);
  CHECK(agents[1].rank == transformers);
  CHECK(agents[2].rank == publishers);
}

TEST_CASE("up: several of a kind have numbers, which they are told, so that each has its own name in its group") {
  auto const config = config_of("[publish.binance]\ncount = 2\n[publish.coingecko]\n[transform]\ncount = 2\n");
  auto const agents = agents_of(config, {.program = "p"});
  CHECK(names(agents) ==
        Words{"store", "transform 1", "transform 2", "publish binance 1", "publish binance 2", "publish coingecko", "audit"});
  CHECK(std::ranges::contains(agents[2].command, "--status-instance=2"));
  CHECK(agents[2].number == 2);
  CHECK(agents[4].provider == "binance");
  CHECK(name_without_number(agents[4]) == "publish binance");
  CHECK_FALSE(std::ranges::any_of(agents[0].command, [](auto const& word) { return word.starts_with("--status-instance"); }));
  for (auto const& agent : agents)
    CHECK_NOTHROW(parse_command_line(Words(agent.command.begin() + 1, agent.command.end()), all_commands()));
  CHECK(names(agents_of(config, {.program = "p", .counts = {{"transform", 1}, {"publish coingecko", 2}}})) ==
        Words{"store", "transform", "publish binance 1", "publish binance 2", "publish coingecko 1", "publish coingecko 2",
              "audit"});
}

TEST_CASE("up: what is not enabled is known and not started") {
  auto const agents = agents_of(config_of("[publish.binance]\nenabled = false\n[store]\nenabled = false\n"), {.program = "p"});
  CHECK(names(agents) == Words{"store", "transform", "publish binance", "audit"});
  CHECK_FALSE(agents[0].enabled);
  CHECK(agents[1].enabled);
  CHECK_FALSE(agents[2].enabled);
}

TEST_CASE("up: a changed setting concerns the agents that read it, and no others") {
  struct Case {
    char const *before, *after;
    Words concerned;
  };
  Words const everybody{"store", "transform", "publish binance", "publish coingecko", "dead retry", "audit"};
  auto const all = std::string{"[publish.binance]\n%s\n[publish.coingecko]\n[dead]\nretry_reasons = [\"unknown-symbol\"]\n"};
  for (auto const& [before, after, concerned] : {
           Case{"", "symbols = [\"BTC/USDT\"]", {"publish binance"}},
           Case{"", "[store]\nbatch_age_ms_max = 7", {"store"}},
           Case{"", "[store]\nkinds = [\"trades\"]", {"store", "transform", "audit"}},
           Case{"", "[store]\ngroup = \"g\"", {"store", "transform", "dead retry", "audit"}},
           Case{"", "[transform]\nhold_ms_max = 7", {"transform"}},
           Case{"", "[transform]\ngroup = \"g\"", {"transform", "publish binance", "publish coingecko", "dead retry", "audit"}},
           Case{"", "[database]\nurl = \"postgresql://a@b/c\"", {"store", "audit"}},
           Case{"", "[database]\npassword = \"p\"", {"store", "audit"}},
           Case{"", "[spool]\nbytes_max = 0", {"publish binance", "publish coingecko"}},
           Case{"", "[kafka]\npace_bytes_max = 7", everybody},
           Case{"", "[log]\nlevel = \"debug\"", everybody},
           Case{"", "[publish.hyperliquid]", {"transform"}},
           Case{"", "[kafka]\npartitions = 7", {}},
           Case{"", "count = 3", {}},
           Case{"", "[up]\nstop_ms_max = 7000", {}},
       }) {
    CAPTURE(after);
    auto const with = [&](std::string const& text) {
      auto toml = all;
      return agents_of(config_of(toml.replace(toml.find("%s"), 2, text)), {.program = "p"});
    };
    auto const old = with(before), fresh = with(after);
    Words differ;
    for (auto const& agent : old)
      for (auto const& other : fresh)
        if (name_without_number(other) == agent.name && other.number == 1 && other.settings != agent.settings)
          differ.push_back(agent.name);
    CHECK(differ == concerned);
  }
}

TEST_CASE("up: what is for it alone is no flag of the agents") {
  for (auto const& words :
       {Words{"transform", "--count", "3"}, Words{"store", "--enabled=false"}, Words{"publish", "binance", "--count", "2"}})
    CHECK_THROWS_WITH_AS(parse_command_line(words, all_commands()), doctest::Contains("unknown flag"), UsageError);
  CHECK(parse_command_line({"up", "--transform-count", "3", "--stop-ms-max", "9000"}, all_commands()).settings ==
        std::map<std::string, std::string>{{"transform.count", "3"}, {"up.stop_ms_max", "9000"}});
}

TEST_CASE("up: the agents get the text of the file that was looked through, whatever is in the file when they start") {
  auto const text = std::make_shared<Descriptor>();
  for (auto const& agent : agents_of(config_of(two_publishers), {.program = "p", .text = text})) {
    CHECK(agent.file == text);
    CHECK(agent.variables.at("PENSTOCK_CONFIG_FD") == "4");
  }
}

TEST_CASE("up: it audits by itself, but not without transactions, a store, or a wish for it") {
  auto const audits = [](std::string const& toml, UpOptions const& options) {
    return std::ranges::contains(names(agents_of(config_of("[publish.binance]\n" + toml), options)), "audit");
  };
  auto const agents = agents_of(config_of("[publish.binance]\n"), {.program = "p"});
  CHECK(agents.back().rank == publishers);
  CHECK_NOTHROW(parse_command_line(Words(agents.back().command.begin() + 1, agents.back().command.end()), all_commands()));
  CHECK(audits("", {.program = "p"}));
  CHECK_FALSE(audits("[audit]\nevery_ms = 0\n", {.program = "p"}));
  CHECK_FALSE(audits("[kafka]\ntransactions = false\n", {.program = "p"}));
  CHECK_FALSE(audits("", {.program = "p", .embedded_brokers = "127.0.0.1:1"}));
  CHECK_FALSE(audits("", {.program = "p", .without = {"store"}}));
  CHECK_FALSE(audits("", {.program = "p", .without = {"audit"}}));
}

TEST_CASE("up: letters are replayed by themselves only where a reason is named") {
  auto const config = config_of("[publish.binance]\n[dead]\nretry_reasons = [\"unknown-symbol\"]\n");
  auto const agents = agents_of(config, {.program = "p"});
  CHECK(names(agents) == Words{"store", "transform", "publish binance", "dead retry", "audit"});
  CHECK(agents[3].rank == publishers);
  Words const words(agents[3].command.begin() + 1, agents[3].command.end());
  CHECK_NOTHROW(parse_command_line(words, all_commands()));
  CHECK(names(agents_of(config, {.program = "p", .without = {"dead"}})) ==
        Words{"store", "transform", "publish binance", "audit"});
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
  CHECK(names(agents_of(none, {.program = "p", .without = {"publish"}})) == Words{"store", "transform", "audit"});
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
  File const file{"[publish.binance]\nsymbols = [\"NOPE\"]\n[database]\nurl = \"postgresql://penstock@127.0.0.1:9/x\"\n"};
  Invocation invocation;
  invocation.config = load_config(file.path);
  CHECK_THROWS_WITH_AS(up_command.run(invocation), doctest::Contains("NOPE"), UsageError);
}

TEST_CASE("up: a folder where publishers could not keep records is found before anything is started, unless none publishes") {
  Folder const folder;
  auto const invocation = [&](std::string const& publisher) {
    Invocation one;
    one.config = load_config(folder.file("penstock.toml", "[publish.binance]\n" + publisher +
                                                              "[spool]\nfolder = \"/dev/null/spool\"\n"
                                                              "[database]\nurl = \"postgresql://penstock@127.0.0.1:9/x\"\n"
                                                              "[up]\nsocket = \"none\"\nwait_ms_max = 1\n"));
    return one;
  };
  CHECK_THROWS_WITH_AS(up_command.run(invocation("")), doctest::Contains("spool.folder: records cannot be kept in"), UsageError);
  CHECK_THROWS_AS(up_command.run(invocation("enabled = false\n")), Fault);  // The database is away.
  auto elsewhere = invocation("");
  elsewhere.flags = {{"without", "publish"}};
  CHECK_THROWS_AS(up_command.run(elsewhere), Fault);
}

TEST_CASE("up: every agent that it starts knows the flags that it gives") {
  auto const config = config_of("[publish.binance]\n");
  for (auto const& agent : agents_of(config, {.program = "p", .embedded_brokers = "127.0.0.1:7"})) {
    CAPTURE(agent.name);
    Words const words(agent.command.begin() + 1, agent.command.end());
    CHECK_NOTHROW(parse_command_line(words, all_commands()));
  }
}

TEST_CASE("up: the service's unit file says what penstock takes, and waits for its end longer than that may take") {
  std::map<std::string, std::string> unit;
  std::ifstream in{in_tree("compose/systemd/penstock.service")};
  for (std::string line; std::getline(in, line);)
    if (auto const equals = line.find('='); equals != line.npos) unit[line.substr(0, equals)] = line.substr(equals + 1);
  for (auto const* key : {"ExecStart", "ExecReload"}) {
    CAPTURE(unit[key]);
    Words words;
    for (auto const part : std::views::split(unit[key], ' ')) words.emplace_back(std::string_view{part});
    REQUIRE(words.size() > 1);
    CHECK(words.front() == "/usr/bin/penstock");
    CHECK_NOTHROW(parse_command_line({words.begin() + 1, words.end()}, all_commands()));
  }
  CHECK(std::chrono::seconds{std::stoi(unit["TimeoutStopSec"])} > up_command.stop_max(config_of(two_publishers)));
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
      auto const read_here = !setting.only_up || std::ranges::contains(command->sections, "up");
      if (read_here && std::ranges::contains(command->sections, section))
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
