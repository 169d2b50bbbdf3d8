#include "agents/command_line.hpp"

#include "agents/command_help.hpp"
#include "agents/settings.hpp"
#include "agents/version.hpp"
#include "streaming/fault.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <ranges>

using namespace penstock;

namespace {

Command const store{.name = "store",
                    .summary = "writes md.<kind> to TimescaleDB",
                    .sections = {"store", "database", "kafka", "retention", "status"},
                    .flags = {{.name = "once", .help = "End at the end of the log"}},
                    .example = "penstock store --batch-age-ms-max 20    smaller batches"};
Command const publish{.name = "publish",
                      .summary = "brings a provider in",
                      .arguments = "PROVIDER",
                      .arguments_least = 1,
                      .arguments_most = 1,
                      .sections = {"publish.*", "kafka"},
                      .example = "penstock publish binance"};
Command const db{.name = "db",
                 .summary = "schema",
                 .arguments = "plan|apply|status",
                 .arguments_least = 1,
                 .arguments_most = 1,
                 .sections = {"database"},
                 .flags = {{.name = "json", .help = "JSON"}},
                 .example = "penstock db plan"};
Command const simulate{.name = "simulate",
                       .summary = "speaks a provider's protocol",
                       .arguments = "PROVIDER...",
                       .arguments_least = 1,
                       .arguments_most = 9,
                       .flags = {{.name = "recording", .argument = "FILE", .help = "Recorded traffic", .repeats = true},
                                 {.name = "seed", .argument = "N", .help = "Of the market", .fallback = "1"}},
                       .example = "penstock simulate binance"};
Command const up{.name = "up", .summary = "all", .sections = {"", "kafka", "publish.*"}, .example = "penstock up"};
std::vector<Command const*> const commands{&up, &publish, &store, &simulate, &db};

CommandLine parse(std::vector<std::string> const& words) { return parse_command_line(words, commands); }

std::string error_of(std::vector<std::string> const& words) {
  try {
    parse(words);
  } catch (UsageError const& error) {
    return error.what();
  }
  return "no error";
}

/// Without the line breaks of the help.
std::string on_one_line(std::string const& text) {
  std::string out;
  for (char const c : text)
    if (auto const blank = c == ' ' || c == '\n'; !blank || !out.ends_with(' ')) out += blank ? ' ' : c;
  return out;
}

using Texts = std::map<std::string, std::string>;

}  // namespace

TEST_CASE("command line: the first section's keys are flags without prefix, the others' with it") {
  auto const line = parse(
      {"store", "--batch-count-max", "10", "--kinds=trades,books", "--kafka-brokers", "a:1,b:2", "--once", "--config", "x.toml"});
  CHECK(line.command == &store);
  CHECK(line.settings == Texts{{"store.batch_count_max", "10"}, {"store.kinds", "trades,books"}, {"kafka.brokers", "a:1,b:2"}});
  CHECK(line.spelled.at("store.batch_count_max") == "batch-count-max");
  CHECK(line.flags == Texts{{"once", "true"}});
  CHECK(line.config_file == "x.toml");
  CHECK(parse({"store", "--store-batch-count-max", "10"}).settings == Texts{{"store.batch_count_max", "10"}});
  CHECK(parse({"store", "--log-level", "debug"}).settings == Texts{{"log.level", "debug"}});
  CHECK(parse({"store", "--status-fd", "-1"}).settings == Texts{{"status.fd", "-1"}});
  CHECK(parse({"store"}).config_file.empty());
}

TEST_CASE("command line: publish's section is the one of its provider, wherever the word stands") {
  CHECK(parse({"publish", "binance", "--symbols", "BTC/USDT,ETH/USDT"}).settings ==
        Texts{{"publish.binance.symbols", "BTC/USDT,ETH/USDT"}});
  CHECK(parse({"publish", "--symbols", "BTC/USDT", "--symbols", "ETH/USDT", "binance"}).settings ==
        Texts{{"publish.binance.symbols", "BTC/USDT,ETH/USDT"}});
  CHECK(parse({"publish", "binance"}).arguments == std::vector<std::string>{"binance"});
  CHECK(parse({"up", "--publish-binance-http-url", "http://x"}).settings == Texts{{"publish.binance.http_url", "http://x"}});
  CHECK(parse({"publish", "binance", "--api-key-file", "f"}).settings == Texts{{"publish.binance.api_key_file", "f"}});
}

TEST_CASE("command line: a boolean is true without a word, and a word after it is an argument") {
  CHECK(parse({"publish", "--kafka-transactions", "binance"}).settings == Texts{{"kafka.transactions", "true"}});
  CHECK(parse({"publish", "--kafka-transactions", "false", "binance"}).settings == Texts{{"kafka.transactions", "false"}});
  CHECK(parse({"publish", "--kafka-transactions=false", "binance"}).settings == Texts{{"kafka.transactions", "false"}});
}

TEST_CASE("command line: a flag that repeats is kept line by line") {
  auto const line = parse({"simulate", "binance", "--recording", "a b.jsonl", "--recording=c"});
  CHECK(line.flags == Texts{{"recording", "a b.jsonl\nc"}});
}

TEST_CASE("command line: what is wrong names the nearest right word") {
  struct Case {
    std::vector<std::string> words;
    std::string error;
  };
  for (auto const& [words, error] : {
           Case{{}, "needs a command; `penstock --help` lists them"},
           Case{{"stroe"}, "unknown command stroe; did you mean store?"},
           Case{{"xyzzy"}, "unknown command xyzzy; known: up, publish, store, simulate, db, help, completion"},
           Case{{"--jsn"}, "flag --jsn has no command before it: write penstock COMMAND [FLAG...] (`penstock --help`)"},
           Case{{"--hlep"}, "unknown flag --hlep; did you mean --help?"},
           Case{{"store", "--batch-cuont-max", "3"},
                "unknown flag --batch-cuont-max; did you mean --batch-count-max? (see `penstock store --help`)"},
           Case{{"store", "--batch-count-maxx=3"},
                "unknown flag --batch-count-maxx; did you mean --batch-count-max? (see `penstock store --help`)"},
           Case{{"store", "--xyzzy"}, "unknown flag --xyzzy (see `penstock store --help`)"},
           Case{{"store", "-x"}, "unknown flag -x (see `penstock store --help`)"},
           Case{{"store", "--batch"}, "unknown flag --batch; did you mean --batch-count-max? (see `penstock store --help`)"},
           Case{{"store", "--kinds"}, "--kinds needs a value (see `penstock store --help`)"},
           Case{{"store", "--kinds="}, "--kinds needs a value (see `penstock store --help`)"},
           Case{{"store", "--once=3"}, "--once is a switch and takes no value (see `penstock store --help`)"},
           Case{{"store", "trades"},
                "does not know what to do with \"trades\"; it takes no arguments (see `penstock store --help`)"},
           Case{{"store", "--config", "a", "--config", "b"}, "--config is given twice"},
           Case{{"store", "--batch-count-max", "1", "--store-batch-count-max", "2"}, "--store-batch-count-max is given twice"},
           Case{{"simulate", "binance", "--seed", "1", "--seed", "2"}, "--seed is given twice"},
           Case{{"publish"}, "needs PROVIDER, found nothing (see `penstock publish --help`)"},
           Case{{"publish", "binanse"}, "unknown provider \"binanse\"; did you mean binance?"},
           Case{{"publish", "binance", "coingecko"},
                "does not know what to do with \"coingecko\"; it takes PROVIDER (see `penstock publish --help`)"},
           Case{{"simulate", "binance", "hyperlikuid"}, "unknown provider \"hyperlikuid\"; did you mean hyperliquid?"},
           Case{{"db", "aply"}, "unknown word \"aply\"; did you mean apply?"},
           Case{{"db", "destroy"}, "unknown word \"destroy\"; known: plan, apply, status"},
           Case{{"up", "--publish-PROVIDER-symbols", "x"}, "--publish-PROVIDER-symbols: write the provider instead of PROVIDER"},
           Case{{"help", "stroe"}, "unknown command stroe; did you mean store?"},
       }) {
    CHECK(error_of(words) == error);
  }
}

TEST_CASE("command line: a secret as a flag is refused with what to do instead") {
  auto const line = parse({"store", "--database-password", "hunter2"});
  std::string error;
  try {
    load_config("/dev/null", line.settings, line.spelled);
  } catch (UsageError const& refused) {
    error = refused.what();
  }
  CHECK(error ==
        "flag --database-password: a secret on the command line can be read by everybody on this machine; use the variable "
        "PENSTOCK_DATABASE_PASSWORD or, for a file that holds it, --database-password-file");
  CHECK_FALSE(help_text(store).contains("--database-password TEXT"));
  CHECK(help_text(store).contains("--database-password-file FILE"));
}

TEST_CASE("command line: help and version are answers, wherever the word stands") {
  CHECK(parse({"--version"}).answer == "penstock " + std::string{penstock_version} + "\n");
  CHECK(parse({"--help"}).answer == help_text(commands));
  CHECK(parse({"-h"}).answer == help_text(commands));
  CHECK(parse({"store", "--kinds", "trades", "--help"}).answer == help_text(store));
  CHECK(parse({"store", "-h"}).command == nullptr);
  CHECK(parse({"help", "store"}).answer == help_text(store));
}

TEST_CASE("command line: the help of a command has all its flags with default and range, and fits in 100 columns") {
  auto const help = help_text(store);
  CHECK(help.starts_with("penstock store: writes md.<kind> to TimescaleDB\n\nUsage: penstock store [FLAG...]\n"));
  for (auto const* part :
       {"--once ", "--config FILE", "--help", "--batch-count-max N", "--kinds LIST", "--kafka-brokers TEXT", "--log-level WORD",
        "--retention-trades-days N", "--kafka-transactions true|false", "(default 50000)", "from 1 to 10000000",
        "Settings [store]:", "Settings [kafka]:", "Example:\n  penstock store --batch-age-ms-max 20\n      smaller batches\n"})
    CHECK_MESSAGE((help.contains(part) || on_one_line(help).contains(part)), std::string{part});
  CHECK(help_text(publish).contains("Usage: penstock publish PROVIDER [FLAG...]"));
  CHECK(help_text(publish).contains("Settings [publish.PROVIDER]:"));
  CHECK(help_text(up).contains("--publish-PROVIDER-symbols LIST"));
  for (auto const* command : commands)
    for (auto const part : std::views::split(help_text(*command), '\n')) {
      std::string_view const text_line{part};
      CHECK_MESSAGE(text_line.size() <= 100, std::string{text_line});
    }
}
