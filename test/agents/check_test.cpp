#include "agents/operate/check.hpp"

#include "agents/operate/commands.hpp"
#include "agents/settings.hpp"
#include "streaming/fault.hpp"
#include "streaming/log.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
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
  auto pattern = (std::filesystem::temp_directory_path() / "penstock-check-XXXXXX").string();
  std::filesystem::path const folder = ::mkdtemp(pattern.data());
  std::ofstream{folder / "penstock.toml"} << toml;
  Invocation invocation;
  invocation.config = load_config((folder / "penstock.toml").string());
  if (json) invocation.flags["json"] = "true";
  std::ostringstream out;
  auto* const before = std::cout.rdbuf(out.rdbuf());
  auto const code = check_command.run(invocation);
  std::cout.rdbuf(before);
  std::filesystem::remove_all(folder);
  return {code, std::move(out).str()};
}

// Port 9 of this machine: nobody listens there.
constexpr auto nowhere =
    "[kafka]\nbrokers = \"127.0.0.1:9\"\n[spool]\nfolder = \"/dev/null/spool\"\n[database]\nurl = "
    "\"postgresql://penstock@127.0.0.1:9/penstock\"\n[log]\nlevel = "
    "\"error\"\n";

}  // namespace

TEST_CASE("check: findings are lines that begin with ok or FAILED, columns aligned") {
  std::vector<Finding> const findings{finding("broker a:1", [] { return std::string{"reachable"}; }),
                                      finding("topics", []() -> std::string {
                                        throw Fault{Fault::Kind::fatal, "md.trades is missing:\nrun `penstock topics apply`"};
                                      })};
  CHECK(findings_text(findings) ==
        "ok      broker a:1  reachable\nFAILED  topics      md.trades is missing: run `penstock topics apply`\n");
  CHECK(findings_json(findings) ==
        "{\"ok\":false,\"checks\":[{\"what\":\"broker a:1\",\"ok\":true,\"detail\":\"reachable\"},"
        "{\"what\":\"topics\",\"ok\":false,\"detail\":\"md.trades is missing: run `penstock topics apply`\"}]}\n");
  CHECK_FALSE(all_good(findings));
  CHECK(all_good({findings[0]}));
}

TEST_CASE("check: a secret in an error is not shown") {
  log::redact("open sesame");
  CHECK(finding("x", []() -> std::string { throw Fault{Fault::Kind::fatal, "password open sesame is wrong"}; }).detail ==
        "password *** is wrong");
}

TEST_CASE("check: it goes on after a failure and shows all") {
  auto const [code, text] =
      check(std::string{nowhere} + "[publish.binance]\nsymbols = [\"NOT A SYMBOL\"]\n[publish.coingecko]\n");
  CHECK(code == gave_up);
  for (auto const* part :
       {"ok      configuration", "ok      publishers", "FAILED  publish.binance", "ok      publish.coingecko", "FAILED  spool",
        "name a folder that can be written in spool.folder", "FAILED  broker 127.0.0.1:9 ", "FAILED  topics",
        "FAILED  database penstock@127.0.0.1:9/penstock", "FAILED  timescaledb", "FAILED  migrations"})
    CHECK_MESSAGE(text.contains(part), text, "\n lacks: ", std::string{part});
  auto const json = check(nowhere, true);
  CHECK(json.code == gave_up);
  CHECK(json.text.starts_with("{\"ok\":false,\"checks\":[{\"what\":\"configuration\",\"ok\":true,"));
  CHECK(
      json.text.contains("{\"what\":\"publishers\",\"ok\":false,\"detail\":\"no [publish.PROVIDER] section: write for example "
                         "[publish.binance]\"}"));
}
