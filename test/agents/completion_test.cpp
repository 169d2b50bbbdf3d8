#include "agents/completion.hpp"

#include "agents/command_answers.hpp"
#include "agents/command_flags.hpp"
#include "agents/operate/commands.hpp"
#include "agents/settings.hpp"
#include "agents/version.hpp"
#include "streaming/fault.hpp"

#include "test/folder.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

using namespace penstock;
using penstock::test::File;

namespace {

/// What bash offers when Tab is pressed after these words (the last may be empty or half).
std::set<std::string> offered(std::string const& script, std::vector<std::string> const& words) {
  auto line = "bash -c 'source " + script + "; COMP_WORDS=(";
  for (auto const& word : words) line += '"' + word + "\" ";
  line += "); COMP_CWORD=" + std::to_string(words.size() - 1) + "; _penstock 2>/dev/null; printf \"%s\\n\" \"${COMPREPLY[@]}\"'";
  auto* const pipe = ::popen(line.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string out;
  std::array<char, 4096> piece;
  while (auto const count = std::fread(piece.data(), 1, piece.size(), pipe)) out.append(piece.data(), count);
  CHECK(::pclose(pipe) == 0);
  std::set<std::string> found;
  std::istringstream in{out};
  for (std::string one; std::getline(in, one);)
    if (!one.empty()) found.insert(one);
  return found;
}

using Offered = std::set<std::string>;

}  // namespace

TEST_CASE("completion: bash offers commands, words, flags and what a flag takes") {
  File const file{bash_completion(all_commands())};
  auto const at = [&](std::vector<std::string> const& words) { return offered(file.path, words); };
  CHECK(at({"penstock", "st"}) == Offered{"store"});
  CHECK(at({"penstock", "h"}) == Offered{"help"});
  CHECK(at({"penstock", "db", ""}) == Offered{"plan", "apply", "status", "retention"});
  CHECK(at({"penstock", "publish", "b"}).contains("binance"));
  CHECK(at({"penstock", "store", "--batch-c"}) == Offered{"--batch-count-max"});
  CHECK(at({"penstock", "publish", "binance", "--sym"}) == Offered{"--symbols"});
  CHECK(at({"penstock", "up", "--publish-binance-sym"}) == Offered{"--publish-binance-symbols"});
  CHECK(at({"penstock", "up", "--log-format", ""}) == Offered{"logfmt", "json"});
  CHECK(at({"penstock", "up", "--log-format", "=", "j"}) == Offered{"json"});
  CHECK(at({"penstock", "up", "--log-format", "="}) == Offered{"logfmt", "json"});
  CHECK(at({"penstock", "store", "--kinds", "trades,can"}) == Offered{"trades,candles"});
  CHECK(at({"penstock", "store", "--batch-count-max", ""}).empty());
  CHECK(at({"penstock", "audit", "--config", "/etc/pass"}).contains("/etc/passwd"));
  CHECK(at({"penstock", "completion", ""}) == Offered{"bash", "zsh"});
  CHECK(at({"penstock", "help", "--"}) == Offered{"--man"});
  CHECK(at({"penstock", "help", "aud"}) == Offered{"audit"});
}

TEST_CASE("completion: every command and every flag that its help shows is offered, a secret's own flag is not") {
  auto const bash = bash_completion(all_commands()), zsh = zsh_completion(all_commands());
  for (auto const* command : all_commands()) {
    CHECK(bash.contains("\n    " + command->name + ")\n"));
    CHECK(zsh.contains("\n    " + command->name + ")\n      _arguments"));
    for (auto const& flag : setting_flags(*command)) {
      if (!flag.shown || flag.name.contains(placeholder(flag.setting->key))) continue;
      CHECK(bash.contains("--" + flag.name));
      CHECK(zsh.contains("'--" + flag.name + "=["));
    }
  }
  CHECK_FALSE(bash.contains("--database-password "));
  CHECK(bash.contains("--database-password-file) kind=file"));
}

TEST_CASE("manual: penstock(1) has every command, flag and key, and this build's version") {
  auto const page = *answer_to({"help", "--man"}, all_commands());
  auto const roff = [](std::string text) {
    for (std::size_t at = 0; (at = text.find('-', at)) != text.npos; at += 2) text.insert(at, "\\");
    return text;
  };
  CHECK(page.starts_with(".TH PENSTOCK 1 \"\" \"penstock " + std::string{penstock_version} + '"'));
  for (auto const* command : all_commands()) {
    CHECK(page.contains(".SS \"penstock " + command->name));
    for (auto const& flag : command->flags) CHECK(page.contains(roff("\\fB--" + flag.name)));
  }
  for (auto const& setting : all_settings()) {
    auto const key = with_name(setting.key, placeholder(setting.key)) + (setting.secret ? "_file" : "");
    CHECK_MESSAGE(page.contains(roff("\\fB" + key + ", --")), key);
  }
}

TEST_CASE("answers: what is not known names the nearest") {
  struct Case {
    std::vector<std::string> words;
    std::string error;
  };
  for (auto const& [words, error] : {
           Case{{"completion"}, "completion takes the name of the shell: bash or zsh"},
           Case{{"completion", "bsh"}, "there is no completion for bsh; did you mean bash?"},
           Case{{"help", "stroe"}, "unknown command stroe; did you mean store?"},
           Case{{"help", "store", "up"}, "help takes one word, found up as well"},
       }) {
    std::string found;
    try {
      answer_to(words, all_commands());
    } catch (UsageError const& refused) {
      found = refused.what();
    }
    CHECK(found == error);
  }
  CHECK_FALSE(answer_to({"store", "--", "--help"}, all_commands()).has_value());
}
