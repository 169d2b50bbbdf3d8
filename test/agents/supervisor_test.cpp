#include "agents/supervisor.hpp"

#include <doctest/doctest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

using namespace penstock;
using namespace std::chrono_literals;

namespace {

ChildSpec shell(std::string name, std::string script, int rank = 0, std::map<std::string, std::string> variables = {}) {
  return {
      .name = std::move(name), .rank = rank, .command = {"/bin/sh", "-c", std::move(script)}, .variables = std::move(variables)};
}

struct Story {
  std::vector<std::string> lines;     ///< "name: line"
  std::vector<std::string> restarts;  ///< "name how"
  std::vector<std::chrono::milliseconds> waits;
  std::vector<std::string> ends;  ///< "name how"

  SupervisorOptions options(SupervisorOptions base = {.backoff_first = 1ms, .backoff_most = 4ms}) {
    base.on_line = [this](ChildSpec const& child, std::string_view line) {
      lines.push_back(child.name + ": " + std::string{line});
    };
    base.on_end = [this](ChildSpec const& child, std::string const& how) { ends.push_back(child.name + ' ' + how); };
    base.on_restart = [this](ChildSpec const& child, std::string const& how, std::chrono::milliseconds wait) {
      restarts.push_back(child.name + ' ' + how);
      waits.push_back(wait);
    };
    return base;
  }
  bool has(std::string const& line) const { return std::ranges::contains(lines, line); }
};

/// Turns until `done`; a minute is a failure, not a wait.
template <class Done>
bool run_until(Supervisor& supervisor, Done const& done) {
  for (auto const end = std::chrono::steady_clock::now() + 60s; std::chrono::steady_clock::now() < end;) {
    if (done()) return true;
    supervisor.run(50ms);
  }
  return false;
}

constexpr auto at_once = [](int, auto) { return true; };

}  // namespace

TEST_CASE("supervisor: a child's stderr comes line by line, its last one too, and its status lines are kept") {
  Story story;
  Supervisor supervisor{
      {shell(
          "a",
          "echo one >&2; printf 'two' >&2; echo '{\"n\":1}' >&3; echo '{\"n\":2}' >&3; printf '{\"half' >&3; exec sleep 1000")},
      story.options()};
  CHECK(run_until(supervisor, [&] { return story.has("a: one") && supervisor.children()[0].status == "{\"n\":2}"; }));
  CHECK_FALSE(story.has("a: two"));
  supervisor.stop(at_once);
  CHECK(story.has("a: two"));
  CHECK(supervisor.children()[0].state == ChildView::State::ended);
  CHECK(supervisor.children()[0].restarts == 0);
}

TEST_CASE("supervisor: children get the variables, and nothing to read") {
  Story story;
  Supervisor supervisor{
      {shell("a", "cat; echo \"$PENSTOCK_TEST_X $HOME_NOT\" >&2; exec sleep 1000", 0, {{"PENSTOCK_TEST_X", "x y"}})},
      story.options()};
  CHECK(run_until(supervisor, [&] { return story.has("a: x y "); }));
}

TEST_CASE("supervisor: a child that ends is started again, and how it ended is told with its last words") {
  Story story;
  Supervisor supervisor{{shell("a", "echo broker away >&2; exit 1")},
                        story.options({.backoff_first = 1ms, .backoff_most = 4ms, .failures_max = 4})};
  CHECK(run_until(supervisor, [&] { return supervisor.gave_up().has_value(); }));
  CHECK(story.restarts == std::vector<std::string>(3, "a ended with exit 1; its last words: broker away"));
  CHECK(supervisor.children()[0].restarts == 3);
  CHECK(*supervisor.gave_up() == "a ended with exit 1 and so for the 4th time within 60 s; its last words: broker away");
}

TEST_CASE("supervisor: the waits before a restart grow") {
  Story story;
  Supervisor supervisor{{shell("a", "kill -ABRT $$")},
                        story.options({.backoff_first = 8ms, .backoff_most = 64ms, .failures_max = 5})};
  CHECK(run_until(supervisor, [&] { return supervisor.gave_up().has_value(); }));
  CHECK(story.restarts.front() == "a was killed by SIGABRT");
  REQUIRE(story.waits.size() == 4);
  CHECK(story.waits[0] <= 8ms);
  CHECK(story.waits[3] >= 32ms);
}

TEST_CASE("supervisor: failures that are long ago are no crash loop") {
  Story story;
  Supervisor supervisor{{shell("a", "exit 1")},
                        story.options({.backoff_first = 8ms, .backoff_most = 8ms, .failures_max = 2, .failures_within = 0ms})};
  CHECK(run_until(supervisor, [&] { return story.restarts.size() >= 6; }));
  CHECK_FALSE(supervisor.gave_up());
}

TEST_CASE("supervisor: a child whose configuration is wrong is given up at once, and so is one that cannot be started") {
  {
    Story story;
    Supervisor supervisor{{shell("store", "echo 'penstock store: unknown flag --x' >&2; exit 2"), shell("b", "exec sleep 1000")},
                          story.options()};
    CHECK(run_until(supervisor, [&] { return supervisor.gave_up().has_value(); }));
    CHECK(*supervisor.gave_up() ==
          "store ended with exit 2, and starting it again cannot help; its last words: penstock store: unknown flag --x");
    CHECK(story.restarts.empty());
    CHECK(supervisor.children()[1].state == ChildView::State::running);
  }
  Supervisor supervisor{{{.name = "x", .command = {"/nowhere/penstock"}}}, {}};
  CHECK(run_until(supervisor, [&] { return supervisor.gave_up().has_value(); }));
  CHECK(*supervisor.gave_up() == "x could not be started, and starting it again cannot help");
}

TEST_CASE("supervisor: stop ends the ranks in order, each when it has settled") {
  Story story;
  auto const trap = [](std::string const& name, int rank) {
    return shell(name, "trap 'echo end >&2; exit 0' TERM; echo up >&2; while :; do sleep 0.02; done", rank);
  };
  Supervisor supervisor{{trap("store", 2), trap("publish", 0), trap("transform", 1)}, story.options()};
  CHECK(run_until(supervisor, [&] { return story.lines.size() == 3; }));
  std::vector<int> asked;
  int patience = 3;
  supervisor.stop([&](int rank, auto) {
    if (asked.empty() || asked.back() != rank) asked.push_back(rank);
    return rank != 1 || patience-- == 0;
  });
  CHECK(std::vector<std::string>(story.lines.begin() + 3, story.lines.end()) ==
        std::vector<std::string>{"publish: end", "transform: end", "store: end"});
  CHECK(asked == std::vector<int>{0, 1, 2});
  CHECK(patience == -1);
  CHECK(story.restarts.empty());
}

TEST_CASE("supervisor: one that never settles and one that ignores SIGTERM do not make stop longer than its limit") {
  Story story;
  Supervisor supervisor{{shell("deaf", "trap '' TERM; echo up >&2; while :; do sleep 0.02; done", 0),
                         shell("b", "echo up >&2; exec sleep 1000", 1)},
                        story.options({.stop_max = 300ms})};
  CHECK(run_until(supervisor, [&] { return story.lines.size() == 2; }));
  auto const deaf = supervisor.children()[0].pid;
  supervisor.stop([](int, auto) { return false; });
  for (auto const& child : supervisor.children()) CHECK(child.state == ChildView::State::ended);
  CHECK(::kill(deaf, 0) == -1);
  CHECK(story.ends == std::vector<std::string>{"b was killed by SIGTERM", "deaf was killed by SIGKILL"});
}

TEST_CASE("supervisor: a child that waits to be started again is not started by stop") {
  Story story;
  Supervisor supervisor{{shell("a", "exit 1")}, story.options({.backoff_first = 1h, .backoff_most = 1h})};
  CHECK(run_until(supervisor, [&] { return story.restarts.size() == 1; }));
  CHECK(supervisor.children()[0].state == ChildView::State::waiting);
  supervisor.stop(at_once);
  CHECK(supervisor.children()[0].state == ChildView::State::ended);
}

TEST_CASE("supervisor: no child outlives a parent that was killed") {
  // Whoever is left behind becomes a child of this process, which can then see how it ended.
  REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);
  auto const parent = ::fork();
  if (parent == 0) {
    Supervisor supervisor{{shell("a", "trap '' TERM HUP; echo $$ >&2; while :; do sleep 0.02; done")},
                          {.on_line = [&](ChildSpec const&, std::string_view line) {
                            [[maybe_unused]] auto const written = ::write(pipe[1], line.data(), line.size());
                          }}};
    for (;;) supervisor.run(1s);
  }
  std::array<char, 32> text{};
  REQUIRE(::read(pipe[0], text.data(), text.size() - 1) > 0);
  auto const orphan = std::atoi(text.data());
  ::kill(parent, SIGKILL);
  int status = 0;
  CHECK(::waitpid(parent, &status, 0) == parent);
  pid_t gone = 0;
  for (auto const end = std::chrono::steady_clock::now() + 20s; gone == 0 && std::chrono::steady_clock::now() < end;
       ::usleep(1000))
    gone = ::waitpid(orphan, &status, WNOHANG);
  CHECK(gone == orphan);
  if (gone == 0) ::kill(orphan, SIGKILL);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGKILL);
  ::close(pipe[0]);
  ::close(pipe[1]);
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}
