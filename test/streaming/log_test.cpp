#include "streaming/log.hpp"

#include "streaming/fault.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>
#include <vector>

using namespace penstock;

namespace {

/// What `act` writes to stderr, with the time cut out: it is different each time.
std::string written(std::function<void()> const& act) {
  std::fflush(stderr);
  auto const file = std::tmpfile();
  auto const before = ::dup(STDERR_FILENO);
  ::dup2(::fileno(file), STDERR_FILENO);
  act();
  std::fflush(stderr);
  ::dup2(before, STDERR_FILENO);
  ::close(before);
  std::rewind(file);
  std::string text;
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text += static_cast<char>(c);
  std::fclose(file);
  return text;
}

std::string without_time(std::string const& line) {
  auto const logfmt = line.starts_with("time=");
  auto const end = line.find('Z');
  return end == line.npos ? line : line.substr(end + (logfmt ? 2 : 3));
}

}  // namespace

TEST_CASE("log: a line is logfmt, with quotes only where they are needed") {
  log::start("publish binance", "info", "logfmt");
  auto const line = written([] {
    log::info("connected",
              {{"url", "wss://x/ws?a=b"}, {"tries", "1"}, {"empty", ""}, {"text", "say \"hi\"\n\\"}, {"bad key", "v"}});
  });
  CHECK(line.starts_with("time=2"));
  CHECK(without_time(line) ==
        "level=info agent=\"publish binance\" message=connected url=\"wss://x/ws?a=b\" tries=1 empty=\"\" text=\"say "
        "\\\"hi\\\"\\n\\\\\" bad_key=v\n");
}

TEST_CASE("log: a line is one JSON object when asked for") {
  log::start("store", "debug", "json");
  auto const line = written([] { log::warning("slow \"batch\"", {{"control", std::string{"\x01\t"}}}); });
  CHECK(line.starts_with("{\"time\":\"2"));
  CHECK(without_time(line) ==
        "\"level\":\"warning\",\"agent\":\"store\",\"message\":\"slow \\\"batch\\\"\",\"control\":\"\\u0001\\t\"}\n");
}

TEST_CASE("log: what is below the level is not written") {
  log::start("store", "warning", "logfmt");
  CHECK(written([] { log::info("no"); }).empty());
  CHECK(without_time(written([] { log::error("yes"); })) == "level=error agent=store message=yes\n");
}

TEST_CASE("log: a registered secret never appears, not in the message and not where escaping would hide it") {
  log::start("store", "info", "logfmt");
  log::redact("pa\"ss");
  log::redact("pa\"ss-and-longer");
  log::redact("");
  auto const line = written([] { log::info("is pa\"ss", {{"a", "xpa\"ssx"}, {"b", "pa\"ss-and-longer"}}); });
  CHECK(without_time(line) == "level=info agent=store message=\"is ***\" a=x***x b=***\n");
}

TEST_CASE("log: raised, everything is written, and the level comes back") {
  log::start("store", "error", "logfmt");
  auto const text = written([] {
    log::debug("before");
    log::change_level(0);
    CHECK(log::is_raised());
    log::debug("seen");
    log::change_level(log::raise_level);  // It is already.
    log::change_level(0);
    CHECK_FALSE(log::is_raised());
    log::debug("after");
    log::change_level(log::set_level_back);
  });
  CHECK(std::count(text.begin(), text.end(), '\n') == 2);
  CHECK(text.contains("level=info agent=store message=\"everything is logged now; SIGUSR1 sets it back\""));
  CHECK(text.contains("level=debug agent=store message=seen\n"));
}

TEST_CASE("log: a warning that repeats is written once, and at the end with how many it stands for") {
  log::start("store", "info", "logfmt");
  auto const text = written([] {
    for (int i = 0; i < 5; ++i) log::warning("held up again", {{"wait_ms", std::to_string(i)}});
    for (int i = 0; i < 2; ++i) log::info("this is none");
    log::finish();
  });
  CHECK(std::count(text.begin(), text.end(), '\n') == 4);
  CHECK(text.contains("message=\"held up again\" wait_ms=0\n"));
  CHECK(text.contains("level=warning agent=store message=\"held up again\" wait_ms=4 repeated=4\n"));
}

TEST_CASE("log: an unknown level or format says what there is") {
  CHECK_THROWS_WITH_AS(log::start("x", "loud", "logfmt"), "log.level is \"loud\"; it takes one of debug, info, warning, error",
                       UsageError);
  CHECK_THROWS_WITH_AS(log::start("x", "info", "xml"), "log.format is \"xml\"; it takes one of logfmt, json", UsageError);
}

TEST_CASE("log: lines of many threads are not mixed") {
  log::start("store", "info", "logfmt");
  auto const text = written([] {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread)
      threads.emplace_back([] {
        for (int i = 0; i < 200; ++i) log::info("line", {{"long", std::string(200, 'x')}});
      });
  });
  std::size_t lines = 0, whole = 0;
  for (std::size_t at = 0, end = text.find('\n'); end != text.npos; at = end + 1, end = text.find('\n', at)) {
    ++lines;
    whole += without_time(text.substr(at, end - at)) == "level=info agent=store message=line long=" + std::string(200, 'x');
  }
  CHECK(lines == 800);
  CHECK(whole == 800);
}
