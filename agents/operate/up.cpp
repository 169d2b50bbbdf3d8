/// penstock up: all agents of penstock.toml as child processes; with --embedded also the broker, in this process.
#include "agents/connections.hpp"
#include "agents/health/overview.hpp"
#include "agents/health/reporting.hpp"
#include "agents/operate/agents_of.hpp"
#include "agents/operate/check.hpp"
#include "agents/operate/commands.hpp"
#include "agents/operate/control.hpp"
#include "agents/operate/file_watch.hpp"
#include "agents/operate/ground.hpp"
#include "agents/operate/hangup.hpp"
#include "agents/operate/log_level.hpp"
#include "agents/operate/reach.hpp"
#include "agents/operate/up_socket.hpp"
#include "agents/progress.hpp"
#include "agents/settings.hpp"
#include "agents/spool_folder.hpp"
#include "agents/topic_plan.hpp"
#include "streaming/fault.hpp"
#include "streaming/join.hpp"
#include "streaming/local_socket.hpp"
#include "streaming/log.hpp"
#include "streaming/notify.hpp"
#include "streaming/time.hpp"

#include <fcntl.h>
#include <sys/mman.h>
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

constexpr seconds plain_progress_every{10};
constexpr milliseconds turn{100};

std::set<std::string> without_of(Invocation const& invocation) {
  std::vector<std::string> const known{"publish", "transform", "store", "dead", "audit"};
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

std::vector<AgentReport> reports_of(Supervisor const& supervisor) {
  std::vector<AgentReport> out;
  for (auto const& child : supervisor.children())
    out.push_back({.name = child.spec->name,
                   .key = name_without_number(*child.spec) + ' ' + std::to_string(child.spec->number),
                   .state = std::string{to_text(child.state)},
                   .reason = child.reason,
                   .pid = child.pid,
                   .restarts = child.restarts,
                   .status = child.status});
  return out;
}

std::vector<AgentView> views_of(Supervisor const& supervisor) {
  std::vector<AgentView> out;
  for (auto const& child : supervisor.children())
    out.push_back({.name = child.spec->name,
                   .kind = child.spec->kind,
                   .state = std::string{to_text(child.state)},
                   .why = child.reason,
                   .pid = child.pid,
                   .restarts = child.restarts,
                   .status = child.status,
                   .status_at = child.status_at});
  return out;
}

/// Readers see the old file or the new one, never half of one. Why it could not be written; "": it was.
std::string replace_file(std::string const& path, std::string const& text) {
  auto const fresh = path + ".new";
  errno = 0;
  std::ofstream out{fresh, std::ios::trunc};
  out << text << '\n';
  out.close();
  if (!out) return errno != 0 ? std::strerror(errno) : "it is a folder";
  std::error_code error;
  std::filesystem::rename(fresh, path, error);
  return error ? error.message() : "";
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

bool any_failed(Supervisor const& supervisor) {
  return std::ranges::contains(supervisor.children(), ChildView::State::failed, &ChildView::state);
}

/// A configuration, and the text it was read from: the agents get that, so that one that is started later does not meet a file
/// that nobody has looked through.
struct Loaded {
  Config config;
  std::shared_ptr<Descriptor const> text;  ///< nullptr: there is no file
};

std::shared_ptr<Descriptor const> in_memory(std::string const& text) {
  auto const kept = std::make_shared<Descriptor>(::memfd_create("penstock.toml", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!*kept || ::write(kept->get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    throw Fault{Fault::Kind::fatal, std::string{"no memory for the configuration: "} + std::strerror(errno)};
  ::fcntl(kept->get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
  return kept;
}

Loaded loaded(Config const& before) {
  if (before.file().empty()) return {load_config({}, before.flags()), nullptr};
  auto const text = config_text(before.file());
  return {load_config(before.file(), before.flags(), {}, text), in_memory(text)};
}

/// Throws UsageError where anything in it is wrong, as far as that can be known without asking broker and database.
void check_all(Config const& config, UpOptions const& options, bool embedded) {
  auto const agents = agents_of(config, options);
  connection_of(config);
  if (!options.without.contains("publish"))
    for (auto const& provider : config.sections("publish")) check_publisher(config, provider);
  bool const publishes = std::ranges::any_of(agents, [](auto const& agent) { return agent.kind == "publish" && agent.enabled; });
  if (!publishes || embedded) return;
  try {
    check_spool(config);
  } catch (Fault const& fault) {
    if (fault.kind() != Fault::Kind::transient) throw;  // Without room the publishers say so, and do without.
  }
}

void warn_of_idle(Config const& config, std::vector<ChildSpec> const& agents) {
  auto const partitions = config.integer("kafka.partitions");
  for (auto const& agent : agents)
    if (agent.rank != publishers && agent.number == partitions + 1)
      log::warning("there are more of " + agent.kind + " than partitions: some have nothing to do",
                   {{"kafka.partitions", std::to_string(partitions)}});
}

struct Ending {
  std::optional<seconds> after, idle;
  std::string status_file;
};

class Up {
 public:
  explicit Up(Invocation const& invocation)
      : invocation_{invocation},
        embedded_{invocation.has("embedded")},
        ending_{.after = seconds_of(invocation, "for"),
                .idle = seconds_of(invocation, "until-idle"),
                .status_file = invocation.flag("status-file")},
        config_{invocation.config},
        options_{.program = invocation.program, .without = without_of(invocation), .embedded_brokers = {}} {}

  int run() {
    if (embedded_ && config_.flags().contains("kafka.brokers"))
      throw UsageError{"--embedded brings a broker of its own: leave out --embedded or --kafka-brokers"};
    check_writable(ending_.status_file);
    if (invocation_.has("watch")) {
      if (config_.file().empty()) throw UsageError{"flag --watch: there is no configuration file to watch"};
      watch_.emplace(config_.file());
    }
    take(loaded(config_));
    check_all(config_, options_, embedded_);  // A wrong configuration is found before anything is made.
    listen();
    pages_ = penstock::serve(config_, overview_.pages());
    if (!prepare()) return stopped_as_asked;
    auto const agents = agents_of(config_, options_);
    warn_of_idle(config_, agents);
    supervisor_.become(agents, Supervisor::ByHand::keep);
    supervisor_.run(milliseconds{0});
    phase_ = "running";
    notify_.ready("started");
    work();
    return end();
  }

 private:
  void take(Loaded fresh) {
    config_ = std::move(fresh.config);
    options_.text = std::move(fresh.text);
    options_.counts.clear();
  }

  void listen() try {
    if (auto const path = socket_to_listen(config_); !path.empty()) control_.emplace(path);
  } catch (UsageError const& error) {
    if (config_.given("up.socket"))
      throw UsageError{std::string{error.what()} + " (up.socket, --socket, PENSTOCK_UP_SOCKET), or none for no socket"};
    log::warning("penstock ctl cannot reach this one", {{"why", error.what()}});  // Who did not ask for it can do without.
  }

  /// Broker and database; waits for them. False: asked to stop.
  bool prepare() {
    auto const& stop = invocation_.stop;
    auto const limit = config_.milliseconds("up.wait_ms_max");
    if (!options_.without.contains("store") && !wait_for("the database", [&] {
          return until_there("the database", limit, stop, [&] { prepare_database(config_, embedded_, stop); });
        }))
      return false;
    if (embedded_) {
      ground_.emplace();
      ground_->make_topics(config_);
      options_.embedded_brokers = ground_->brokers();
      options_.embedded_group =
          config_.text("store.group") + "-embedded-" + to_text(std::chrono::floor<Duration>(std::chrono::system_clock::now()));
      return true;
    }
    return wait_for("the broker", [&] {
      return wait_for_broker(connection_of(config_), stop, limit) &&
             until_there("the broker", limit, stop, [&] { apply_topic_plan(config_, stop); });
    });
  }

  /// Answers who asks meanwhile.
  bool wait_for(std::string const& what, std::function<bool()> const& there) {
    phase_ = "waiting for " + what;
    notify_.status(phase_);
    auto made = std::async(std::launch::async, there);
    while (made.wait_for(turn) != std::future_status::ready) {
      serve();
      overview_.update({}, phase_);
    }
    return made.get();
  }

  void serve() {
    if (control_) control_->serve([&](std::string_view line) { return answer_control(line, supervisor_, hooks_); });
  }

  /// Returns when asked to stop, when the time is up or all is done, or nothing is left that runs.
  void work() {
    auto const began = Steady::now();
    auto report_at = began + seconds{1};
    while (!invocation_.stop.stop_requested() && !supervisor_.gave_up()) {
      supervisor_.run(turn);
      log_level_.pass_on(supervisor_.children());
      serve();
      if (reload_when_asked() == Hangup::Asked::closed) return;
      auto const now = Steady::now();
      if (ending_.after && now - began >= *ending_.after) return;
      if (now < report_at) continue;
      report_at += seconds{1};
      report(now);
      if (ending_.idle && (progress_.idle_for(*ending_.idle, now) || any_failed(supervisor_))) return;
    }
  }

  /// With every turn.
  void turned() {
    auto const now = Steady::now();
    notify_.alive(now);
    if (now < show_at_) return;
    show_at_ = now + seconds{1};
    overview_.update(views_of(supervisor_), phase_ == "running" ? "" : phase_);
  }

  void report(Steady::time_point now) {
    auto const reports = reports_of(supervisor_);
    progress_.update(reports, now);
    write_status(reports, now);
    terminal_.progress(progress_, now);
    notify_.status(progress_.line(now));
  }

  // A file that only tells of the pipeline must not end it.
  void write_status(std::vector<AgentReport> const& reports, Steady::time_point now) {
    if (ending_.status_file.empty()) return;
    auto const why = replace_file(ending_.status_file, progress_.json(reports, now));
    if (why.empty()) return;
    terminal_.clear();
    log::warning("the status file cannot be written; all else goes on, and the next report tries again",
                 {{"file", ending_.status_file},
                  {"why", why},
                  {"do", "make room or give rights there, or name another with --status-file at the next start"}});
  }

  Hangup::Asked reload_when_asked() {
    auto const asked = hangup_.take();
    if (asked == Hangup::Asked::reload || (watch_ && watch_->changed(Steady::now()))) try {
        reload();
      } catch (std::exception const& error) {
        if (invocation_.stop.stop_requested()) return asked;
        terminal_.clear();
        log::error("the configuration stays as it was", {{"why", error.what()}, {"do", "mend the file"}});
      }
    return asked;
  }

  void require_running() const {
    if (phase_ != "running")
      throw Fault{Fault::Kind::transient, "penstock up is still " + phase_ + ": end it and start it again"};
  }

  /// Takes the file as it is now. Throws UsageError or Fault: then nothing has changed.
  Supervisor::Changes reload() {
    require_running();
    notify_.reloading();
    struct Ready {  // Also where the new one is refused.
      Notify& notify;
      ~Ready() { notify.ready("reloaded"); }
    } const ready{notify_};
    auto fresh = loaded(config_);
    auto options = options_;
    options.counts.clear();
    check_all(fresh.config, options, embedded_);
    prepare_for(fresh.config);
    drain_without(fresh.config);
    note_own_changes(fresh.config);
    take(std::move(fresh));
    auto const agents = agents_of(config_, options_);
    warn_of_idle(config_, agents);
    auto changes = supervisor_.become(agents, Supervisor::ByHand::undo);
    tell("configuration reloaded", changes);
    return changes;
  }

  /// Looks after the children until `done`. Throws Fault when asked to stop: ending them may take all the time that there is.
  void run_until(std::function<bool()> const& done) {
    while (true) {
      if (invocation_.stop.stop_requested())
        throw Fault{Fault::Kind::transient, "penstock up is asked to stop: the configuration stays as it was"};
      if (done()) return;
      supervisor_.run(turn);
    }
  }

  /// What the new configuration needs of broker and database, where that is not what the old one needed.
  void prepare_for(Config const& fresh) {
    auto const differs = [&](std::string_view section) {
      return std::ranges::any_of(all_settings(), [&](Setting const& setting) {
        return setting.key.starts_with(section) && fresh.text(setting.key) != config_.text(setting.key);
      });
    };
    bool const topics = differs("kafka.") || fresh.sections("publish") != config_.sections("publish") ||
                        fresh.text("transform.providers") != config_.text("transform.providers");
    bool const database = !options_.without.contains("store") && differs("database.");
    preparing_ = std::async(std::launch::async, [this, fresh, topics, database] {
      auto const& stop = invocation_.stop;
      if (database) prepare_database(fresh, embedded_, stop);
      if (!topics) return;
      if (ground_) return ground_->make_topics(fresh);
      if (wait_for_broker(connection_of(fresh), stop, seconds{5})) apply_topic_plan(fresh, stop);
    });
    run_until([&] { return preparing_.wait_for(milliseconds{0}) == std::future_status::ready; });
    preparing_.get();
  }

  /// What a provider that is not asked for any more has brought in is transformed before the transformers no longer read it.
  void drain_without(Config const& fresh) {
    auto const stays = fresh.sections("publish");
    std::vector<std::string> ending;
    for (auto const& child : supervisor_.children())
      if (child.spec->kind == "publish" && !std::ranges::contains(stays, child.spec->provider) && child.pid != 0)
        ending.push_back(child.spec->name);
    if (ending.empty()) return;
    for (auto const& name : ending) supervisor_.stop(name);
    auto const alive = [&](ChildView const& child) { return child.pid != 0 && std::ranges::contains(ending, child.spec->name); };
    run_until([&] { return std::ranges::none_of(supervisor_.children(), alive); });
    auto const since = Steady::now();
    auto const until = since + config_.milliseconds("up.stop_ms_max");
    run_until([&] { return Steady::now() >= until || caught_up(supervisor_, transformers, since); });
  }

  void note_own_changes(Config const& fresh) {
    log::start("up", fresh.text("log.level"), fresh.text("log.format"));
    for (auto const& setting : all_settings())
      if ((setting.key.starts_with("up.") || setting.key == "http.listen") &&
          fresh.text(setting.key) != config_.text(setting.key))
        log::warning("this takes effect when penstock up is started again", {{"setting", setting.key}});
  }

  Supervisor::Changes scale(std::string const& agent, int count) {
    require_running();
    options_.counts[agent] = count;
    auto const agents = agents_of(config_, options_);
    warn_of_idle(config_, agents);
    auto changes = supervisor_.become(agents, Supervisor::ByHand::keep);
    tell(agent + " scaled to " + std::to_string(count), changes);
    return changes;
  }

  void tell(std::string const& what, Supervisor::Changes const& changes) {
    terminal_.clear();
    std::vector<std::string> restarted;
    for (auto const& [name, keys] : changes.restarted) restarted.push_back(name + " (" + join(keys) + ')');
    log::info(what, {{"started", join(changes.started)}, {"stopped", join(changes.stopped)}, {"restarted", join(restarted)}});
  }

  int end() {
    auto const gave_up = supervisor_.gave_up();
    // A run that ends by itself was to do all of something.
    bool const undone = (ending_.after || ending_.idle) && !invocation_.stop.stop_requested() && any_failed(supervisor_);
    terminal_.clear();
    notify_.stopping();
    phase_ = "stopping";
    log::info("stopping: publishers first, then the transformer when it has read all, then the store");
    supervisor_.stop_all([&](int rank, Steady::time_point since) { return caught_up(supervisor_, rank, since); });
    auto const reports = reports_of(supervisor_);
    progress_.update(reports, Steady::now());
    write_status(reports, Steady::now());
    if (gave_up || undone) throw Fault{Fault::Kind::fatal, gave_up.value_or(*supervisor_.gave_up())};
    return stopped_as_asked;
  }

  SupervisorOptions supervising() {
    return {.stop_max = config_.milliseconds("up.stop_ms_max"),
            .on_line = [this](ChildSpec const&, std::string_view line) { terminal_.line(line); },
            .on_end =
                [this](ChildSpec const& child, std::string const& how) {
                  terminal_.clear();
                  log::info(child.name + ' ' + how);
                },
            .on_restart =
                [this](ChildSpec const& child, std::string const& how, milliseconds wait) {
                  terminal_.clear();
                  log::warning(child.name + ' ' + how, {{"restart_in_ms", std::to_string(wait.count())}});
                },
            .on_fail =
                [this](ChildSpec const& child, std::string const& why) {
                  terminal_.clear();
                  log::error(child.name + " failed: it " + why,
                             {{"do", "mend it, then: penstock ctl start " + child.name + ", or penstock ctl reload"}});
                },
            .on_turn = [this] { turned(); }};
  }

  Invocation const& invocation_;
  bool embedded_;
  Ending ending_;
  Config config_;
  UpOptions options_;

  Notify notify_;
  Hangup hangup_;
  std::optional<FileWatch> watch_;
  std::optional<LocalServer> control_;
  std::optional<EmbeddedGround> ground_;
  Overview overview_;
  std::unique_ptr<http::Server> pages_;
  Steady::time_point show_at_{};
  Terminal terminal_;
  Progress progress_{Steady::now()};
  Supervisor supervisor_{{}, supervising()};
  LogLevelPasser log_level_;
  std::string phase_ = "starting";
  ControlHooks hooks_{.phase = [this] { return phase_; },
                      .reload = [this] { return reload(); },
                      .scale = [this](std::string const& agent, int count) { return scale(agent, count); }};
  std::future<void> preparing_;  ///< the last: what it uses outlives it
};

int run(Invocation const& invocation) { return Up{invocation}.run(); }

}  // namespace

Command const up_command{
    .name = "up",
    .summary = "Start all agents of penstock.toml and keep them running",
    .sections = {"up", "http", "health", "kafka", "database", "transform", "store", "publish.*", "spool", "dead", "audit",
                 "retention"},
    .flags = {{.name = "embedded",
               .help = "Run a broker in this process, for trying out: in memory, about 5 MB a partition, no transactions; "
                       "applies the database migrations, too"},
              {.name = "without",
               .argument = "LIST",
               .help = "Agents that run elsewhere: of publish, transform, store, dead, audit; separated by commas"},
              {.name = "watch",
               .help = "Take the configuration file when it has changed, as SIGHUP and `penstock ctl reload` do: a wrong one is "
                       "refused and the old one goes on; only agents whose settings changed are started anew"},
              {.name = "for", .argument = "SECONDS", .help = "Stop by itself after so long"},
              {.name = "until-idle",
               .argument = "SECONDS",
               .help = "Stop by itself when something was written, nothing is waiting, and nothing more was written for so "
                       "long; or, with exit 1, when an agent failed for good"},
              {.name = "status-file",
               .argument = "FILE",
               .help = "Write how it goes to this file each second, as one JSON object"}},
    .example = "penstock up --embedded --until-idle 5    runs everything on a broker of its own until all that came is stored",
    .run = run,
    .stop_max = [](Config const& config) { return config.milliseconds("up.stop_ms_max") + milliseconds{600}; },
};

}  // namespace penstock
