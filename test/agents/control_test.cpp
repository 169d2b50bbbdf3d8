#include "agents/operate/control.hpp"

#include "agents/operate/agents_of.hpp"
#include "streaming/fault.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

using namespace penstock;
using namespace std::chrono_literals;
using Names = std::vector<std::string>;

namespace {

ChildSpec agent(std::string const& kind, std::string const& provider = {}, int number = 1, bool alone = true) {
  ChildSpec spec{.kind = kind, .provider = provider, .number = number, .command = {"/bin/sh", "-c", "exec sleep 1000"}};
  spec.name = name_without_number(spec) + (alone ? "" : ' ' + std::to_string(number));
  return spec;
}

std::vector<ChildSpec> agents() {
  return {agent("store"), agent("transform", "", 1, false), agent("transform", "", 2, false), agent("publish", "binance"),
          agent("publish", "binanceusdm")};
}

struct Talk {
  Supervisor supervisor{agents(), {}};
  ControlHooks hooks{
      .phase = [] { return "running"; },
      .reload = [] { return Supervisor::Changes{.started = {"x"}, .stopped = {}, .restarted = {{"store", {"a.b"}}}}; },
      .scale =
          [this](std::string const& name, int count) {
            scaled = name + ' ' + std::to_string(count);
            return Supervisor::Changes{};
          }};
  std::string scaled;

  std::string ask(std::string_view line) { return answer_control(line, supervisor, hooks); }
  ChildView::State state(std::size_t at) const { return supervisor.children()[at].state; }
};

std::string refused(std::string const& why) { return R"({"ok":false,"error":")" + why + "\"}"; }

}  // namespace

TEST_CASE("control: whatever is asked wrongly is answered with what is wrong, and nothing is done") {
  Talk talk;
  auto const no_object = refused(R"(the request is not a JSON object on one line, such as {\"do\":\"status\"})");
  for (auto const* line : {"", "status", "{", "[]", "{\"do\":\"status\"} x", "\xff\xfe", "7"}) {
    CAPTURE(line);
    CHECK(talk.ask(line) == no_object);
  }
  CHECK(talk.ask("{}") == refused(R"(the request has no text \"do\")"));
  CHECK(talk.ask(R"({"do":7})") == refused(R"(the request has no text \"do\")"));
  CHECK(talk.ask(R"({"do":"strat"})") == refused(R"(there is no \"strat\"; did you mean start?)"));
  CHECK(talk.ask(R"({"do":"stop"})") == refused(R"(the request has no text \"agent\")"));
  CHECK(talk.ask(R"({"do":"stop","agent":"stroe"})") == refused(R"(there is no agent \"stroe\"; did you mean store?)"));
  CHECK(talk.ask(R"({"do":"stop","agent":""})").starts_with(R"({"ok":false)"));
  for (auto const* count : {"0", "65", "-1", "1.5", "\"2\"", "null", "99999999999999999999"}) {
    CAPTURE(count);
    CHECK(talk.ask(R"({"do":"scale","agent":"transform","count":)" + std::string{count} + '}').starts_with(R"({"ok":false)"));
  }
  CHECK(talk.ask(R"({"do":"scale","agent":"dead retry","count":2})").starts_with(R"({"ok":false)"));
  CHECK(talk.ask(R"({"do":"scale","agent":"transform 2","count":2})") ==
        refused(R"(\"transform 2\" is nothing that can be scaled; did you mean transform?)"));
  CHECK(talk.scaled.empty());
  CHECK(talk.ask(R"({"do":"log-level","agent":"store"})") == refused(R"(the request has no text \"level\")"));
  CHECK(talk.ask(R"({"do":"log-level","agent":"store","level":"loud"})") ==
        refused(R"(log-level knows debug, and configured for what log.level says; not \"loud\")"));
  CHECK(talk.ask(R"({"do":"log-level","agent":"store","level":"debug"})") ==
        refused("store has not reported since it was started: ask again when it runs"));
  for (auto const& child : talk.supervisor.children()) CHECK(child.state == ChildView::State::waiting);
}

TEST_CASE("control: a name stands for all agents whose name begins with its words") {
  Talk const talk;
  auto const named = [&](std::string_view asked) { return agents_named(asked, talk.supervisor.children()); };
  CHECK(named("all").size() == 5);
  CHECK(named("transform") == Names{"transform 1", "transform 2"});
  CHECK(named("transform 2") == Names{"transform 2"});
  CHECK(named("publish") == Names{"publish binance", "publish binanceusdm"});
  CHECK(named("publish binance") == Names{"publish binance"});  // binanceusdm is another one.
  CHECK(named("publish binance 1") == Names{"publish binance"});
  CHECK_THROWS_AS(named("publish binance 2"), UsageError);
  CHECK_THROWS_AS(named(""), UsageError);
}

TEST_CASE("control: start, stop, restart, scale and reload do so and say what they did") {
  Talk talk;
  talk.supervisor.run(0ms);
  auto const store = talk.supervisor.children()[0].pid;
  CHECK(talk.ask(R"({"do":"stop","agent":"transform"})") == R"({"ok":true,"agents":["transform 1","transform 2"]})");
  CHECK(talk.state(1) == ChildView::State::stopping);
  CHECK(talk.state(2) == ChildView::State::stopping);
  CHECK(talk.ask(R"({"do":"restart","agent":"publish binance"})") == R"({"ok":true,"agents":["publish binance"]})");
  CHECK(talk.ask(R"({"do":"start","agent":"store"})") == R"({"ok":true,"agents":["store"]})");
  CHECK(talk.supervisor.children()[0].pid == store);
  CHECK(talk.ask(R"({"do":"scale","agent":"transform","count":3})") == R"({"ok":true,"started":[],"stopped":[],"restarted":{}})");
  CHECK(talk.scaled == "transform 3");
  CHECK(talk.ask(R"({"do":"reload"})") == R"({"ok":true,"started":["x"],"stopped":[],"restarted":{"store":["a.b"]}})");
}

TEST_CASE("control: the status has all that is known of each agent") {
  Talk talk;
  talk.supervisor.run(0ms);
  auto const answer = talk.ask(R"({"do":"status"})");
  CAPTURE(answer);
  auto const pid = std::to_string(talk.supervisor.children()[3].pid);
  CHECK(answer.starts_with(R"({"ok":true,"pid":)" + std::to_string(::getpid()) + R"(,"phase":"running","agents":[)"));
  CHECK(answer.contains(
      R"({"name":"publish binance","kind":"publish","provider":"binance","number":1,"state":"running","reason":"",)"));
  CHECK(answer.contains(R"("pid":)" + pid + R"(,"restarts":0,"restarts_10m":0})"));
}

TEST_CASE("control: a level of the log for all reaches those that run, and the others are named") {
  Talk talk;
  auto reports = agent("store");
  reports.command = {"/bin/sh", "-c", "trap '' USR1; echo \"{\\\"pid\\\":$$,}\" >&3; exec sleep 1000"};
  talk.supervisor.become({agent("transform"), reports, agent("publish", "binance")}, Supervisor::ByHand::keep);
  while (talk.supervisor.children().size() > 3 || talk.supervisor.children()[1].status.empty()) talk.supervisor.run(10ms);
  CHECK(talk.ask(R"({"do":"log-level","agent":"all","level":"debug"})") ==
        R"({"ok":true,"agents":["store"],"left_out":["transform","publish binance"]})");
}

TEST_CASE("control: a configuration that is refused is an answer, too") {
  Talk talk;
  talk.hooks.reload = []() -> Supervisor::Changes { throw UsageError{"penstock.toml line 3: no"}; };
  CHECK(talk.ask(R"({"do":"reload"})") == refused("penstock.toml line 3: no"));
}
