#include "agents/supervisor.hpp"

#include "streaming/backoff.hpp"

#include <poll.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <deque>
#include <set>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace penstock {

namespace {

using std::chrono::milliseconds;
using State = ChildView::State;
constexpr std::string_view by_hand_text = "stopped by hand", disabled_text = "enabled is false in the configuration";

bool starting_again_helps(int wait_status) {
  constexpr int wrong_configuration = 2;
  return !could_not_start(wait_status) && !(WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == wrong_configuration);
}

bool was_killed(int wait_status) { return WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGKILL; }

// A line that tells of no trouble does not say why a process ended.
bool is_small_talk(std::string_view line) {
  auto const start = line.substr(0, 80);
  return std::ranges::any_of(
      std::array<std::string_view, 4>{"level=info", "level=debug", R"("level":"info")", R"("level":"debug")"},
      [&](auto level) { return start.contains(level); });
}

std::vector<std::string> differing_keys(std::map<std::string, std::string> const& before,
                                        std::map<std::string, std::string> const& after) {
  std::set<std::string> keys;
  for (auto const& [one, other] : {std::pair{&before, &after}, std::pair{&after, &before}})
    for (auto const& [key, value] : *one)
      if (auto const found = other->find(key); found == other->end() || found->second != value) keys.insert(key);
  return {keys.begin(), keys.end()};
}

}  // namespace

std::string_view to_text(State state) {
  switch (state) {
    case State::running: return "running";
    case State::waiting: return "waiting";
    case State::stopping: return "stopping";
    case State::stopped: return "stopped";
    case State::failed: return "failed";
  }
  return {};
}

struct Supervisor::Child {
  Child(ChildSpec of, SupervisorOptions const& options)
      : spec{std::move(of)}, backoff{options.backoff_first, options.backoff_most} {
    spec.enabled ? start_now() : become(State::stopped, std::string{disabled_text});
  }

  void become(State next, std::string why) {
    state = next;
    reason = std::move(why);
    since = Steady::now();
  }
  /// Forgets its failures.
  void start_now() {
    become(State::waiting, {});
    start_at = since;
    failures.clear();
    backoff.reset();
  }
  bool alive() const { return state == State::running || state == State::stopping; }

  ChildSpec spec;

  State state = State::waiting;
  std::string reason;
  Steady::time_point since{};
  bool then_start = false;  ///< stopping: to be started again
  bool removed = false;     ///< there is no such child any more when it has ended
  Steady::time_point kill_at{};
  std::unique_ptr<ChildProcess> process;
  std::string status_line, last_words;
  Steady::time_point status_at{}, start_at{};
  std::deque<Steady::time_point> failures, restarts_at;
  Backoff backoff;
  int restarts = 0;
  bool is_restart = false;  ///< the next start
};

Supervisor::Supervisor(std::vector<ChildSpec> children, SupervisorOptions options) : options_{std::move(options)} {
  for (auto& spec : children) children_.push_back(std::make_unique<Child>(std::move(spec), options_));
}

Supervisor::~Supervisor() = default;

void Supervisor::run(milliseconds wait) {
  if (options_.on_turn) options_.on_turn();
  auto until = Steady::now() + wait;
  for (auto const& child : children_) start_when_due(*child, until);
  read_all(std::max(milliseconds{0}, std::chrono::ceil<milliseconds>(until - Steady::now())));
  for (auto const& child : children_)
    if (child->alive()) reap(*child);
  std::erase_if(children_, [](auto const& child) { return child->removed && !child->alive(); });
}

void Supervisor::start_when_due(Child& child, Steady::time_point& until) {
  if (child.state != State::waiting || stopping_) return;
  if (child.start_at <= Steady::now())
    launch(child);
  else
    until = std::min(until, child.start_at);
}

void Supervisor::launch(Child& child) {
  child.process = std::make_unique<ChildProcess>(ChildProcess::Start{
      .command = child.spec.command, .variables = child.spec.variables, .file = child.spec.file ? child.spec.file->get() : -1});
  child.status_line.clear();
  child.last_words.clear();
  child.become(State::running, {});
  if (!std::exchange(child.is_restart, false)) return;
  ++child.restarts;
  child.restarts_at.push_back(child.since);
  while (child.restarts_at.front() + lately < child.since) child.restarts_at.pop_front();
}

void Supervisor::read_all(milliseconds wait) {
  std::vector<pollfd> waiting;
  for (auto const& child : children_)
    if (child->process)
      for (auto const descriptor : {child->process->errors(), child->process->status()})
        if (descriptor >= 0) waiting.push_back({descriptor, POLLIN, 0});
  ::poll(waiting.data(), waiting.size(), static_cast<int>(wait.count()));
  for (auto const& child : children_) read(*child);
}

void Supervisor::read(Child& child) {
  if (!child.process) return;
  child.process->read({.error =
                           [&](std::string_view line) {
                             if (!is_small_talk(line)) child.last_words = line;
                             if (options_.on_line) options_.on_line(child.spec, line);
                           },
                       .status =
                           [&](std::string_view line) {
                             child.status_line = line;
                             child.status_at = Steady::now();
                           }});
}

void Supervisor::reap(Child& child) {
  if (child.state == State::stopping && Steady::now() >= child.kill_at) child.process->kill();
  auto const status = child.process->ended();
  if (!status) return;
  read(child);  // Its last words are in the pipe, whole.
  child.process.reset();
  ended(child, *status);
}

void Supervisor::ended(Child& child, int wait_status) {
  auto const how = how_it_ended(wait_status);
  if (stopping_ || child.state == State::stopping) {
    if (options_.on_end) options_.on_end(child.spec, how);
    bool const again = child.then_start && !stopping_ && !child.removed;
    again ? child.start_now() : child.become(State::stopped, child.reason);
    return;
  }
  auto const told = how + (child.last_words.empty() ? "" : "; its last words: " + child.last_words);
  if (!starting_again_helps(wait_status)) return failed(child, told + "; starting it again as it is cannot help");

  auto const now = Steady::now();
  bool const from_outside = was_killed(wait_status) && now - child.since >= options_.steady_after;
  if (!from_outside) child.failures.push_back(now);
  while (!child.failures.empty() && child.failures.front() + options_.failures_within < now) child.failures.pop_front();
  if (std::cmp_greater_equal(child.failures.size(), options_.failures_max))
    return failed(child, told + "; " + std::to_string(child.failures.size()) + " times within " +
                             std::to_string(std::chrono::ceil<std::chrono::seconds>(options_.failures_within).count()) + " s");
  if (from_outside || now - child.since > options_.failures_within) child.backoff.reset();
  auto const wait = child.backoff.next();
  child.start_at = now + wait;
  child.is_restart = true;
  child.become(State::waiting, told);
  if (options_.on_restart) options_.on_restart(child.spec, told, wait);
}

void Supervisor::failed(Child& child, std::string const& how) {
  child.become(State::failed, how);
  if (options_.on_fail) options_.on_fail(child.spec, how);
}

// ---- by hand, and by a new configuration

Supervisor::Child& Supervisor::named(std::string_view name) {
  auto const found =
      std::ranges::find_if(children_, [&](auto const& child) { return child->spec.name == name && !child->removed; });
  if (found == children_.end()) throw std::logic_error{"no child " + std::string{name}};
  return **found;
}

Supervisor::Children::iterator Supervisor::same(ChildSpec const& spec) {
  return std::ranges::find_if(children_, [&](auto const& child) {
    return std::tie(child->spec.kind, child->spec.provider, child->spec.number) ==
           std::tie(spec.kind, spec.provider, spec.number);
  });
}

void Supervisor::start(std::string_view name) { begin(named(name)); }

void Supervisor::begin(Child& child) {
  if (child.state == State::stopping)
    child.then_start = true;
  else if (child.state != State::running)
    child.start_now();
}

void Supervisor::stop(std::string_view name) { end(named(name), std::string{by_hand_text}, false); }

void Supervisor::restart(std::string_view name) {
  auto& child = named(name);
  child.alive() ? end(child, "restarted by hand", true) : child.start_now();
}

void Supervisor::end(Child& child, std::string why, bool then_start) {
  child.then_start = then_start;
  if (!child.alive()) return child.become(State::stopped, std::move(why));
  bool const asked = child.state == State::stopping;  // A second SIGTERM would tell it to drop what it holds.
  child.kill_at = asked ? child.kill_at : Steady::now() + options_.stop_max;
  child.become(State::stopping, std::move(why));
  if (!asked) child.process->ask_to_end();
}

Supervisor::Changes Supervisor::become(std::vector<ChildSpec> specs, ByHand by_hand) {
  Changes changes;
  std::vector<std::unique_ptr<Child>> ordered;
  for (auto& spec : specs) {
    auto const at = same(spec);
    if (at == children_.end()) {
      if (spec.enabled) changes.started.push_back(spec.name);
      ordered.push_back(std::make_unique<Child>(std::move(spec), options_));
      continue;
    }
    change(**at, std::move(spec), by_hand, changes);
    ordered.push_back(std::move(*at));
    children_.erase(at);
  }
  for (auto& child : children_) {
    if (!std::exchange(child->removed, true)) changes.stopped.push_back(child->spec.name);
    end(*child, "no part of the configuration any more", false);
    if (child->alive()) ordered.push_back(std::move(child));
  }
  children_ = std::move(ordered);
  return changes;
}

void Supervisor::change(Child& child, ChildSpec spec, ByHand by_hand, Changes& changes) {
  auto const keys = differing_keys(child.spec.settings, spec.settings);
  child.spec = std::move(spec);
  auto const& name = child.spec.name;
  bool const is_back = std::exchange(child.removed, false), undo = by_hand == ByHand::undo;
  if (undo && !child.spec.enabled) {
    if (child.alive() || child.state == State::waiting) changes.stopped.push_back(name);
    return end(child, std::string{disabled_text}, false);
  }
  bool const shall_run = undo || is_back || child.state == State::running || child.state == State::waiting;
  if (child.state == State::running && !keys.empty()) {
    changes.restarted[name] = keys;
    end(child, "restarted with another configuration", true);
  } else if (shall_run && child.state != State::running && (child.state != State::waiting || !keys.empty())) {
    changes.started.push_back(name);
    begin(child);
  }
}

// ---- the end

std::optional<std::string> Supervisor::gave_up() const {
  std::string reasons;
  for (auto const& child : children_) {
    if (child->alive() || child->state == State::waiting) return {};
    if (child->state == State::failed) reasons += (reasons.empty() ? "" : "; ") + child->spec.name + ' ' + child->reason;
  }
  return reasons.empty() ? std::nullopt : std::optional{reasons};
}

bool Supervisor::any_alive(int rank) const {
  return std::ranges::any_of(children_, [&](auto const& child) { return child->spec.rank == rank && child->alive(); });
}

void Supervisor::stop_all(Settled const& settled) {
  constexpr milliseconds turn{20};
  stopping_ = true;
  std::set<int> ranks;
  for (auto const& child : children_) {
    if (child->state == State::waiting) child->become(State::stopped, {});
    if (child->alive()) ranks.insert(child->spec.rank);
  }
  auto const began = Steady::now();
  auto since = began;
  auto left = static_cast<std::int64_t>(ranks.size());
  for (int const rank : ranks) {
    auto const share = (began + options_.stop_max - Steady::now()) / left--;
    auto const rank_began = Steady::now();
    while (Steady::now() < rank_began + share / 3 && any_alive(rank) && !settled(rank, since)) run(turn);
    for (auto const& child : children_)
      if (child->spec.rank == rank && child->alive()) end(*child, {}, false);
    while (Steady::now() < rank_began + share && any_alive(rank)) run(turn);
    since = Steady::now();
  }
  for (auto const& child : children_) {
    if (!child->alive()) continue;
    child->process->kill();
    reap(*child);
  }
}

std::vector<ChildView> Supervisor::children() const {
  auto const now = Steady::now();
  std::vector<ChildView> out;
  for (auto const& child : children_)
    out.push_back({.spec = &child->spec,
                   .state = child->state,
                   .reason = child->reason,
                   .since = child->since,
                   .pid = child->process ? child->process->pid() : 0,
                   .restarts = child->restarts,
                   .restarts_lately = static_cast<int>(
                       std::ranges::count_if(child->restarts_at, [&](auto const at) { return at + lately >= now; })),
                   .status = child->status_line,
                   .status_at = child->status_at});
  return out;
}

}  // namespace penstock
