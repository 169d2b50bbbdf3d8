#include "agents/operate/control.hpp"

#include "agents/operate/agents_of.hpp"
#include "agents/operate/log_level.hpp"
#include "streaming/config.hpp"
#include "streaming/fault.hpp"
#include "streaming/json.hpp"
#include "streaming/log.hpp"

#include <simdjson.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <format>

namespace penstock {
namespace {

using Words = std::vector<std::string>;
constexpr int count_max = 64;

struct Request {
  std::string act, agent;
  int count = 0;
  bool debug = false;  ///< log-level
};

std::string text_in(simdjson::dom::object const& object, char const* key) {
  std::string_view text;
  if (object[key].get(text) != simdjson::SUCCESS) throw UsageError{std::string{"the request has no text \""} + key + '"'};
  return std::string{text};
}

Request parsed(std::string_view line) {
  static Words const acts{"status", "start", "stop", "restart", "scale", "log-level", "reload"};
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(simdjson::padded_string{line}).get(object) != simdjson::SUCCESS)
    throw UsageError{R"(the request is not a JSON object on one line, such as {"do":"status"})"};
  Request request{.act = text_in(object, "do")};
  if (!std::ranges::contains(acts, request.act))
    throw UsageError{"there is no \"" + request.act + '"' + suggestion(request.act, acts)};
  if (request.act == "status" || request.act == "reload") return request;
  request.agent = text_in(object, "agent");
  std::int64_t count = 0;
  if (request.act == "scale" && (object["count"].get(count) != simdjson::SUCCESS || count < 1 || count > count_max))
    throw UsageError{"scale needs a count: a whole number from 1 to " + std::to_string(count_max) + " (none at all: stop)"};
  request.count = static_cast<int>(count);
  if (request.act == "log-level") {
    auto const level = text_in(object, "level");
    request.debug = level == "debug";
    if (!request.debug && level != "configured")
      throw UsageError{"log-level knows debug, and configured for what log.level says; not \"" + level + '"'};
  }
  return request;
}

std::string status_json(std::string const& phase, std::vector<ChildView> const& children) {
  auto const now = std::chrono::steady_clock::now();
  std::string out;
  for (auto const& child : children)
    out += std::format(
        R"({}{{"name":{},"kind":{},"provider":{},"number":{},"state":"{}","reason":{},"seconds":{},"pid":{},"restarts":{},"restarts_10m":{}}})",
        out.empty() ? "" : ",", json_string(child.spec->name), json_string(child.spec->kind), json_string(child.spec->provider),
        child.spec->number, to_text(child.state), json_string(log::redacted(child.reason)),
        std::chrono::floor<std::chrono::seconds>(now - child.since).count(), child.pid, child.restarts, child.restarts_lately);
  return "\"pid\":" + std::to_string(::getpid()) + ",\"phase\":" + json_string(phase) + ",\"agents\":[" + out + ']';
}

// "publish binance 2" -> "publish binance": what can be scaled.
std::string scaled_name(std::string const& asked, std::vector<ChildView> const& children) {
  Words known;
  for (auto const& child : children)
    if (auto const name = name_without_number(*child.spec); child.spec->kind != "dead" && !std::ranges::contains(known, name))
      known.push_back(name);
  if (!std::ranges::contains(known, asked))
    throw UsageError{'"' + asked + "\" is nothing that can be scaled" + suggestion(asked, known)};
  return asked;
}

std::string told_levels(Words const& names, bool debug, std::vector<ChildView> const& children) {
  Words told, left_out;
  for (auto const& child : children)
    if (std::ranges::contains(names, child.spec->name))
      (set_log_level(child, debug) ? told : left_out).push_back(child.spec->name);
  if (told.empty())
    throw Fault{Fault::Kind::transient, left_out.front() + " has not reported since it was started: ask again when it runs"};
  return "\"agents\":" + json_list(told) + ",\"left_out\":" + json_list(left_out);
}

std::string done(Request const& request, Supervisor& supervisor, ControlHooks const& hooks) {
  if (request.act == "status") return status_json(hooks.phase(), supervisor.children());
  if (request.act == "reload") return json_of(hooks.reload());
  if (request.act == "scale") return json_of(hooks.scale(scaled_name(request.agent, supervisor.children()), request.count));
  auto const names = agents_named(request.agent, supervisor.children());
  if (request.act == "log-level") return told_levels(names, request.debug, supervisor.children());
  for (auto const& name : names) {
    if (request.act == "start") supervisor.start(name);
    if (request.act == "stop") supervisor.stop(name);
    if (request.act == "restart") supervisor.restart(name);
  }
  return "\"agents\":" + json_list(names);
}

}  // namespace

std::string answer_control(std::string_view line, Supervisor& supervisor, ControlHooks const& hooks) {
  try {
    auto const request = parsed(line);
    if (request.act != "status") log::info("asked by penstock ctl", {{"do", request.act}, {"agent", request.agent}});
    return "{\"ok\":true," + done(request, supervisor, hooks) + '}';
  } catch (std::exception const& error) {
    return "{\"ok\":false,\"error\":" + json_string(log::redacted(error.what())) + '}';
  }
}

std::vector<std::string> agents_named(std::string_view asked, std::vector<ChildView> const& children) {
  Words found, known{"all"};
  for (auto const& child : children) {
    auto const& name = child.spec->name;
    known.push_back(name);
    // Whole words from the front; of one alone, also its number.
    bool const same = asked == "all" || name == asked ||
                      (name.starts_with(asked) && name.substr(asked.size()).starts_with(' ')) ||
                      asked == name_without_number(*child.spec) + ' ' + std::to_string(child.spec->number);
    if (same) found.push_back(name);
  }
  if (found.empty()) throw UsageError{"there is no agent \"" + std::string{asked} + '"' + suggestion(asked, known)};
  return found;
}

std::string json_of(Supervisor::Changes const& changes) {
  std::string restarted;
  for (auto const& [name, keys] : changes.restarted)
    restarted += (restarted.empty() ? "" : ",") + json_string(name) + ':' + json_list(keys);
  return "\"started\":" + json_list(changes.started) + ",\"stopped\":" + json_list(changes.stopped) + ",\"restarted\":{" +
         restarted + '}';
}

}  // namespace penstock
