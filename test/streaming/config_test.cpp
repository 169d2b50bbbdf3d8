#include "streaming/config.hpp"

#include "streaming/fault.hpp"
#include "streaming/log.hpp"

#include "test/folder.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

using namespace penstock;
using penstock::test::Folder;
using Type = Setting::Type;

namespace {

std::vector<Setting> const settings{
    {.key = "kafka.brokers", .type = Type::text, .fallback = "127.0.0.1:9092"},
    {.key = "kafka.transactions", .type = Type::boolean, .fallback = "true"},
    {.key = "kafka.properties", .type = Type::list},
    {.key = "log.level", .type = Type::choice, .fallback = "info", .choices = {"debug", "info", "warning", "error"}},
    {.key = "store.batch_count_max", .type = Type::integer, .fallback = "50000", .least = 1, .most = 1'000'000},
    {.key = "store.batch_age_ms_max", .type = Type::integer, .fallback = "50", .least = 1, .most = 60'000},
    {.key = "store.kinds", .type = Type::list, .fallback = "trades, candles", .choices = {"trades", "candles", "books"}},
    {.key = "database.url", .type = Type::text},
    {.key = "database.password", .type = Type::text, .secret = true},
    {.key = "publish.*.symbols", .type = Type::list},
    {.key = "publish.*.http_url", .type = Type::text},
    {.key = "publish.*.api_key", .type = Type::text, .secret = true},
};
std::vector<std::string> const providers{"binance", "hyperliquid", "coingecko"};

struct Variable {
  Variable(char const* name, std::string const& value) : name_{name} { ::setenv(name, value.c_str(), 1); }
  ~Variable() { ::unsetenv(name_); }
  char const* name_;
};

Config load(std::string const& file, std::map<std::string, std::string> const& flags = {}) {
  return ConfigLoader{settings, providers}.load(file, flags);
}

std::string error_of(std::function<void()> const& act) {
  try {
    act();
  } catch (UsageError const& error) {
    return error.what();
  }
  return "no error";
}

/// The file's name is long and made up: errors are compared with `FILE` in its place.
std::string error_of_file(std::string const& text) {
  Folder const folder;
  auto const file = folder.file("penstock.toml", text);
  auto error = error_of([&] { load(file); });
  for (auto at = error.find(file); at != error.npos; at = error.find(file)) error.replace(at, file.size(), "FILE");
  return error;
}

}  // namespace

TEST_CASE("config: a key that is given nowhere has its default") {
  Folder const folder;
  auto const config = load(folder.file("empty.toml", ""));
  CHECK(config.text("kafka.brokers") == "127.0.0.1:9092");
  CHECK(config.boolean("kafka.transactions"));
  CHECK(config.integer("store.batch_count_max") == 50000);
  CHECK(config.milliseconds("store.batch_age_ms_max") == std::chrono::milliseconds{50});
  CHECK(config.list("store.kinds") == std::vector<std::string>{"trades", "candles"});
  CHECK(config.list("kafka.properties").empty());
  CHECK(config.list("publish.binance.symbols").empty());
  CHECK_FALSE(config.given("kafka.brokers"));
  CHECK(config.origin("kafka.brokers") == "default");
  CHECK_THROWS_AS(config.text("kafka.brokres"), std::logic_error);
}

TEST_CASE("config: flag beats variable beats file beats default, and each says where it came from") {
  Folder const folder;
  auto const file = folder.file("penstock.toml", "[store]\nbatch_count_max = 2\n");
  CHECK(load(file).integer("store.batch_count_max") == 2);
  CHECK(load(file).origin("store.batch_count_max") == file + " line 2 column 19");
  {
    Variable const variable{"PENSTOCK_STORE_BATCH_COUNT_MAX", "3"};
    CHECK(load(file).integer("store.batch_count_max") == 3);
    CHECK(load(file).origin("store.batch_count_max") == "variable PENSTOCK_STORE_BATCH_COUNT_MAX");
    auto const config = load(file, {{"store.batch_count_max", "4"}});
    CHECK(config.integer("store.batch_count_max") == 4);
    CHECK(config.origin("store.batch_count_max") == "flag --store-batch-count-max");
    CHECK(config.flags() == std::map<std::string, std::string>{{"store.batch_count_max", "4"}});
  }
  CHECK(load(file).given("store.batch_count_max"));
}

TEST_CASE("config: lists come from arrays, and from text with commas") {
  Folder const folder;
  auto const file =
      folder.file("penstock.toml",
                  "[kafka]\nproperties = [\"ssl.cipher.suites=a,b\", \"x=1\"]\n[store]\nkinds = \"trades , books\"\n"
                  "[publish.binance]\nsymbols = [\"BTC/USDT\",\"ETH/USDT\"]\n");
  auto const config = load(file);
  CHECK(config.list("kafka.properties") == std::vector<std::string>{"ssl.cipher.suites=a,b", "x=1"});
  CHECK(config.list("store.kinds") == std::vector<std::string>{"trades", "books"});
  CHECK(config.list("publish.binance.symbols") == std::vector<std::string>{"BTC/USDT", "ETH/USDT"});
  CHECK(load(file, {{"publish.binance.symbols", "SOL/USDT"}}).list("publish.binance.symbols") ==
        std::vector<std::string>{"SOL/USDT"});
}

TEST_CASE("config: sections come in the order of the file") {
  Folder const folder;
  auto const config =
      load(folder.file("penstock.toml", "[publish.hyperliquid]\n[publish.binance]\n[kafka]\n[publish.coingecko]\n"));
  CHECK(config.sections("publish") == std::vector<std::string>{"hyperliquid", "binance", "coingecko"});
  CHECK(config.sections("store").empty());
}

TEST_CASE("config: what is wrong in the file is said with its line, the nearest word and what is allowed") {
  struct Case {
    char const* text;
    char const* error;
  };
  for (auto const& [text, error] : {
           Case{"[store]\nbatch_cuont_max = 1\n",
                "FILE line 2 column 1: [store] has no key batch_cuont_max; did you mean batch_count_max?"},
           Case{"[store]\nzzz = 1\n",
                "FILE line 2 column 1: [store] has no key zzz; known: batch_count_max, batch_age_ms_max, kinds"},
           Case{"\n[stroe]\n", "FILE line 2 column 2: there is no section [stroe]; did you mean store?"},
           Case{"brokers = \"x\"\n", "FILE line 1 column 1: the key brokers stands outside of a section; write it below [kafka]"},
           Case{"zzzzz = \"x\"\n",
                "FILE line 1 column 1: there is no key zzzzz outside of a section; known: database, kafka, log, publish, store"},
           Case{"[publish]\nsymbols = [\"x\"]\n",
                "FILE line 2 column 1: [publish] has no keys of its own; write [publish.NAME] and the keys below, where NAME is "
                "one of "
                "binance, hyperliquid, coingecko"},
           Case{"publish = 1\n",
                "FILE line 1 column 1: [publish] has no keys of its own; write [publish.NAME] and the keys below, where NAME is "
                "one of "
                "binance, hyperliquid, coingecko"},
           Case{"store = 3\n", "FILE line 1 column 1: store is a section; write [store] and its keys below"},
           Case{"[publish.binanse]\n",
                "FILE line 1 column 10: there is no publish section for \"binanse\"; did you mean binance?"},
           Case{"[publish.nasdaq]\n",
                "FILE line 1 column 10: there is no publish section for \"nasdaq\"; known: binance, hyperliquid, coingecko"},
           Case{"[publish.binance]\nsymbol = \"x\"\n",
                "FILE line 2 column 1: [publish.binance] has no key symbol; did you mean symbols?"},
           Case{"[store]\nbatch_count_max = 0\n",
                "FILE line 2 column 19: store.batch_count_max is \"0\"; it takes a whole number from 1 to 1000000"},
           Case{"[store]\nbatch_count_max = 1.5\n",
                "FILE line 2 column 19: store.batch_count_max is 1.5; it takes a whole number from 1 to 1000000"},
           Case{"[store]\nbatch_count_max = \"many\"\n",
                "FILE line 2 column 19: store.batch_count_max is \"many\"; it takes a whole number from 1 to 1000000"},
           Case{"[kafka]\ntransactions = 1\n", "FILE line 2 column 16: kafka.transactions is 1; it takes true or false"},
           Case{"[log]\nlevel = \"warn\"\n",
                "FILE line 2 column 9: log.level is \"warn\" (did you mean warning?); it takes one of debug, info, warning, "
                "error"},
           Case{"[store]\nkinds = [\"trades\", \"boks\"]\n",
                "FILE line 2 column 9: store.kinds is \"boks\" (did you mean books?); it takes a list of trades, candles, books"},
           Case{"[store]\nkinds = [[\"trades\"]]\n",
                "FILE line 2 column 9: store.kinds is a list with something else than text; it takes a list of trades, candles, "
                "books"},
           Case{"[kafka.brokers]\nx = 1\n", "FILE line 1 column 1: kafka.brokers is a table; it takes text"},
           Case{"[kafka]\nbrokers = 9092\n", "FILE line 2 column 11: kafka.brokers is 9092; it takes text"},
       }) {
    CAPTURE(text);
    CHECK(error_of_file(text) == error);
  }
  CHECK(error_of_file("[kafka\nbrokers = 1\n").starts_with("FILE line 1 column "));
  CHECK(error_of_file("[kafka]\nbrokers = \"a\"\nbrokers = \"b\"\n").starts_with("FILE line 3 column "));
}

TEST_CASE("config: a file that cannot be read is named") {
  Folder const folder;
  auto const missing = (folder / "missing.toml");
  CHECK(error_of([&] { load(missing); }) == "cannot read the configuration file " + missing +
                                                ": No such file or directory; name another with --config or PENSTOCK_CONFIG");
  CHECK(error_of([&] { load((folder / "")); }).starts_with("cannot read the configuration file "));
  Variable const variable{"PENSTOCK_CONFIG", missing};
  CHECK(error_of([] { load(""); }) == "cannot read the configuration file " + missing +
                                          ": No such file or directory; name another with --config or PENSTOCK_CONFIG");
}

TEST_CASE("config: an unknown variable is an error, but for those of tests and the toolbox") {
  Folder const folder;
  auto const file = folder.file("penstock.toml", "");
  {
    Variable const test{"PENSTOCK_TEST_DATABASE", "x"};
    Variable const toolbox{"PENSTOCK_TOOLBOX_DIR", "x"};
    CHECK(error_of([&] { load(file); }) == "no error");
  }
  {
    Variable const typo{"PENSTOCK_KAFKA_BROKRES", "x"};
    CHECK(error_of([&] { load(file); }) ==
          "variable PENSTOCK_KAFKA_BROKRES is not a setting of penstock; did you mean PENSTOCK_KAFKA_BROKERS?");
  }
  {
    Variable const typo{"PENSTOCK_PUBLISH_BINANSE_SYMBOLS", "x"};
    CHECK(error_of([&] { load(file); }) ==
          "variable PENSTOCK_PUBLISH_BINANSE_SYMBOLS: there is no publish section for \"binanse\"; did you mean binance?");
  }
  {
    Variable const wrong{"PENSTOCK_STORE_BATCH_COUNT_MAX", "12x"};
    CHECK(error_of([&] { load(file); }) ==
          "variable PENSTOCK_STORE_BATCH_COUNT_MAX: store.batch_count_max is \"12x\"; it takes a whole number from 1 to 1000000");
  }
  Variable const url{"PENSTOCK_PUBLISH_BINANCE_HTTP_URL", "http://here"};
  CHECK(load(file).text("publish.binance.http_url") == "http://here");
  CHECK(load(file).text("publish.coingecko.http_url").empty());
}

TEST_CASE("config: flags name the nearest known one, and the one that was written") {
  Folder const folder;
  auto const file = folder.file("penstock.toml", "");
  CHECK(error_of([&] { load(file, {{"store.batch_count_mx", "1"}}); }) ==
        "flag --store-batch-count-mx is not known; did you mean --store-batch-count-max?");
  auto const loader = ConfigLoader{settings, providers};
  CHECK(error_of([&] { loader.load(file, {{"store.batch_count_max", "-1"}}, {{"store.batch_count_max", "batch-count-max"}}); }) ==
        "flag --batch-count-max: store.batch_count_max is \"-1\"; it takes a whole number from 1 to 1000000");
}

TEST_CASE("config: a secret comes from a variable, the file or a file of its own, and is never shown") {
  Folder const folder;
  auto const password = folder.file("password", "correct horse\n");
  auto const file = folder.file("penstock.toml", "[database]\npassword_file = \"" + password + "\"\n");
  CHECK(load(file).text("database.password") == "correct horse");
  CHECK(log::redacted("password is correct horse!") == "password is ***!");
  {
    Variable const variable{"PENSTOCK_DATABASE_PASSWORD", "battery staple"};
    CHECK(load(file).text("database.password") == "battery staple");
    CHECK(log::redacted("battery staple") == "***");
  }
  {
    Variable const variable{"PENSTOCK_PUBLISH_COINGECKO_API_KEY_FILE", password};
    CHECK(load(file).text("publish.coingecko.api_key") == "correct horse");
  }
  CHECK(load(folder.file("b.toml", ""), {{"database.password_file", password}}).text("database.password") == "correct horse");
  CHECK(error_of([&] { load(file, {{"database.password", "hunter2"}}); }) ==
        "flag --database-password: a secret on the command line can be read by everybody on this machine; use the variable "
        "PENSTOCK_DATABASE_PASSWORD or, for a file that holds it, --database-password-file");
  CHECK(error_of_file("[database]\npassword = 12345\n") == "FILE line 2 column 12: database.password is ***; it takes text");
  CHECK(error_of_file("[database]\npassword_file = \"/nowhere/password\"\n") ==
        "FILE line 2 column 17: database.password_file names \"/nowhere/password\", which cannot be read: No such file or "
        "directory; name "
        "a file that "
        "this user may read");
  CHECK(error_of_file("[database]\npassword_file = \"/tmp\"\n").contains("cannot be read"));
  CHECK(error_of_file("[database]\npassword = \"swordfish\"\npassword_file = \"/nowhere\"\n") ==
        "FILE line 3 column 17: database.password and database.password_file are both given; keep one of them");
  CHECK(error_of_file("[kafka]\nbrokers_file = \"x\"\n").starts_with("FILE line 2 column 1: [kafka] has no key brokers_file"));
  auto const empty = folder.file("empty", "\n");
  CHECK(error_of([&] {
          load(folder.file("c.toml", ""), {{"database.password_file", empty}});
        }).ends_with("which is empty; write the secret into it"));
}

TEST_CASE("config: a secret in a file that others may read is refused, be it the secret's own or the configuration") {
  Folder const folder;
  auto const open = [](std::string const& file) {
    std::filesystem::permissions(file, std::filesystem::perms{0644});
    return file;
  };
  auto const password = open(folder.file("password", "correct horse\n"));
  auto const mode = ::geteuid() == 0 ? "640 " : "600 ";
  CHECK(error_of_file("[database]\npassword_file = \"" + password + "\"\n") ==
        "FILE line 2 column 17: database.password_file names \"" + password + "\", which others may read, too; run `chmod " +
            mode + password + "`");
  for (auto const* text : {"[database]\npassword = \"open-a\"\n", "[database]\nurl = \"postgresql://me:open-secret@host/db\"\n",
                           "[kafka]\nproperties = [\"sasl.password=open-b\"]\n"}) {
    auto const file = open(folder.file("open.toml", text));
    CHECK(error_of([&] {
            load(file);
          }).ends_with(" is a secret in a file, which others may read, too; run `chmod " + std::string{mode} + file + "`"));
  }
  CHECK_NOTHROW(load(open(folder.file("open.toml", "[database]\nurl = \"postgresql://me@host/db\"\n"))));
}

TEST_CASE("config: the mode of the file does not matter where its text was handed over, a secret's own file does") {
  Folder const folder;
  auto const file = folder.file("penstock.toml", "changed since\n");
  std::filesystem::permissions(file, std::filesystem::perms{0644});
  auto const handed_over = [&](std::string const& toml) {
    auto const descriptor = ::open(folder.file("kept", toml).c_str(), O_RDONLY | O_CLOEXEC);
    Variable const given{"PENSTOCK_CONFIG_FD", std::to_string(descriptor)};
    auto const why = error_of([&] { load(file); });
    ::close(descriptor);
    return why;
  };
  CHECK(handed_over("[database]\npassword = \"kept-secret\"\n") == "no error");
  auto const password = folder.file("password", "kept-secret\n");
  CHECK(handed_over("[database]\npassword_file = \"" + password + "\"\n") == "no error");
  std::filesystem::permissions(password, std::filesystem::perms{0644});
  CHECK(handed_over("[database]\npassword_file = \"" + password + "\"\n").contains("which others may read, too"));
}

TEST_CASE("config: a secret that is given nowhere is looked for where systemd puts credentials") {
  Folder const folder;
  auto const file = folder.file("penstock.toml", "");
  Variable const credentials{"CREDENTIALS_DIRECTORY", (folder / "")};
  CHECK(load(file).text("database.password").empty());
  auto const credential = folder.file("database.password", "from systemd\n");
  // With an access list for the service's user, its mode shows the group's right to read.
  std::filesystem::permissions(credential, std::filesystem::perms{0440});
  folder.file("publish.coingecko.api_key", "coingecko-key\n");
  auto const config = load(file);
  CHECK(config.text("database.password") == "from systemd");
  CHECK(config.origin("database.password") == "credential database.password");
  CHECK(config.secret_file("database.password") == credential);
  CHECK(config.text("publish.coingecko.api_key") == "coingecko-key");
  CHECK(log::redacted("from systemd") == "***");
  Variable const variable{"PENSTOCK_DATABASE_PASSWORD", "from a variable"};
  CHECK(load(file).text("database.password") == "from a variable");
  CHECK(load(file).secret_file("database.password").empty());
}

TEST_CASE("config: a flag that names a secret's file is handed on as that, not as the secret") {
  Folder const folder;
  auto const password = folder.file("password", "handed on\n");
  auto const config = load(folder.file("a.toml", ""), {{"database.password_file", password}});
  CHECK(config.flags() == std::map<std::string, std::string>{{"database.password_file", password}});
}

TEST_CASE("config: a setting may have names of its own, with dots in them") {
  std::vector<Setting> const named{
      {.key = "topics.*.partitions", .type = Type::integer, .fallback = "0", .most = 9, .names = {"md.trades", "md.trades.dead"}},
      {.key = "publish.*.symbols", .type = Type::list}};
  auto const load_named = [&](std::string const& text) {
    Folder const folder;
    return ConfigLoader{named, providers}.load(folder.file("a.toml", text), {});
  };
  for (auto const* text : {"[topics.\"md.trades\"]\npartitions = 7\n", "[topics.md.trades]\npartitions = 7\n"}) {
    auto const config = load_named(text);
    CHECK(config.integer("topics.md.trades.partitions") == 7);
    CHECK(config.integer("topics.md.trades.dead.partitions") == 0);
  }
  Variable const variable{"PENSTOCK_TOPICS_MD_TRADES_DEAD_PARTITIONS", "3"};
  CHECK(load_named("").integer("topics.md.trades.dead.partitions") == 3);
  CHECK(error_of([&] {
          load_named("[topics.\"md.trdes\"]\npartitions = 7\n");
        }).ends_with("there is no topics section for \"md.trdes\"; did you mean md.trades?"));
  CHECK(error_of([&] { load_named("[topics.\"md.trades\"]\npartition = 7\n"); }).contains("did you mean partitions?"));
  CHECK(error_of([&] { load_named("[topics]\npartitions = 7\n"); }).contains("[topics] has no keys of its own"));
}

TEST_CASE("config: a password inside a URL or a broker property is kept out of the log") {
  Folder const folder;
  load(folder.file(
      "a.toml",
      "[database]\nurl = \"postgresql://me:s3cr3t-in-url@host/db\"\n[kafka]\nproperties = [\"sasl.password=pr0perty\"]\n"));
  CHECK(log::redacted("to postgresql://me:s3cr3t-in-url@host/db") == "to postgresql://me:***@host/db");
  CHECK(log::redacted("sasl.password=pr0perty") == "sasl.password=***");
}

TEST_CASE("config: a password inside a flag is refused, and not shown") {
  Folder const folder;
  auto const file = folder.file("a.toml", "[database]\nurl = \"host=h password=in-key-words user=me\"\n");
  load(file);
  CHECK(log::redacted("in-key-words") == "***");
  for (auto const& [key, text] : std::vector<std::pair<std::string, std::string>>{
           {"database.url", "postgresql://me:in-a-flag@host/db"},
           {"database.url", "postgresql://me@host/db?sslmode=require&password=in-a-flag"},
           {"kafka.properties", "security.protocol=sasl_ssl,sasl.password=in-a-flag"}}) {
    CAPTURE(text);
    CHECK(error_of([&] { load(file, {{key, text}}); }) ==
          "flag --" + flag_name(key) +
              ": a secret on the command line can be read by everybody on this machine; use the variable " + variable_name(key) +
              " or the configuration file");
    CHECK_NOTHROW(load(file, {{"database.url", "postgresql://me@host:1/db?sslmode=require"}}));
  }
}

TEST_CASE("config: nearest knows swapped, missing and wrong letters, and when to say nothing") {
  std::vector<std::string> const words{"up", "publish", "transform", "store", "db", "tap"};
  CHECK(nearest("pubilsh", words) == "publish");
  CHECK(nearest("trasnform", words) == "transform");
  CHECK(nearest("stor", words) == "store");
  CHECK(nearest("trans", words) == "transform");
  CHECK(nearest("tpa", words) == "tap");
  CHECK(nearest("xyzzy", words).empty());
  CHECK(suggestion("xyzzy", {"a", "b"}) == "; known: a, b");
  CHECK(suggestion("xyzzy", {}).empty());
}
