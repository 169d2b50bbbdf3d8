/// penstock ctl: asks the `penstock up` that runs.
#include "agents/operate/commands.hpp"
#include "agents/operate/record_text.hpp"
#include "agents/operate/text_table.hpp"
#include "agents/operate/up_socket.hpp"
#include "streaming/fault.hpp"
#include "streaming/join.hpp"
#include "streaming/json.hpp"
#include "streaming/local_socket.hpp"
#include "streaming/time.hpp"
#include "streaming/whole_number.hpp"

#include <simdjson.h>

#include <algorithm>
#include <format>
#include <iostream>

namespace penstock {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;
using Words = std::vector<std::string>;
using Json = simdjson::dom::element;

constexpr auto answer_max = 5s;
constexpr auto reload_max = 120s;  ///< it may ask broker and database, and drain what is no more

std::string text_of(Json const& object, char const* key) {
  std::string_view text;
  return object[key].get(text) == simdjson::SUCCESS ? std::string{text} : std::string{};
}

std::int64_t number_of(Json const& object, char const* key) {
  std::int64_t number = 0;
  return object[key].get(number) == simdjson::SUCCESS ? number : 0;
}

using List = simdjson::dom::array;

Words texts_of(List const& list) {
  Words out;
  for (auto const text : list) out.emplace_back(text.get_string().value());
  return out;
}

Words texts_of(Json const& object, char const* key) {
  List list;
  return object[key].get(list) == simdjson::SUCCESS ? texts_of(list) : Words{};
}

// Throws Fault where there are none: an answer of another version.
List agents_in(Json const& answer) {
  List list;
  if (answer["agents"].get(list) != simdjson::SUCCESS)
    throw Fault{Fault::Kind::fatal, "the `penstock up` that answers is of another version"};
  return list;
}

class Talk {
 public:
  explicit Talk(std::string path) : path_{std::move(path)} {}

  /// What came back; good until the next question. Throws Fault where it was refused.
  Json ask(std::string const& request, std::chrono::milliseconds limit = answer_max) {
    line = ask_local(path_, request, limit);
    Json answer;
    if (parser_.parse(line).get(answer) != simdjson::SUCCESS)
      throw Fault{Fault::Kind::fatal, "what listens at " + path_ + " is no `penstock up` of this version"};
    bool good = false;
    if (answer["ok"].get(good) != simdjson::SUCCESS || !good) throw Fault{Fault::Kind::fatal, text_of(answer, "error")};
    return answer;
  }

  std::string line;  ///< the last answer

 private:
  std::string path_;
  simdjson::dom::parser parser_;
};

std::string request_of(Words const& words) {
  auto const& act = words.front();
  auto const needs_agent = act != "status" && act != "reload";
  auto const last = words.size() - (act == "scale" || act == "log-level" ? 1 : 0);
  if (needs_agent ? last < 2 : words.size() > 1)
    throw UsageError{act + (act == "scale"       ? " needs what and how many: penstock ctl scale transform 3"
                            : act == "log-level" ? " needs an agent and debug or configured: penstock ctl log-level store debug"
                            : needs_agent        ? " needs the name of an agent, such as publish binance; or all"
                                                 : " takes nothing more")};
  std::string request = "{\"do\":" + json_string(act);
  if (needs_agent) request += ",\"agent\":" + json_string(join(std::span{words}.subspan(1, last - 1), " "));
  if (act == "scale") {
    auto const count = whole_number<int>(words.back());
    if (!count) throw UsageError{"scale: \"" + words.back() + "\" is no number of agents: penstock ctl scale transform 3"};
    request += ",\"count\":" + std::to_string(*count);
  }
  if (act == "log-level") request += ",\"level\":" + json_string(words.back());
  return request + '}';
}

std::string lasting(std::int64_t seconds) {
  if (seconds < 120) return std::to_string(seconds) + " s";
  if (seconds < 7'200) return std::to_string(seconds / 60) + " min";
  return seconds < 172'800 ? std::to_string(seconds / 3'600) + " h" : std::to_string(seconds / 86'400) + " d";
}

void show_status(Json const& answer) {
  if (auto const phase = text_of(answer, "phase"); phase != "running") {
    std::cout << "penstock up (pid " << number_of(answer, "pid") << ") is " << phase << std::endl;
    return;
  }
  std::vector<Words> rows{{"AGENT", "STATE", "SINCE", "PID", "RESTARTS", "10 MIN", "WHY"}};
  auto const agents = agents_in(answer);
  for (auto const agent : agents)
    rows.push_back({text_of(agent, "name"), text_of(agent, "state"), lasting(number_of(agent, "seconds")),
                    number_of(agent, "pid") == 0 ? "-" : std::to_string(number_of(agent, "pid")),
                    std::to_string(number_of(agent, "restarts")), std::to_string(number_of(agent, "restarts_10m")),
                    text_of(agent, "reason")});
  std::cout << text_table(rows);
  std::cout << std::flush;
}

void show_changes(Json const& answer) {
  bool any = false;
  auto const say = [&](std::string const& what, std::string const& name, std::string const& more = {}) {
    std::cout << what << ' ' << name << more << '\n';
    any = true;
  };
  for (auto const& name : texts_of(answer, "started")) say("started  ", name);
  for (auto const& name : texts_of(answer, "stopped")) say("stopped  ", name);
  simdjson::dom::object restarted;
  if (answer["restarted"].get(restarted) == simdjson::SUCCESS)
    for (auto const [name, keys] : restarted) {
      List list;
      std::string why;
      if (keys.get(list) == simdjson::SUCCESS) why = join(texts_of(list));
      say("restarted", std::string{name}, "  (" + why + ')');
    }
  std::cout << (any ? "" : "nothing changed\n") << std::flush;
}

/// Until these agents are where they were asked to be. Throws Fault where one fails, or it takes longer than `limit`.
void wait_for(Talk& talk, Words const& names, bool running, std::chrono::milliseconds limit, std::stop_token const& stop) {
  auto const until = Steady::now() + limit;
  while (!stop.stop_requested()) {
    std::string missing;
    auto const answer = talk.ask(R"({"do":"status"})");
    auto const agents = agents_in(answer);
    for (auto const agent : agents) {
      auto const name = text_of(agent, "name"), state = text_of(agent, "state");
      if (!std::ranges::contains(names, name)) continue;
      if (running && state == "failed") throw Fault{Fault::Kind::fatal, name + " failed: it " + text_of(agent, "reason")};
      if (state != (running ? "running" : "stopped")) missing += (missing.empty() ? "" : ", ") + name + " (" + state + ')';
    }
    if (missing.empty()) return;
    if (Steady::now() > until) throw Fault{Fault::Kind::fatal, "asked, but not there yet: " + missing};
    system_clock().sleep(50ms, stop);
  }
}

int run(Invocation const& invocation) {
  auto const& act = invocation.arguments.front();
  auto const request = request_of(invocation.arguments);
  Talk talk{socket_to_ask(invocation.config)};
  auto const answer = talk.ask(request, act == "reload" || act == "scale" ? reload_max : answer_max);
  auto const line = talk.line;
  if (invocation.has("json")) std::cout << line << std::endl;
  if (act == "status" || act == "reload" || act == "scale") {
    if (!invocation.has("json")) act == "status" ? show_status(answer) : show_changes(answer);
    return stopped_as_asked;
  }
  auto const names = texts_of(answer, "agents");
  if (act == "log-level") {
    if (invocation.has("json")) return stopped_as_asked;
    for (auto const& name : names) std::cout << name << " logs at level " << invocation.arguments.back() << '\n';
    for (auto const& name : texts_of(answer, "left_out"))
      std::cout << name << " was left out: it does not run, or has just been started\n";
    std::cout << std::flush;
    return stopped_as_asked;
  }
  wait_for(talk, names, act != "stop", invocation.config.milliseconds("up.stop_ms_max") + answer_max, invocation.stop);
  if (!invocation.has("json"))
    for (auto const& name : names) std::cout << name << (act == "stop" ? " is stopped\n" : " is running\n") << std::flush;
  return stopped_as_asked;
}

}  // namespace

Command const ctl_command{
    .name = "ctl",
    .summary =
        "Ask the `penstock up` that runs with this configuration file: how its agents do (status); start, stop or restart one; "
        "have more or fewer of it (scale AGENT N); let one log everything for a while (log-level AGENT debug, then configured); "
        "read the file again (reload). What is started, stopped and scaled by hand stays so until the next reload or start; the "
        "file says what lasts",
    .arguments = "status|start|stop|restart|scale|log-level|reload [AGENT] [N|LEVEL]",
    .arguments_least = 1,
    .arguments_most = 5,
    .sections = {"up"},
    .flags = {{.name = "json", .help = "The answer as one JSON object instead of text"}},
    .example = "penstock ctl restart publish binance    AGENT: a name that status shows, or the words it begins with, or all",
    .run = run,
    .file_may_be_wrong = true,  // That is when it is needed.
};

}  // namespace penstock
