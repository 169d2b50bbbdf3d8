/// penstock check: configuration, broker, topics, database, schema; goes on after a failure and shows all.
#include "agents/operate/check.hpp"

#include "agents/connections.hpp"
#include "agents/operate/commands.hpp"
#include "agents/operate/reach.hpp"
#include "agents/spool_folder.hpp"
#include "agents/subscription.hpp"
#include "agents/topic_plan.hpp"
#include "schemas/texts.hpp"
#include "streaming/fault.hpp"
#include "streaming/json.hpp"
#include "streaming/kafka/topics.hpp"
#include "streaming/log.hpp"
#include "streaming/postgres/migrations.hpp"

#include <algorithm>
#include <iostream>
#include <memory>

namespace penstock {

namespace {

constexpr std::chrono::seconds broker_wait_max{5};

std::string counted(std::size_t count, std::string const& noun) {
  return std::to_string(count) + ' ' + noun + (count == 1 ? "" : "s");
}

std::string check_topics(Config const& config) {
  auto const plan = topic_plan(config);
  auto differences = kafka::plan_topics(connection_of(config), plan);
  std::erase_if(differences, [](auto const& difference) { return !difference.can_be_made(); });
  if (differences.empty()) return counted(plan.size(), "topic") + ", as planned";
  std::string missing;
  constexpr std::size_t shown = 3;
  for (std::size_t i = 0; i < std::min(shown, differences.size()); ++i)
    missing += (i == 0 ? "" : ", ") + differences[i].spec.name +
               (differences[i].detail.empty() ? "" : " (" + differences[i].detail + ')');
  if (differences.size() > shown) missing += " and " + std::to_string(differences.size() - shown) + " more";
  throw Fault{Fault::Kind::fatal, missing + ": run `penstock topics apply`"};
}

std::string check_timescaledb(postgres::Connection& connection) {
  auto const rows = connection.query(
      "select extversion, current_setting('timescaledb.license', true) from pg_extension where extname = 'timescaledb'");
  if (!rows.empty()) return "version " + rows[0][0].value_or("?") + ", license " + rows[0][1].value_or("?");
  if (connection.query("select 1 from pg_available_extensions where name = 'timescaledb'").empty())
    throw Fault{Fault::Kind::fatal,
                "the server does not have TimescaleDB: install it there (package postgresql-17-timescaledb), add it to "
                "shared_preload_libraries, restart the server"};
  throw Fault{Fault::Kind::fatal, "the extension is not in this database yet: run `penstock db apply`"};
}

std::string check_migrations(postgres::Connection& connection) {
  using Kind = postgres::MigrationState::Kind;
  std::size_t applied = 0;
  std::string pending, skipped;
  for (auto const& state : postgres::migration_status(connection, schema_texts())) {
    if (state.kind == Kind::changed)
      throw Fault{Fault::Kind::fatal, state.name + ' ' + state.detail +
                                          ": use the version of penstock that set this database up, or another database"};
    if (state.kind == Kind::pending) pending += (pending.empty() ? "" : ", ") + state.name;
    if (state.kind == Kind::skipped) skipped += (skipped.empty() ? "; skipped " : ", ") + state.name;
    if (state.kind == Kind::applied) ++applied;
  }
  if (!pending.empty()) throw Fault{Fault::Kind::fatal, pending + " to be applied: run `penstock db apply`"};
  return std::to_string(applied) + " applied" + skipped;
}

void check_configuration(Config const& config, std::vector<Finding>& findings) {
  // What is wrong with keys, words and numbers has already ended the program: it ran when the file was read.
  findings.push_back(finding("configuration", [&] {
    return config.file().empty() ? std::string{"no penstock.toml here; defaults, variables and flags"} : config.file();
  }));
  auto const sections = config.sections("publish");
  findings.push_back(finding("publishers", [&] {
    if (sections.empty()) throw UsageError{"no [publish.PROVIDER] section: write for example [publish.binance]"};
    return counted(sections.size(), "section");
  }));
  for (auto const& name : sections) findings.push_back(finding("publish." + name, [&] { return check_publisher(config, name); }));
  findings.push_back(finding("spool", [&] { return check_spool(config); }));
}

void check_broker(Config const& config, std::vector<Finding>& findings) {
  findings.push_back(finding("broker " + config.text("kafka.brokers"), [&] {
    kafka::check_reachable(connection_of(config), broker_wait_max);
    return std::string{"reachable"};
  }));
  findings.push_back(findings.back().good ? finding("topics", [&] { return check_topics(config); })
                                          : Finding{"topics", false, "not looked at: the broker is away"});
}

void check_database(Invocation const& invocation, std::vector<Finding>& findings) {
  auto const settings = database_of(invocation.config);
  std::unique_ptr<postgres::Connection> connection;
  findings.push_back(finding("database " + postgres::address_of(settings), [&] {
    connection = open_database(invocation.config, invocation.stop);
    return "PostgreSQL " + connection->query("show server_version").at(0).at(0).value_or("?");
  }));
  if (connection == nullptr) {
    for (auto const* what : {"timescaledb", "migrations"})
      findings.push_back({what, false, "not looked at: there is no connection to the database"});
    return;
  }
  findings.push_back(finding("timescaledb", [&] { return check_timescaledb(*connection); }));
  findings.push_back(finding("migrations", [&] { return check_migrations(*connection); }));
}

int run(Invocation const& invocation) {
  std::vector<Finding> findings;
  check_configuration(invocation.config, findings);
  check_broker(invocation.config, findings);
  check_database(invocation, findings);
  std::cout << (invocation.has("json") ? findings_json(findings) : findings_text(findings));
  return all_good(findings) ? stopped_as_asked : gave_up;
}

}  // namespace

std::string check_publisher(Config const& config, std::string const& name) {
  auto const subscription = subscription_of(provider_named(name), config);
  return counted(subscription.symbols.size(), "symbol") + ", " + counted(subscription.channels.size(), "channel");
}

Finding finding(std::string what, std::function<std::string()> const& look) {
  try {
    auto detail = look();
    return {.what = std::move(what), .good = true, .detail = std::move(detail)};
  } catch (std::exception const& error) {
    auto detail = log::redacted(error.what());
    std::ranges::replace(detail, '\n', ' ');
    return {.what = std::move(what), .good = false, .detail = std::move(detail)};
  }
}

bool all_good(std::vector<Finding> const& findings) { return std::ranges::all_of(findings, &Finding::good); }

std::string findings_text(std::vector<Finding> const& findings) {
  std::size_t widest = 0;
  for (auto const& one : findings) widest = std::max(widest, one.what.size());
  std::string out;
  for (auto const& one : findings)
    out += (one.good ? "ok      " : "FAILED  ") + one.what + std::string(widest - one.what.size() + 2, ' ') + one.detail + '\n';
  return out;
}

std::string findings_json(std::vector<Finding> const& findings) {
  std::string out = std::string{"{\"ok\":"} + (all_good(findings) ? "true" : "false") + ",\"checks\":[";
  for (auto const& one : findings) {
    if (out.back() != '[') out += ',';
    out += "{\"what\":" + json_string(one.what) + ",\"ok\":" + (one.good ? "true" : "false") +
           ",\"detail\":" + json_string(one.detail) + '}';
  }
  return out + "]}\n";
}

Command const check_command{
    .name = "check",
    .summary = "Look whether everything is there: configuration, broker, topics, database, schema; and say what to do",
    .sections = {"", "kafka", "database", "publish.*", "spool"},
    .flags = {{.name = "json", .help = "One JSON object instead of lines"}},
    .example = "penstock check --config penstock.toml    one line each, ok or FAILED and what to do; exit 1 when one failed",
    .run = run,
};

}  // namespace penstock
