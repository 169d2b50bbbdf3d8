#include "agents/supervisor.hpp"

#include "test/folder.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
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
using penstock::test::File;
using namespace std::chrono_literals;

namespace {

ChildSpec shell(std::string name, std::string script, int rank = 0, std::map<std::string, std::string> variables = {}) {
  return {.name = name,
          .kind = name,
          .rank = rank,
          .command = {"/bin/sh", "-c", std::move(script)},
          .variables = std::move(variables)};
}

struct Story {
  std::vector<std::string> lines;     ///< "name: line"
  std::vector<std::string> restarts;  ///< "name how"
  std::vector<std::chrono::milliseconds> waits;
  std::vector<std::string> ends;   ///< "name how"
  std::vector<std::string> fails;  ///< "name why"

  SupervisorOptions options(SupervisorOptions base = {.backoff_first = 1ms, .backoff_most = 4ms}) {
    base.on_line = [this](ChildSpec const& child, std::string_view line) {
      lines.push_back(child.name + ": " + std::string{line});
    };
    base.on_end = [this](ChildSpec const& child, std::string const& how) { ends.push_back(child.name + ' ' + how); };
    base.on_fail = [this](ChildSpec const& child, std::string const& why) { fails.push_back(child.name + ' ' + why); };
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
  supervisor.stop_all(at_once);
  CHECK(story.has("a: two"));
  CHECK(supervisor.children()[0].state == ChildView::State::stopped);
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
  CHECK(*supervisor.gave_up() == "a ended with exit 1; its last words: broker away; 4 times within 60 s");
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

TEST_CASE("supervisor: one that is killed again and again after it has run for a while is no crash loop") {
  Story story;
  auto options = story.options({.backoff_first = 1ms, .backoff_most = 1'000ms, .failures_max = 3});
  SUBCASE("it ran for a while") {
    options.steady_after = 20ms;
    Supervisor supervisor{{shell("a", "sleep 0.03; kill -KILL $$")}, options};
    CHECK(run_until(supervisor, [&] { return story.restarts.size() >= 6; }));
    CHECK(std::ranges::max(story.waits) <= 1ms);
  }
  SUBCASE("it was killed at once") {
    Supervisor supervisor{{shell("a", "kill -KILL $$")}, options};
    CHECK(run_until(supervisor, [&] { return supervisor.gave_up().has_value(); }));
  }
  SUBCASE("it ended itself") {
    options.steady_after = 20ms;
    Supervisor supervisor{{shell("a", "sleep 0.03; kill -ABRT $$")}, options};
    CHECK(run_until(supervisor, [&] { return supervisor.gave_up().has_value(); }));
  }
}

TEST_CASE("supervisor: a crash loop stops that child only; its last words that are no small talk say why") {
  Story story;
  Supervisor supervisor{
      {shell("loop", "echo 'time=t level=error message=torn' >&2; echo 'time=t level=info message=bye' >&2; kill -ABRT $$"),
       shell("b", "exec sleep 1000")},
      story.options({.backoff_first = 1ms, .backoff_most = 1ms, .failures_max = 3})};
  CHECK(run_until(supervisor, [&] { return supervisor.children()[0].state == ChildView::State::failed; }));
  std::string const why = "was killed by SIGABRT; its last words: time=t level=error message=torn; 3 times within 60 s";
  CHECK(supervisor.children()[0].reason == why);
  CHECK(supervisor.children()[0].restarts == 2);
  CHECK(supervisor.children()[0].restarts_lately == 2);
  CHECK(supervisor.children()[0].pid == 0);
  CHECK(story.fails == std::vector<std::string>{"loop " + why});
  auto const other = supervisor.children()[1].pid;
  CHECK(supervisor.children()[1].state == ChildView::State::running);
  CHECK_FALSE(supervisor.gave_up());
  for (int turn = 0; turn < 20; ++turn) supervisor.run(1ms);
  CHECK(story.restarts.size() == 2);
  CHECK(supervisor.children()[1].pid == other);
  supervisor.stop("b");
  CHECK(run_until(supervisor, [&] { return supervisor.gave_up().has_value(); }));
}

TEST_CASE("supervisor: a child whose configuration is wrong fails at once, and so does one that cannot be started") {
  Story story;
  Supervisor supervisor{{shell("store", "echo 'penstock store: unknown flag --x' >&2; exit 2"),
                         {.name = "x", .kind = "x", .command = {"/nowhere/penstock"}},
                         shell("b", "exec sleep 1000")},
                        story.options()};
  CHECK(run_until(supervisor, [&] { return story.fails.size() == 2; }));
  std::ranges::sort(story.fails);
  CHECK(story.fails ==
        std::vector<std::string>{
            "store ended with exit 2; its last words: penstock store: unknown flag --x; starting it again as it is "
            "cannot help",
            "x could not be started; starting it again as it is cannot help"});
  CHECK(story.restarts.empty());
  CHECK(supervisor.children()[2].state == ChildView::State::running);
}

TEST_CASE(
    "supervisor: by hand a failed child is started again, a running one ended and started, and no end by hand is a failure") {
  Story story;
  Supervisor supervisor{{shell("a", "exit 2"), shell("b", "echo up >&2; exec sleep 1000"), shell("c", "exec sleep 1000")},
                        story.options()};
  CHECK(run_until(supervisor, [&] { return story.fails.size() == 1 && story.has("b: up"); }));
  auto const b = supervisor.children()[1].pid, c = supervisor.children()[2].pid;
  supervisor.start("a");
  CHECK(supervisor.children()[0].state == ChildView::State::waiting);
  CHECK(run_until(supervisor, [&] { return story.fails.size() == 2; }));

  supervisor.stop("b");
  CHECK(supervisor.children()[1].state == ChildView::State::stopping);
  CHECK(run_until(supervisor, [&] { return supervisor.children()[1].state == ChildView::State::stopped; }));
  CHECK(supervisor.children()[1].reason == "stopped by hand");
  supervisor.start("b");
  CHECK(run_until(supervisor, [&] { return supervisor.children()[1].state == ChildView::State::running; }));
  CHECK(supervisor.children()[1].pid != b);
  auto const again = supervisor.children()[1].pid;
  supervisor.restart("b");
  supervisor.start("b");  // While it ends: the same as what is under way.
  CHECK(run_until(supervisor, [&] { return supervisor.children()[1].pid != again && supervisor.children()[1].pid != 0; }));
  CHECK(supervisor.children()[1].restarts == 0);
  CHECK(supervisor.children()[2].pid == c);
  CHECK(story.restarts.empty());
}

TEST_CASE("supervisor: one that ignores being stopped by hand is killed when its time is up") {
  Story story;
  Supervisor supervisor{{shell("deaf", "trap '' TERM; echo up >&2; while :; do sleep 0.02; done"), shell("b", "exec sleep 1000")},
                        story.options({.stop_max = 100ms})};
  CHECK(run_until(supervisor, [&] { return story.has("deaf: up"); }));
  supervisor.stop("deaf");
  CHECK(run_until(supervisor, [&] { return supervisor.children()[0].state == ChildView::State::stopped; }));
  CHECK(story.ends == std::vector<std::string>{"deaf was killed by SIGKILL"});
  CHECK(supervisor.children()[1].state == ChildView::State::running);
}

namespace {

ChildSpec numbered(int number, std::map<std::string, std::string> settings = {}, bool enabled = true) {
  auto spec = shell("a", "exec sleep 1000");
  spec.name += ' ' + std::to_string(number);
  spec.number = number;
  spec.enabled = enabled;
  spec.settings = std::move(settings);
  return spec;
}

using Keep = Supervisor::ByHand;

bool all(Supervisor const& supervisor, ChildView::State state) {
  return std::ranges::all_of(supervisor.children(), [&](auto const& child) { return child.state == state; });
}

}  // namespace

TEST_CASE("supervisor: scaled up, those that were there run on; scaled down, the last ones end; and back while one still ends") {
  Story story;
  Supervisor supervisor{{numbered(1)}, story.options()};
  CHECK(run_until(supervisor, [&] { return all(supervisor, ChildView::State::running); }));
  auto const first = supervisor.children()[0].pid;
  auto const up = supervisor.become({numbered(1), numbered(2), numbered(3)}, Keep::keep);
  CHECK(up.started == std::vector<std::string>{"a 2", "a 3"});
  CHECK(up.restarted.empty());
  CHECK(run_until(supervisor, [&] { return all(supervisor, ChildView::State::running); }));
  CHECK(supervisor.children().size() == 3);

  auto const down = supervisor.become({numbered(1)}, Keep::keep);
  CHECK(down.stopped == std::vector<std::string>{"a 2", "a 3"});
  CHECK(supervisor.children().size() == 3);  // They are on their way.
  CHECK(supervisor.become({numbered(1), numbered(2)}, Keep::keep).started == std::vector<std::string>{"a 2"});
  CHECK(run_until(supervisor, [&] { return supervisor.children().size() == 2 && all(supervisor, ChildView::State::running); }));
  CHECK(supervisor.children()[0].pid == first);
  CHECK(story.restarts.empty());
  CHECK(story.fails.empty());
}

TEST_CASE(
    "supervisor: with new settings only those whose settings differ are started anew, and it is said which setting it was") {
  Story story;
  Supervisor supervisor{{numbered(1, {{"k", "1"}, {"same", "x"}}), numbered(2, {{"k", "1"}})}, story.options()};
  CHECK(run_until(supervisor, [&] { return all(supervisor, ChildView::State::running); }));
  auto const first = supervisor.children()[0].pid, second = supervisor.children()[1].pid;
  auto const changes = supervisor.become({numbered(1, {{"k", "2"}, {"same", "x"}}), numbered(2, {{"k", "1"}})}, Keep::undo);
  CHECK(changes.restarted == std::map<std::string, std::vector<std::string>>{{"a 1", {"k"}}});
  CHECK(changes.started.empty());
  CHECK(changes.stopped.empty());
  CHECK(
      run_until(supervisor, [&] { return supervisor.children()[0].pid != first && all(supervisor, ChildView::State::running); }));
  CHECK(supervisor.children()[1].pid == second);
  CHECK_FALSE(supervisor.become({numbered(1, {{"k", "2"}, {"same", "x"}}), numbered(2, {{"k", "1"}})}, Keep::undo).any());
}

TEST_CASE("supervisor: what was done by hand lasts through scaling, and until the configuration is taken again") {
  Story story;
  Supervisor supervisor{{numbered(1), numbered(2, {}, false)}, story.options()};
  CHECK(run_until(supervisor, [&] { return supervisor.children()[0].state == ChildView::State::running; }));
  CHECK(supervisor.children()[1].state == ChildView::State::stopped);
  CHECK(supervisor.children()[1].reason == "enabled is false in the configuration");
  supervisor.stop("a 1");
  supervisor.start("a 2");
  auto const swapped = [&] {
    return supervisor.children()[0].state == ChildView::State::stopped &&
           supervisor.children()[1].state == ChildView::State::running;
  };
  CHECK(run_until(supervisor, swapped));
  CHECK_FALSE(supervisor.become({numbered(1), numbered(2, {}, false)}, Keep::keep).any());
  CHECK(swapped());
  auto const changes = supervisor.become({numbered(1), numbered(2, {}, false)}, Keep::undo);
  CHECK(changes.started == std::vector<std::string>{"a 1"});
  CHECK(changes.stopped == std::vector<std::string>{"a 2"});
  CHECK(run_until(supervisor, [&] {
    return supervisor.children()[0].state == ChildView::State::running &&
           supervisor.children()[1].state == ChildView::State::stopped;
  }));
}

TEST_CASE("supervisor: a failed child gets another try with the next configuration") {
  Story story;
  auto bad = shell("a", "exit 2"), good = shell("a", "exec sleep 1000"), other = shell("b", "exec sleep 1000");
  good.settings = {{"k", "2"}};
  Supervisor supervisor{{bad, other}, story.options()};
  CHECK(run_until(supervisor, [&] { return story.fails.size() == 1; }));
  CHECK(supervisor.become({good, other}, Keep::undo).started == std::vector<std::string>{"a"});
  CHECK(run_until(supervisor, [&] { return all(supervisor, ChildView::State::running); }));
}

TEST_CASE("supervisor: a child finds the file that it is given, as it was then") {
  Story story;
  auto child = shell("a", "cat <&4 >&2; exec sleep 1000");
  File const file{"[store]\n"};
  child.file = std::make_shared<Descriptor>(::open(file.path.c_str(), O_RDONLY));
  Supervisor supervisor{{child}, story.options()};
  CHECK(run_until(supervisor, [&] { return story.has("a: [store]"); }));
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
  supervisor.stop_all([&](int rank, auto) {
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
  supervisor.stop_all([](int, auto) { return false; });
  for (auto const& child : supervisor.children()) CHECK(child.state == ChildView::State::stopped);
  CHECK(::kill(deaf, 0) == -1);
  CHECK(story.ends == std::vector<std::string>{"b was killed by SIGTERM", "deaf was killed by SIGKILL"});
}

TEST_CASE("supervisor: a child that waits to be started again is not started by stop") {
  Story story;
  Supervisor supervisor{{shell("a", "exit 1")}, story.options({.backoff_first = 1h, .backoff_most = 1h})};
  CHECK(run_until(supervisor, [&] { return story.restarts.size() == 1; }));
  CHECK(supervisor.children()[0].state == ChildView::State::waiting);
  supervisor.stop_all(at_once);
  CHECK(supervisor.children()[0].state == ChildView::State::stopped);
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
