/// penstock db plan|apply|status|retention: the database's schema, and how long rows are kept.
#include "agents/operate/commands.hpp"
#include "agents/operate/reach.hpp"
#include "agents/operate/text_table.hpp"
#include "schemas/kinds.hpp"
#include "schemas/texts.hpp"
#include "streaming/json.hpp"
#include "streaming/postgres/migrations.hpp"

#include <algorithm>
#include <iomanip>
#include <iostream>

namespace penstock {
namespace {

using postgres::Connection;
using postgres::MigrationState;
using Kind = MigrationState::Kind;

void print_states_json(std::vector<MigrationState> const& states) {
  std::cout << "{\"migrations\":[";
  for (auto const& state : states)
    std::cout << (&state == &states.front() ? "" : ",") << "{\"name\":" << json_string(state.name)
              << ",\"state\":" << json_string(to_text(state.kind))
              << (state.applied_at.empty() ? "" : ",\"applied_at\":" + json_string(state.applied_at))
              << (state.detail.empty() ? "" : ",\"detail\":" + json_string(state.detail)) << '}';
  std::cout << "],\"pending\":" << std::ranges::count(states, Kind::pending, &MigrationState::kind) << "}\n";
}

void print_states(std::vector<MigrationState> const& states) {
  std::vector<std::vector<std::string>> rows{{"FILE", "STATE", "APPLIED AT", ""}};
  for (auto const& state : states) rows.push_back({state.name, std::string{to_text(state.kind)}, state.applied_at, state.detail});
  std::cout << text_table(rows);
}

int changed_or_fine(std::vector<MigrationState> const& states) {
  return std::ranges::contains(states, Kind::changed, &MigrationState::kind) ? gave_up : stopped_as_asked;
}

int status(Connection& connection, bool json) {
  auto const states = postgres::migration_status(connection, schema_texts());
  json ? print_states_json(states) : print_states(states);
  return changed_or_fine(states);
}

int plan(Connection& connection, bool json) {
  auto states = postgres::migration_status(connection, schema_texts());
  auto const code = changed_or_fine(states);
  std::erase_if(states, [](auto const& state) { return state.kind == Kind::applied; });
  if (json) {
    print_states_json(states);
    return code;
  }
  for (auto const& state : states)
    std::cout << (state.kind == Kind::pending   ? "apply    "
                  : state.kind == Kind::skipped ? "skip     "
                                                : "refuse   ")
              << state.name << (state.detail.empty() ? "" : ": " + state.detail) << '\n';
  auto const pending = std::ranges::count(states, Kind::pending, &MigrationState::kind);
  if (code == stopped_as_asked)
    std::cout << (pending == 0 ? "nothing to do" : std::to_string(pending) + " to apply: run `penstock db apply`") << '\n';
  return code;
}

int apply(Connection& connection, bool json) {
  std::size_t applied = 0;
  auto const states = postgres::apply_migrations(connection, schema_texts(), [&](MigrationState const& state) {
    applied += state.kind == Kind::applied ? 1 : 0;
    if (!json)
      std::cout << std::left << std::setw(9) << to_text(state.kind) << state.name
                << (state.detail.empty() ? "" : ": " + state.detail) << std::endl;
  });
  if (json)
    print_states_json(states);
  else
    std::cout << (applied == 0 ? "nothing to do" : std::to_string(applied) + " applied") << '\n';
  return stopped_as_asked;
}

int retention(Connection& connection, Config const& config, bool json) {
  std::vector<std::vector<std::string>> rows{{"KIND", "KEPT", "DROPPED"}};
  std::string lines;
  for (auto const kind : kind_names) {
    auto const days = config.integer("retention." + std::string{kind} + "_days");
    if (days == 0) continue;
    auto const dropped = postgres::drop_old_chunks(connection, kind, days);
    auto const count = std::to_string(dropped.chunks.size());
    rows.push_back(
        {std::string{kind}, std::to_string(days) + " days", dropped.skipped.empty() ? count + " chunks" : dropped.skipped});
    lines += (lines.empty() ? "" : ",") + ("{\"kind\":" + json_string(kind)) + ",\"days\":" + std::to_string(days) +
             ",\"chunks\":" + count + (dropped.skipped.empty() ? "" : ",\"skipped\":" + json_string(dropped.skipped)) + "}";
  }
  if (json)
    std::cout << "{\"retention\":[" << lines << "]}\n";
  else if (rows.size() == 1)
    std::cout << "retention is off: everything is kept. Set retention.<kind>_days, e.g. retention.trades_days = 90\n";
  else
    std::cout << text_table(rows);
  return stopped_as_asked;
}

int run(Invocation const& invocation) {
  auto const& word = invocation.arguments.front();
  auto const opened = open_database(invocation.config, invocation.stop);
  auto& connection = *opened;
  auto const json = invocation.has("json");
  if (word == "plan") return plan(connection, json);
  if (word == "apply") return apply(connection, json);
  if (word == "status") return status(connection, json);
  return retention(connection, invocation.config, json);
}

}  // namespace

Command const db_command{
    .name = "db",
    .summary = "Plan, apply and show the database's schema; drop what is older than retention.<kind>_days",
    .arguments = "plan|apply|status|retention",
    .arguments_least = 1,
    .arguments_most = 1,
    .sections = {"database", "retention"},
    .flags = {{.name = "json", .argument = {}, .help = "One JSON object instead of lines", .fallback = {}}},
    .example = "penstock db apply --url postgresql://penstock@127.0.0.1:5432/penstock   makes the tables that are missing",
    .run = run};

}  // namespace penstock
