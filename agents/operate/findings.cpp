#include "agents/command.hpp"
#include "agents/operate/check.hpp"
#include "agents/operate/counted.hpp"
#include "agents/operate/record_text.hpp"
#include "agents/subscription.hpp"
#include "streaming/json.hpp"
#include "streaming/log.hpp"

#include <algorithm>
#include <array>

namespace penstock {

namespace {

using State = Found::State;

constexpr std::size_t row_bytes_max = 400;  ///< of a row in lines for people

std::string_view word_of(State state) {
  static constexpr std::array<std::string_view, 3> words{"ok", "warning", "wrong"};
  return words[static_cast<std::size_t>(state)];
}

std::string lead_of(State state) {
  static constexpr std::array<std::string_view, 3> leads{"ok       ", "warning  ", "WRONG    "};
  return std::string{leads[static_cast<std::size_t>(state)]};
}

bool is_wrong(Finding const& finding) { return finding.found.state == State::wrong; }

std::string on_one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  return log::redacted(std::move(text));
}

}  // namespace

std::string check_publisher(Config const& config, std::string const& name) {
  auto const subscription = subscription_of(provider_named(name), config);
  return counted(subscription.symbols.size(), "symbol") + ", " + counted(subscription.channels.size(), "channel");
}

Finding finding(std::string what, std::function<Found()> const& look) {
  try {
    auto found = look();
    found.detail = on_one_line(std::move(found.detail));
    return {.what = on_one_line(std::move(what)), .found = std::move(found)};
  } catch (std::exception const& error) {
    return {.what = on_one_line(std::move(what)), .found = {State::wrong, on_one_line(error.what())}};
  }
}

int exit_of(std::vector<Finding> const& findings) {
  if (std::ranges::any_of(findings, [](Finding const& one) { return one.of_configuration && is_wrong(one); })) return wrong_usage;
  return std::ranges::any_of(findings, is_wrong) ? gave_up : stopped_as_asked;
}

std::string findings_text(std::vector<Finding> const& findings) {
  std::size_t widest = 0;
  for (auto const& one : findings) widest = std::max(widest, one.what.size());
  std::string out;
  for (auto const& [what, found, of_configuration] : findings) {
    out += lead_of(found.state) + what + std::string(widest - what.size() + 2, ' ') + found.detail + '\n';
    for (auto const& [table, row] : found.rows) out += "           " + table + "  " + visible(row, row_bytes_max) + '\n';
  }
  return out;
}

std::string findings_json(std::vector<Finding> const& findings) {
  std::string out = std::string{"{\"ok\":"} + (std::ranges::any_of(findings, is_wrong) ? "false" : "true") + ",\"checks\":[";
  for (auto const& [what, found, of_configuration] : findings) {
    if (out.back() != '[') out += ',';
    out += "{\"what\":" + json_string(what) + ",\"state\":" + json_string(word_of(found.state)) +
           ",\"detail\":" + json_string(found.detail);
    std::string rows;
    for (auto const& [table, row] : found.rows)
      rows += (rows.empty() ? "" : ",") + ("{\"table\":" + json_string(table)) + ",\"row\":" + row + '}';
    out += (rows.empty() ? "" : ",\"rows\":[" + rows + ']') + '}';
  }
  return out + "]}\n";
}

}  // namespace penstock
