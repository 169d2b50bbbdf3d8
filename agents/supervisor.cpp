#include "agents/supervisor.hpp"

#include "streaming/backoff.hpp"
#include "streaming/descriptor.hpp"
#include "streaming/fault.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <deque>
#include <set>
#include <utility>

namespace penstock {

namespace {

using std::chrono::milliseconds;
constexpr std::size_t line_bytes_max = 1 << 20;
constexpr int cannot_execute = 127;

struct Pipe {
  Descriptor out, in;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    throw Fault{Fault::Kind::fatal, std::string{"no pipe for a child process: "} + std::strerror(errno)};
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return {Descriptor{ends[0]}, Descriptor{ends[1]}};
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (auto& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

std::vector<std::string> environment_with(std::map<std::string, std::string> const& variables) {
  std::vector<std::string> out;
  for (auto entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    std::string_view const line{*entry};
    if (!variables.contains(std::string{line.substr(0, line.find('='))})) out.emplace_back(line);
  }
  for (auto const& [name, value] : variables) out.push_back(name + '=' + value);
  return out;
}

// Runs between fork and exec, while other threads may hold locks: nothing here may allocate.
[[noreturn]] void become(char** command, char** environment, pid_t parent, int errors, int status) {
  ::setpgid(0, 0);  // Ctrl-C on the terminal is for the parent alone, which then ends its children in order.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(cannot_execute);  // It died before the line above.
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int const signal : {SIGPIPE, SIGXFSZ}) ::signal(signal, SIG_DFL);
  auto const nothing = ::open("/dev/null", O_RDONLY);
  // A pipe end may itself sit on a number that is needed: move both away first.
  auto const errors_moved = ::fcntl(errors, F_DUPFD, 10), status_moved = ::fcntl(status, F_DUPFD, 10);
  if (nothing < 0 || errors_moved < 0 || status_moved < 0) ::_exit(cannot_execute);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(errors_moved, STDERR_FILENO);
  ::dup2(status_moved, Supervisor::status_descriptor);
  ::close_range(Supervisor::status_descriptor + 1, ~0U, 0);
  ::execve(command[0], command, environment);
  ::_exit(cannot_execute);
}

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) return std::string{"was killed by SIG"} + ::sigabbrev_np(WTERMSIG(status));
  if (WEXITSTATUS(status) == cannot_execute) return "could not be started";
  return "ended with exit " + std::to_string(WEXITSTATUS(status));
}

// Appends what is there; false at the end of the pipe.
bool read_some(int descriptor, std::string& into) {
  std::array<char, 65536> piece;
  for (;;) {
    auto const count = ::read(descriptor, piece.data(), piece.size());
    if (count > 0)
      into.append(piece.data(), static_cast<std::size_t>(count));
    else if (count == 0)
      return false;
    else if (errno != EINTR)
      return errno == EAGAIN || errno == EWOULDBLOCK;
  }
}

// Hands over the whole lines at the front of `text` and leaves the rest.
template <class Take>
void take_lines(std::string& text, Take const& take) {
  std::size_t begin = 0;
  for (auto end = text.find('\n'); end != text.npos; begin = end + 1, end = text.find('\n', begin))
    take(std::string_view{text}.substr(begin, end - begin));
  text.erase(0, begin);
  if (text.size() > line_bytes_max) {
    take(std::string_view{text});
    text.clear();
  }
}

}  // namespace

std::string_view to_text(ChildView::State state) {
  switch (state) {
    case ChildView::State::running: return "running";
    case ChildView::State::waiting: return "waiting";
    case ChildView::State::ended: return "ended";
  }
  return {};
}

struct Supervisor::Child {
  Child(ChildSpec of, SupervisorOptions const& options)
      : spec{std::move(of)}, backoff{options.backoff_first, options.backoff_most} {}

  ChildSpec spec;

  ChildView::State state = ChildView::State::waiting;
  pid_t pid = 0;
  Descriptor errors, status;
  std::string errors_text, status_text;
  std::string status_line, last_words;
  Steady::time_point status_at{}, started_at{}, start_at{};
  std::deque<Steady::time_point> failures;
  Backoff backoff;
  int restarts = -1;  ///< the first start is none
};

Supervisor::Supervisor(std::vector<ChildSpec> children, SupervisorOptions options) : options_{std::move(options)} {
  for (auto& spec : children) children_.push_back(std::make_unique<Child>(std::move(spec), options_));
}

Supervisor::~Supervisor() {
  for (auto const& child : children_)
    if (child->state == ChildView::State::running) {
      ::kill(-child->pid, SIGKILL);
      ::waitpid(child->pid, nullptr, 0);
    }
}

void Supervisor::run(milliseconds wait) {
  auto const now = Steady::now();
  auto until = now + wait;
  for (auto const& child : children_) {
    if (child->state != ChildView::State::waiting || stopping_) continue;
    if (child->start_at <= now)
      start(*child);
    else
      until = std::min(until, child->start_at);
  }
  read_all(std::max(milliseconds{0}, std::chrono::ceil<milliseconds>(until - Steady::now())));
  for (auto const& child : children_)
    if (child->state == ChildView::State::running) reap(*child);
}

void Supervisor::start(Child& child) {
  auto errors = make_pipe(), status = make_pipe();
  auto words = child.spec.command;
  auto variables = environment_with(child.spec.variables);
  auto const command = pointers(words), environment = pointers(variables);
  auto const parent = ::getpid();
  auto const pid = ::fork();
  if (pid < 0) throw Fault{Fault::Kind::fatal, "no process for " + child.spec.name + ": " + std::strerror(errno)};
  if (pid == 0)
    become(const_cast<char**>(command.data()), const_cast<char**>(environment.data()), parent, errors.in.get(), status.in.get());
  ::setpgid(pid, pid);  // The child does the same; whoever is first.
  child.pid = pid;
  child.errors = std::move(errors.out);
  child.status = std::move(status.out);
  child.status_line.clear();
  child.state = ChildView::State::running;
  child.started_at = Steady::now();
  ++child.restarts;
}

void Supervisor::read_all(milliseconds wait) {
  std::vector<pollfd> waiting;
  for (auto const& child : children_)
    for (auto const descriptor : {child->errors.get(), child->status.get()})
      if (descriptor >= 0) waiting.push_back({descriptor, POLLIN, 0});
  ::poll(waiting.data(), waiting.size(), static_cast<int>(wait.count()));
  for (auto const& child : children_) read(*child);
}

void Supervisor::read(Child& child) {
  if (child.errors.get() >= 0) {
    if (!read_some(child.errors.get(), child.errors_text)) {
      child.errors.reset();
      if (!child.errors_text.empty() && !child.errors_text.ends_with('\n')) child.errors_text += '\n';
    }
    take_lines(child.errors_text, [&](std::string_view line) {
      child.last_words = line;
      if (options_.on_line) options_.on_line(child.spec, line);
    });
  }
  if (child.status.get() >= 0) {
    if (!read_some(child.status.get(), child.status_text)) child.status.reset();
    take_lines(child.status_text, [&](std::string_view line) {
      child.status_line = line;
      child.status_at = Steady::now();
    });
  }
}

void Supervisor::reap(Child& child) {
  int status = 0;
  if (::waitpid(child.pid, &status, WNOHANG) != child.pid) return;
  read(child);  // Its last words are in the pipe, whole.
  child.errors.reset();
  child.status.reset();
  child.errors_text.clear();
  child.status_text.clear();
  ended(child, status);
}

void Supervisor::ended(Child& child, int status) {
  auto const now = Steady::now();
  child.pid = 0;
  child.state = ChildView::State::ended;
  auto const how = how_it_ended(status);
  if (stopping_) {
    if (options_.on_end) options_.on_end(child.spec, how);
    return;
  }
  auto const because = child.last_words.empty() ? std::string{} : "; its last words: " + child.last_words;
  if (WIFEXITED(status) && (WEXITSTATUS(status) == 2 || WEXITSTATUS(status) == cannot_execute)) {
    if (!gave_up_) gave_up_ = child.spec.name + ' ' + how + ", and starting it again cannot help" + because;
    return;
  }
  child.failures.push_back(now);
  while (child.failures.front() + options_.failures_within < now) child.failures.pop_front();
  if (std::cmp_greater_equal(child.failures.size(), options_.failures_max)) {
    auto const seconds = std::chrono::ceil<std::chrono::seconds>(options_.failures_within).count();
    if (!gave_up_)
      gave_up_ = child.spec.name + ' ' + how + " and so for the " + std::to_string(child.failures.size()) + "th time within " +
                 std::to_string(seconds) + " s" + because;
    return;
  }
  if (now - child.started_at > options_.failures_within) child.backoff.reset();
  auto const wait = child.backoff.next();
  child.start_at = now + wait;
  child.state = ChildView::State::waiting;
  if (options_.on_restart) options_.on_restart(child.spec, how + because, wait);
}

bool Supervisor::any_running(int rank) const {
  return std::ranges::any_of(
      children_, [&](auto const& child) { return child->spec.rank == rank && child->state == ChildView::State::running; });
}

void Supervisor::stop(Settled const& settled) {
  constexpr milliseconds turn{20};
  stopping_ = true;
  std::set<int> ranks;
  for (auto const& child : children_) {
    if (child->state == ChildView::State::waiting) child->state = ChildView::State::ended;
    if (child->state == ChildView::State::running) ranks.insert(child->spec.rank);
  }
  auto const began = Steady::now();
  auto since = began;
  auto left = static_cast<std::int64_t>(ranks.size());
  for (int const rank : ranks) {
    auto const share = (began + options_.stop_max - Steady::now()) / left--;
    auto const rank_began = Steady::now();
    while (Steady::now() < rank_began + share / 3 && any_running(rank) && !settled(rank, since)) run(turn);
    for (auto const& child : children_)
      if (child->spec.rank == rank && child->state == ChildView::State::running) ::kill(child->pid, SIGTERM);
    while (Steady::now() < rank_began + share && any_running(rank)) run(turn);
    since = Steady::now();
  }
  for (auto const& child : children_) {
    if (child->state != ChildView::State::running) continue;
    ::kill(-child->pid, SIGKILL);
    int status = 0;
    ::waitpid(child->pid, &status, 0);
    read(*child);
    ended(*child, status);
  }
}

std::vector<ChildView> Supervisor::children() const {
  std::vector<ChildView> out;
  for (auto const& child : children_)
    out.push_back({.spec = &child->spec,
                   .state = child->state,
                   .pid = child->pid,
                   .restarts = std::max(0, child->restarts),
                   .status = child->status_line,
                   .status_at = child->status_at});
  return out;
}

}  // namespace penstock
