#include "agents/operate/check.hpp"

#include "agents/operate/commands.hpp"
#include "agents/settings.hpp"
#include "streaming/fault.hpp"
#include "streaming/log.hpp"
#include "test/folder.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <iostream>
#include <sstream>

using namespace penstock;

namespace {

struct Answer {
  int code = 0;
  std::string text;
};

/// `penstock check` with a penstock.toml of these words.
Answer check(std::string const& toml, bool json = false) {
  test::File const file{toml};
  Invocation invocation;
  invocation.config = load_config(file.path);
  if (json) invocation.flags["json"] = "true";
  invocation.flags["sample-seconds"] = "0";
  std::ostringstream out;
  auto* const before = std::cout.rdbuf(out.rdbuf());
  auto const code = check_command.run(invocation);
  std::cout.rdbuf(before);
  return {code, std::move(out).str()};
}

// Port 9 of this machine: nobody listens there.
constexpr auto nowhere =
    "[kafka]\nbrokers = \"127.0.0.1:9\"\n[spool]\nfolder = \"/dev/null/spool\"\n[database]\nurl = "
    "\"postgresql://penstock@127.0.0.1:9/penstock\"\n[log]\nlevel = "
    "\"error\"\n";

}  // namespace

TEST_CASE("check: findings are lines that begin with ok, warning or WRONG, columns aligned, rows below") {
  std::vector<Finding> findings{
      finding("broker a:1", [] { return Found{"reachable"}; }),
      finding("topics", []() -> Found { throw Fault{Fault::Kind::fatal, "md.trades is missing:\nrun `penstock topics apply`"}; }),
      finding("clock", [] {
        Found found{Found::State::warning, "late"};
        found.rows = {{"trades", "{\"price\":\"1.10\"}"}};
        return found;
      })};
  CHECK(findings_text(findings) ==
        "ok       broker a:1  reachable\nWRONG    topics      md.trades is missing: run `penstock topics apply`\n"
        "warning  clock       late\n           trades  {\"price\":\"1.10\"}\n");
  CHECK(findings_json(findings) ==
        "{\"ok\":false,\"checks\":[{\"what\":\"broker a:1\",\"state\":\"ok\",\"detail\":\"reachable\"},"
        "{\"what\":\"topics\",\"state\":\"wrong\",\"detail\":\"md.trades is missing: run `penstock topics apply`\"},"
        "{\"what\":\"clock\",\"state\":\"warning\",\"detail\":\"late\",\"rows\":[{\"table\":\"trades\",\"row\":{\"price\":\"1."
        "10\"}}]}]}\n");
  CHECK(exit_of(findings) == gave_up);
  CHECK(exit_of({findings[0], findings[2]}) == stopped_as_asked);
  findings[1].of_configuration = true;
  CHECK(exit_of(findings) == wrong_usage);
}

TEST_CASE("check: a secret in an error is not shown") {
  log::redact("open sesame");
  CHECK(finding("x", []() -> Found { throw Fault{Fault::Kind::fatal, "password open sesame is wrong"}; }).found.detail ==
        "password *** is wrong");
  CHECK(finding("x", [] { return Found{"open sesame"}; }).found.detail == "***");
}

TEST_CASE("check: it goes on after what is wrong, shows all, and is through in time with everything away") {
  auto const began = std::chrono::steady_clock::now();
  auto const [code, text] =
      check(std::string{nowhere} + "[publish.binance]\nsymbols = [\"NOT A SYMBOL\"]\n[publish.coingecko]\n");
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds{60});
  CHECK(code == wrong_usage);
  for (auto const* part :
       {"ok       configuration", "ok       publishers", "WRONG    publish.binance", "ok       publish.coingecko",
        "WRONG    spool", "name a folder that can be written in spool.folder", "WRONG    broker 127.0.0.1:9 ",
        "WRONG    transactions", "WRONG    topics", "WRONG    database penstock@127.0.0.1:9/penstock", "WRONG    timescaledb",
        "WRONG    migrations", "WRONG    tables", "WRONG    rights"})
    CHECK_MESSAGE(text.contains(part), text, "\n lacks: ", std::string{part});
  auto const json = check(nowhere, true);
  CHECK(json.text.starts_with("{\"ok\":false,\"checks\":[{\"what\":\"configuration\",\"state\":\"ok\","));
  CHECK(json.text.contains(
      "{\"what\":\"publishers\",\"state\":\"wrong\",\"detail\":\"no [publish.PROVIDER] section: write for example "
      "[publish.binance]\"}"));
}
