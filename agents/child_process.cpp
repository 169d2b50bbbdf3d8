#include "agents/child_process.hpp"

#include "streaming/fault.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace penstock {
namespace {

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
[[noreturn]] void become(char** command, char** environment, pid_t parent, int errors, int status, int file) {
  ::setpgid(0, 0);  // Ctrl-C on the terminal is for the parent alone, which then ends its children in order.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(cannot_execute);  // It died before the line above.
  // Handlers are this program's, not the next one's.
  for (int const signal : {SIGPIPE, SIGXFSZ, SIGTERM, SIGINT}) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  auto const nothing = ::open("/dev/null", O_RDONLY);
  // One of them may itself sit on a number that is needed: move all away first.
  auto const errors_moved = ::fcntl(errors, F_DUPFD, 10), status_moved = ::fcntl(status, F_DUPFD, 10);
  auto const file_moved = ::fcntl(file < 0 ? nothing : file, F_DUPFD, 10);
  if (nothing < 0 || errors_moved < 0 || status_moved < 0 || file_moved < 0) ::_exit(cannot_execute);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(errors_moved, STDERR_FILENO);
  ::dup2(status_moved, ChildProcess::status_descriptor);
  ::dup2(file_moved, ChildProcess::file_descriptor);
  ::close_range(ChildProcess::file_descriptor + 1, ~0U, 0);
  ::execve(command[0], command, environment);
  ::_exit(cannot_execute);
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

ChildProcess::ChildProcess(Start const& start) {
  auto errors = make_pipe(), status = make_pipe();
  auto words = start.command;
  auto variables = environment_with(start.variables);
  auto const command = pointers(words), environment = pointers(variables);
  auto const parent = ::getpid();
  sigset_t every, before;
  sigfillset(&every);
  ::pthread_sigmask(SIG_SETMASK, &every, &before);  // Until the child has let go of this program's handlers.
  pid_ = ::fork();
  auto const error = errno;
  if (pid_ != 0) ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid_ < 0) throw Fault{Fault::Kind::fatal, std::string{"no process can be started: "} + std::strerror(error)};
  if (pid_ == 0)
    become(const_cast<char**>(command.data()), const_cast<char**>(environment.data()), parent, errors.in.get(), status.in.get(),
           start.file);
  ::setpgid(pid_, pid_);  // The child does the same; whoever is first.
  errors_ = std::move(errors.out);
  status_ = std::move(status.out);
}

ChildProcess::~ChildProcess() { kill(); }

void ChildProcess::read(Take const& take) {
  if (errors_) {
    if (!read_some(errors_.get(), errors_text_)) {
      errors_.reset();
      if (!errors_text_.empty() && !errors_text_.ends_with('\n')) errors_text_ += '\n';
    }
    take_lines(errors_text_, take.error);
  }
  if (status_) {
    if (!read_some(status_.get(), status_text_)) status_.reset();
    take_lines(status_text_, take.status);
  }
}

void ChildProcess::ask_to_end() const {
  if (!ended_) ::kill(pid_, SIGTERM);
}

void ChildProcess::kill() {
  if (ended_) return;
  ::kill(-pid_, SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  ended_ = status;
}

std::optional<int> const& ChildProcess::ended() {
  int status = 0;
  if (!ended_ && ::waitpid(pid_, &status, WNOHANG) == pid_) ended_ = status;
  return ended_;
}

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) return std::string{"was killed by SIG"} + ::sigabbrev_np(WTERMSIG(status));
  if (WEXITSTATUS(status) == cannot_execute) return "could not be started";
  return "ended with exit " + std::to_string(WEXITSTATUS(status));
}

bool could_not_start(int wait_status) { return WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == cannot_execute; }

}  // namespace penstock
