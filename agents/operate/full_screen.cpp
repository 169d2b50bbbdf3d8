#include "agents/operate/full_screen.hpp"

#include "streaming/fault.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

namespace penstock {

namespace {

// The other screen, without a cursor and without wrapping; and back.
constexpr std::string_view take_screen = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
constexpr std::string_view give_screen = "\x1b[?7h\x1b[?25h\x1b[?1049l";

bool put(std::string_view text) {
  while (!text.empty()) {
    auto const written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

void restore(termios const* settings) {
  put(give_screen);
  if (settings != nullptr) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, settings);
}

// After fork() in a program with threads: nothing but system calls. All signals are blocked: those that end its parent, and
// that of a terminal which the shell has taken already.
[[noreturn]] void guard(int pipe, termios const* settings) {
  char said = 0;
  ssize_t size = 0;
  do size = ::read(pipe, &said, 1);
  while (size < 0 && errno == EINTR);
  if (size <= 0) restore(settings);
  ::_exit(0);
}

/// As many lines and columns as there are, each line to its end.
std::string fitted(std::string_view text, std::size_t columns, std::size_t lines) {
  std::string out = "\x1b[H";
  for (std::size_t i = 0; i < lines && !text.empty(); ++i) {
    auto const end = std::min(text.find('\n'), text.size());
    out += i == 0 ? "" : "\n";
    out += text.substr(0, std::min(end, columns));
    out += "\x1b[K";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out + "\x1b[J";
}

}  // namespace

bool FullScreen::is_possible() { return ::isatty(STDOUT_FILENO) == 1; }

FullScreen::FullScreen() : has_keys_{::isatty(STDIN_FILENO) == 1 && ::tcgetattr(STDIN_FILENO, &before_) == 0} {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw Fault{Fault::Kind::fatal, "cannot make a pipe: too many files are open"};
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  guard_pid_ = ::fork();
  if (guard_pid_ == 0) {
    ::close(ends[1]);
    guard(ends[0], has_keys_ ? &before_ : nullptr);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::close(ends[0]);
  guard_ = ends[1];
  if (has_keys_) {
    auto raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
  }
  put(take_screen);
}

FullScreen::~FullScreen() {
  restore(has_keys_ ? &before_ : nullptr);
  [[maybe_unused]] auto const told = ::write(guard_, ".", 1);
  ::close(guard_);
  if (guard_pid_ > 0) ::waitpid(guard_pid_, nullptr, 0);
}

FullScreen::Size FullScreen::size() {
  winsize found{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &found) != 0 || found.ws_col == 0 || found.ws_row == 0) return {};
  return {.columns = found.ws_col, .lines = found.ws_row};
}

bool FullScreen::draw(std::string_view text) {
  drawn_ = size();
  return put(fitted(text, drawn_.columns, drawn_.lines));
}

std::optional<char> FullScreen::key(std::chrono::milliseconds wait) {
  pollfd in{has_keys_ ? STDIN_FILENO : -1, POLLIN, 0};
  if (::poll(&in, 1, static_cast<int>(wait.count())) <= 0) return std::nullopt;
  if (char key = 0; ::read(STDIN_FILENO, &key, 1) == 1) return key;
  has_keys_ = false;  // The terminal is gone.
  return std::nullopt;
}

}  // namespace penstock
