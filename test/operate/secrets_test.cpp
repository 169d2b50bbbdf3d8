/// Secrets of the configuration do not come out of any command, whatever goes wrong.
#include "agents/dead/letter.hpp"
#include "streaming/log.hpp"
#include "test/folder.hpp"
#include "test/program.hpp"
#include "test/server.hpp"

using namespace penstock;
using namespace penstock::test;

namespace {

constexpr auto secrets = std::array{"url-pa55-word", "own-pa55-word", "sasl-pa55-word", "api-k3y-words"};

void check_hidden(Ran const& ran) {
  for (std::string const secret : secrets) CHECK_MESSAGE(!ran.text.contains(secret), ran.text);
}

}  // namespace

TEST_CASE("secrets: no command shows them, not in errors, nor at level debug, nor when a provider repeats them") {
  Server echo{http_answers([](auto const& request) {
    return Response{.status = 401,
                    .body = R"({"status":{"error_code":10002,"error_message":"the key )" + request.header("x-cg-demo-api-key") +
                            R"( is wrong"}})"};
  })};
  Folder const folder;
  auto const file =
      folder.file("penstock.toml",
                  "[kafka]\nbrokers = \"127.0.0.1:9\"\nwait_ms_max = 500\n"
                  "properties = [\"security.protocol=sasl_plaintext\", \"sasl.mechanism=PLAIN\", \"sasl.username=u\", "
                  "\"sasl.password=sasl-pa55-word\"]\n"
                  "[database]\nurl = \"postgresql://penstock:url-pa55-word@127.0.0.1:9/penstock\"\n"
                  "password = \"own-pa55-word\"\n[log]\nlevel = \"debug\"\n[publish.coingecko]\napi_key = \"api-k3y-words\"\n"
                  "http_url = \"" +
                      echo.http() + "\"\n[spool]\nfolder = \"" + folder.path.string() + "\"\n");
  std::string const program = std::string{"timeout -s TERM 4 "} + PENSTOCK_PROGRAM;
  for (std::string const words :
       {"check --sample-seconds 1", "check --sample-seconds 1 --json", "graph", "graph --dot", "list --settings", "topics plan",
        "db status", "store", "publish coingecko", "publish coingecko --log-format json", "audit"}) {
    CAPTURE(words);
    check_hidden(shell(program + ' ' + words + " --config " + file + " 2>&1 < /dev/null"));
  }
  // It was really asked with the key, and refused: the line is there, without it.
  auto const published = shell(program + " publish coingecko --config " + file + " 2>&1 < /dev/null");
  CHECK_MESSAGE(published.text.contains("***"), published.text);
}

TEST_CASE("secrets: a dead letter's detail has none") {
  log::redact("api-k3y-words");
  Delivery const delivery{.position = {"raw.x", Partition{0}, Offset{0}}, .key = "k", .value = "v"};
  auto const letter = dead_letter(delivery, {"malformed", "found \"api-k3y-words\""}, "transform", Time{});
  for (auto const& [name, value] : letter.headers) CHECK_FALSE(value.contains("api-k3y-words"));
}
