/// penstock up: all agents of penstock.toml as child processes; with --embedded also the broker, in this process.
#include "agents/operate/up.hpp"

#include "agents/connections.hpp"
#include "agents/operate/check.hpp"
#include "agents/operate/commands.hpp"
#include "agents/operate/reach.hpp"
#include "agents/progress.hpp"
#include "agents/topic_plan.hpp"
#include "schemas/texts.hpp"
#include "streaming/fault.hpp"
#include "streaming/kafka/embedded.hpp"
#include "streaming/kafka/topics.hpp"
#include "streaming/log.hpp"
#include "streaming/postgres/migrations.hpp"
#include "streaming/time.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <optional>
#include <ranges>

namespace penstock {

namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view embedded_pace_bytes_max = "2000000";  // The embedded broker keeps about 5 MB a partition.
constexpr seconds plain_progress_every{10};

std::set<std::string> without_of(Invocation const& invocation) {
  std::vector<std::string> const known{"publish", "transform", "store", "dead"};
  std::set<std::string> out;
  for (auto const part : std::views::split(invocation.flag("without"), ',')) {
    std::string const word{std::string_view{part}};
    if (word.empty()) continue;
    if (!std::ranges::contains(known, word))
      throw UsageError{"flag --without: \"" + word + "\" is no agent" + suggestion(word, known)};
    out.insert(word);
  }
  return out;
}

std::optional<seconds> seconds_of(Invocation const& invocation, std::string const& flag) {
  if (!invocation.has(flag)) return {};
  auto const text = invocation.flag(flag);
  int value = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 1 || value > 31'536'000)
    throw UsageError{"flag --" + flag + " is \"" + text + "\"; it takes a whole number of seconds from 1 to 31536000"};
  return seconds{value};
}

/// stderr, shared by the agents' lines and one progress line that is rewritten in place.
class Terminal {
 public:
  void line(std::string_view text) {
    clear();
    std::cerr << text << '\n' << std::flush;
  }
  void clear() {
    if (dirty_) std::cerr << "\r\x1b[K" << std::flush;
    dirty_ = false;
  }
  void progress(Progress const& progress, Steady::time_point now) {
    if (terminal_) {
      clear();
      std::cerr << progress.line(now) << std::flush;
      dirty_ = true;
    } else if (now - said_at_ >= plain_progress_every) {
      log::info(progress.line(now));
      said_at_ = now;
    }
  }

 private:
  bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  bool dirty_ = false;
  Steady::time_point said_at_ = Steady::now();
};

void prepare_topics(Config const& config) {
  auto const connection = connection_of(config);
  auto const differences = kafka::plan_topics(connection, topic_plan(config));
  kafka::apply_topics(connection, differences);
  if (!differences.empty()) log::info("topics applied", {{"changes", std::to_string(differences.size())}});
}

std::unique_ptr<kafka::EmbeddedBroker> embedded_broker(Config const& config) {
  auto broker = std::make_unique<kafka::EmbeddedBroker>();
  // librdkafka's mock cluster looks at such requests a few times a second, at all that are there: asked one after the
  // other they take seconds.
  std::vector<std::future<void>> made;
  for (auto const& topic : topic_plan(config))
    made.push_back(std::async(std::launch::async, [&broker, topic] { broker->create_topic(topic.name, topic.partitions); }));
  for (auto& one : made) one.get();
  return broker;
}

void prepare_database(Config const& config, bool apply, std::stop_token const& stop) {
  auto const opened = open_database(config, stop);
  auto& connection = *opened;
  if (apply) {
    postgres::apply_migrations(connection, schema_texts(), [](postgres::MigrationState const& state) {
      if (state.kind == postgres::MigrationState::Kind::applied) log::info("migration applied", {{"file", state.name}});
    });
    return;
  }
  require_schema(connection);
}

std::vector<AgentReport> reports_of(Supervisor const& supervisor) {
  std::vector<AgentReport> out;
  for (auto const& child : supervisor.children())
    out.push_back({.name = child.spec->name,
                   .state = std::string{to_text(child.state)},
                   .pid = child.pid,
                   .restarts = child.restarts,
                   .status = child.status});
  return out;
}

/// Readers see the old file or the new one, never half of one.
void replace_file(std::string const& path, std::string const& text) {
  auto const fresh = path + ".new";
  std::ofstream out{fresh, std::ios::trunc};
  out << text << '\n';
  out.close();
  if (!out) throw Fault{Fault::Kind::fatal, "cannot write the status file " + fresh + ": name another with --status-file"};
  std::filesystem::rename(fresh, path);
}

void check_writable(std::string const& status_file) {
  if (status_file.empty()) return;
  errno = 0;
  if (std::filesystem::is_directory(status_file) || !std::ofstream{status_file + ".new", std::ios::trunc})
    throw UsageError{"flag --status-file: " + status_file + " cannot be written (" +
                     (errno != 0 ? std::strerror(errno) : "it is a folder") + "); name another file"};
}

/// Whether all agents of a rank said, after those before them had ended, that nothing is left to read.
bool caught_up(Supervisor const& supervisor, int rank, Steady::time_point since) {
  if (rank == publishers) return true;
  return std::ranges::all_of(supervisor.children(), [&](ChildView const& child) {
    return child.spec->rank != rank || child.state != ChildView::State::running ||
           (child.status_at > since && lag_in(child.status) == 0);
  });
}

struct Ending {
  std::optional<seconds> after, idle;
  std::string status_file;
};

/// Returns when asked to stop, when the time is up or all is done, or an agent gave up.
void watch(Supervisor& supervisor, Progress& progress, Terminal& terminal, Ending const& ending, std::stop_token const& stop) {
  auto const began = Steady::now();
  auto report_at = began + seconds{1};
  while (!stop.stop_requested() && !supervisor.gave_up()) {
    supervisor.run(milliseconds{100});
    auto const now = Steady::now();
    if (ending.after && now - began >= *ending.after) return;
    if (now < report_at) continue;
    report_at += seconds{1};
    auto const reports = reports_of(supervisor);
    progress.update(reports, now);
    terminal.progress(progress, now);
    if (!ending.status_file.empty()) replace_file(ending.status_file, progress.json(reports, now));
    if (ending.idle && progress.idle_for(*ending.idle, now)) return;
  }
}

int run(Invocation const& invocation) {
  auto const& config = invocation.config;
  Ending const ending{.after = seconds_of(invocation, "for"),
                      .idle = seconds_of(invocation, "until-idle"),
                      .status_file = invocation.flag("status-file")};
  UpOptions options{.program = invocation.program, .without = without_of(invocation), .embedded_brokers = {}};
  auto const embedded = invocation.has("embedded");
  // A wrong configuration is found before anything is made.
  if (embedded && config.flags().contains("kafka.brokers"))
    throw UsageError{"--embedded brings a broker of its own: leave out --embedded or --kafka-brokers"};
  check_writable(ending.status_file);
  agents_of(config, options);
  if (!options.without.contains("publish"))
    for (auto const& provider : config.sections("publish")) check_publisher(config, provider);

  if (!options.without.contains("store")) prepare_database(config, embedded, invocation.stop);
  std::unique_ptr<kafka::EmbeddedBroker> broker;
  if (embedded) {
    broker = embedded_broker(config);
    options.embedded_brokers = broker->brokers();
    options.embedded_group =
        config.text("store.group") + "-embedded-" + to_text(std::chrono::floor<Duration>(std::chrono::system_clock::now()));
  } else {
    prepare_topics(config);
  }

  Terminal terminal;
  Supervisor supervisor{agents_of(config, options),
                        {.on_line = [&](ChildSpec const&, std::string_view line) { terminal.line(line); },
                         .on_end = [](ChildSpec const& child, std::string const& how) { log::info(child.name + ' ' + how); },
                         .on_restart =
                             [&](ChildSpec const& child, std::string const& how, milliseconds wait) {
                               terminal.clear();
                               log::warning(child.name + ' ' + how, {{"restart_in_ms", std::to_string(wait.count())}});
                             }}};
  Progress progress{Steady::now()};
  watch(supervisor, progress, terminal, ending, invocation.stop);
  terminal.clear();
  log::info("stopping: publishers first, then the transformer when it has read all, then the store");
  supervisor.stop([&](int rank, Steady::time_point since) { return caught_up(supervisor, rank, since); });

  auto const reports = reports_of(supervisor);
  progress.update(reports, Steady::now());
  if (!ending.status_file.empty()) replace_file(ending.status_file, progress.json(reports, Steady::now()));
  if (supervisor.gave_up()) throw Fault{Fault::Kind::fatal, *supervisor.gave_up()};
  return stopped_as_asked;
}

}  // namespace

std::vector<ChildSpec> agents_of(Config const& config, UpOptions const& options) {
  std::vector<std::string> shared;
  if (!config.file().empty()) shared = {"--config", config.file()};
  if (!options.embedded_brokers.empty())
    shared.insert(shared.end(), {"--kafka-brokers", options.embedded_brokers, "--kafka-transactions=false",
                                 "--kafka-pace-bytes-max=" + std::string{embedded_pace_bytes_max}});
  shared.push_back("--status-fd=" + std::to_string(Supervisor::status_descriptor));
  shared.emplace_back("--kafka-wait-ms-max=0");  // An outage is no crash loop.
  std::map<std::string, std::string> variables;
  for (auto const& [key, text] : config.flags()) variables[variable_name(key)] = text;
  if (!options.embedded_group.empty()) variables[variable_name("store.group")] = options.embedded_group;

  std::vector<ChildSpec> agents;
  auto const add = [&](std::string const& name, Rank rank, std::vector<std::string> words) {
    words.insert(words.begin(), options.program);
    words.insert(words.end(), shared.begin(), shared.end());
    agents.push_back({.name = name, .rank = rank, .command = std::move(words), .variables = variables});
  };
  bool const retries = !config.list("dead.retry_reasons").empty() && !options.without.contains("dead");
  // What reads is there before what writes.
  if (!options.without.contains("store")) add("store", stores, {"store"});
  if (!options.without.contains("transform")) add("transform", transformers, {"transform"});
  if (!options.without.contains("publish")) {
    for (auto const& provider : config.sections("publish")) {
      std::vector<std::string> words{"publish", provider};
      // Its broker ends with it, and with what it held.
      if (!options.embedded_brokers.empty()) words.emplace_back("--spool-bytes-max=0");
      add("publish " + provider, publishers, std::move(words));
    }
    if (config.sections("publish").empty())
      throw UsageError{(config.file().empty() ? std::string{"there is no penstock.toml here"}
                                              : config.file() + " has no [publish.PROVIDER] section") +
                       ", so there is nothing to publish: write for example [publish.binance], or say --without publish"};
  }
  if (retries) add("dead retry", publishers, {"dead", "retry"});
  if (agents.empty()) throw UsageError{"flag --without leaves nothing to start; leave one of publish, transform, store"};
  return agents;
}

Command const up_command{
    .name = "up",
    .summary = "Start all agents of penstock.toml and keep them running",
    .sections = {"", "kafka", "database", "transform", "store", "publish.*", "spool", "dead", "retention"},
    .flags = {{.name = "embedded",
               .help = "Run a broker in this process, for trying out: in memory, about 5 MB a partition, no transactions; "
                       "applies the database migrations, too"},
              {.name = "without",
               .argument = "LIST",
               .help = "Agents that run elsewhere: of publish, transform, store, dead; separated by commas"},
              {.name = "for", .argument = "SECONDS", .help = "Stop by itself after so long"},
              {.name = "until-idle",
               .argument = "SECONDS",
               .help = "Stop by itself when something was written, nothing is waiting, and nothing more was written for so long"},
              {.name = "status-file",
               .argument = "FILE",
               .help = "Write how it goes to this file each second, as one JSON object"}},
    .example = "penstock up --embedded --until-idle 5    runs everything on a broker of its own until all that came is stored",
    .run = run,
};

}  // namespace penstock
