#include "agents/connections.hpp"
#include "agents/operate/check_world.hpp"
#include "agents/operate/clock_skew.hpp"
#include "agents/operate/counted.hpp"
#include "agents/operate/reach.hpp"
#include "agents/operate/schema_columns.hpp"
#include "agents/settings.hpp"
#include "schemas/kinds.hpp"
#include "schemas/texts.hpp"
#include "streaming/fault.hpp"
#include "streaming/join.hpp"
#include "streaming/postgres/migrations.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <ranges>

namespace penstock {

namespace {

using State = Found::State;
using postgres::Connection;

constexpr std::chrono::seconds wait{5};
constexpr std::size_t shown_max = 3;

std::string some_of(std::vector<std::string> const& words) {
  return join(words | std::views::take(shown_max)) +
         (words.size() > shown_max ? " and " + std::to_string(words.size() - shown_max) + " more" : "");
}

std::string value_of(std::vector<postgres::Row> const& rows) { return rows.at(0).at(0).value_or("?"); }

Found look_at_server(Connection& connection) {
  auto const version = "PostgreSQL " + value_of(connection.query("show server_version"));
  auto const before = system_clock().now();
  auto const said = parse_time(
      value_of(connection.query("select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")));
  auto const skew = said ? certain_skew(before, system_clock().now(), *said) : Duration{};
  auto const text = skew_text("its", skew);
  return {text.empty() ? State::ok : State::warning, version + text};
}

Found look_at_timescaledb(Connection& connection) {
  auto const rows = connection.query(
      "select extversion, current_setting('timescaledb.license', true) from pg_extension where extname = 'timescaledb'");
  if (!rows.empty()) return "version " + rows[0][0].value_or("?") + ", license " + rows[0][1].value_or("?");
  if (connection.query("select 1 from pg_available_extensions where name = 'timescaledb'").empty())
    return {State::wrong,
            "the server does not have TimescaleDB: install it there (package postgresql-17-timescaledb), add it to "
            "shared_preload_libraries, restart the server"};
  return {State::wrong, "the extension is not in this database yet: run `penstock db apply`"};
}

Found look_at_migrations(Connection& connection) {
  using Kind = postgres::MigrationState::Kind;
  std::size_t applied = 0;
  std::string pending, skipped;
  for (auto const& state : postgres::migration_status(connection, schema_texts())) {
    if (state.kind == Kind::changed)
      return {State::wrong,
              state.name + ' ' + state.detail + ": use the version of penstock that set this database up, or another database"};
    if (state.kind == Kind::pending) pending += (pending.empty() ? "" : ", ") + state.name;
    if (state.kind == Kind::skipped) skipped += (skipped.empty() ? "; skipped " : ", ") + state.name;
    if (state.kind == Kind::applied) ++applied;
  }
  if (!pending.empty()) return {State::wrong, pending + " to be applied: run `penstock db apply`"};
  return std::to_string(applied) + " applied" + skipped;
}

// What is skipped on this server is not missed.
std::vector<TextFile> texts_for(Connection& connection) {
  auto texts = schema_texts();
  for (auto const& state : postgres::migration_status(connection, texts))
    if (state.kind == postgres::MigrationState::Kind::skipped)
      std::erase_if(texts, [&](TextFile const& text) { return text.name == state.name; });
  return texts;
}

Found look_at_tables(Connection& connection) {
  auto const planned = planned_columns(texts_for(connection));
  auto const [wrong, extra] = compare(planned, columns_in(connection, planned));
  if (!wrong.empty())
    return {State::wrong,
            some_of(wrong) + ": undo what was done to the tables past penstock, or `penstock db apply` where they are missing"};
  if (!extra.empty())
    return {State::warning, some_of(extra) + ": no store writes there, so it must not be `not null` without a default"};
  return counted(planned.size(), "table") + " as planned";
}

// What a store does: COPY into the tables, or through a temporary one; rows change where the later one wins.
Found look_at_rights(Connection& connection, Config const& config) {
  std::vector<postgres::Value> written{"penstock.offsets", "penstock.ledger"}, changed = written;
  for (auto const& kind : stored_kinds(config)) {
    written.emplace_back(kind);
    if (conflict_of(kind) == Conflict::later_wins) changed.emplace_back(kind);
  }
  std::vector<std::string> missing;
  for (auto const& row : connection.query(
           "select p.name || ' on ' || p.to_what from (select name, unnest($1::text[]) from unnest(array['select', 'insert']) "
           "n(name) "
           "union all select 'update', unnest($2::text[])) p(name, to_what) where to_regclass(p.to_what) is not null and not "
           "has_table_privilege(p.to_what, p.name) union all select 'temporary on database ' || current_database() where not "
           "has_database_privilege(current_database(), 'temporary')",
           {postgres::array_of(written), postgres::array_of(changed)}))
    missing.push_back(row[0].value_or("?"));
  auto const user = value_of(connection.query("select current_user"));
  if (missing.empty()) return user + " may write";
  auto const lacks = [&](std::string_view right) {
    return std::ranges::count_if(missing, [&](std::string const& one) { return one.starts_with(right); });
  };
  if (lacks("select") == 0 && lacks("insert") == std::ssize(written))
    return {State::warning,
            user + " may only read, which is enough for those who look; a store needs `grant penstock_writer to " + user + '`'};
  return {State::wrong, user + " lacks " + some_of(missing) + ": grant it (`grant penstock_writer to " + user +
                            "`), or set another user in database.url"};
}

}  // namespace

std::vector<Finding> check_database(Config const& config, std::stop_token const& stop) {
  std::vector<Finding> findings;
  std::unique_ptr<Connection> connection;
  auto const address = [&] {
    try {
      return "database " + postgres::address_of(database_of(config));
    } catch (UsageError const&) {
      return std::string{"database"};
    }
  };
  findings.push_back(finding(address(), [&] {
    connection = open_database(config, stop, wait);
    return look_at_server(*connection);
  }));
  using Look = Found (*)(Connection&, Config const&);
  constexpr std::array<std::pair<char const*, Look>, 4> looks{
      {{"timescaledb", [](Connection& to, Config const&) { return look_at_timescaledb(to); }},
       {"migrations", [](Connection& to, Config const&) { return look_at_migrations(to); }},
       {"tables", [](Connection& to, Config const&) { return look_at_tables(to); }},
       {"rights", look_at_rights}}};
  for (auto const& [what, look] : looks)
    findings.push_back(finding(what, [&]() -> Found {
      if (connection == nullptr) return {State::wrong, "not looked at: there is no connection to the database"};
      return look(*connection, config);
    }));
  return findings;
}

}  // namespace penstock
