/// The program itself, as the tests run it: once, with what it says, or in the background.
#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock::test {

using Words = std::vector<std::string>;

struct Ran {
  int code = -1;
  std::string text;  ///< stdout and stderr
};

/// A line of the shell.
inline Ran shell(std::string const& line) {
  auto* const pipe = ::popen(line.c_str(), "r");
  REQUIRE(pipe != nullptr);
  Ran ran;
  std::array<char, 4096> buffer{};
  while (auto const size = std::fread(buffer.data(), 1, buffer.size(), pipe)) ran.text.append(buffer.data(), size);
  ran.code = WEXITSTATUS(::pclose(pipe));
  return ran;
}

/// Without a terminal. The words must not hold a quote.
inline Ran run(Words const& words) {
  std::string command = PENSTOCK_PROGRAM;
  for (auto const& word : words) command += " '" + word + "'";
  return shell(command + " 2>&1 < /dev/null");
}

/// Runs in the background, and is read line by line. Ended at the end.
class Background {
 public:
  explicit Background(std::string const& words)
      : pipe_{::popen(("echo $$; exec " + (PENSTOCK_PROGRAM + (' ' + words)) + " < /dev/null").c_str(), "r")} {
    REQUIRE(pipe_ != nullptr);
    pid_ = std::stoi(line());
  }
  ~Background() {
    if (pipe_ != nullptr) end(SIGTERM);
  }
  Background(Background const&) = delete;
  Background& operator=(Background const&) = delete;

  pid_t pid() const { return pid_; }
  /// The next one; "": it has ended.
  std::string line() const {
    std::string text;
    for (int c = std::fgetc(pipe_); c != EOF; c = std::fgetc(pipe_)) {
      text += static_cast<char>(c);
      if (c == '\n') break;
    }
    return text;
  }
  /// Reads on until a line has this in it.
  bool says(std::string_view wanted) const {
    for (auto text = line(); !text.empty(); text = line())
      if (text.contains(wanted)) return true;
    return false;
  }
  /// Its exit code.
  int end(int signal) {
    ::kill(pid_, signal);
    return WEXITSTATUS(::pclose(std::exchange(pipe_, nullptr)));
  }

 private:
  FILE* pipe_;
  pid_t pid_ = 0;
};

/// Runs in the background; killed at the end.
class Process {
 public:
  explicit Process(Words words) {
    words.insert(words.begin(), PENSTOCK_PROGRAM);
    std::vector<char*> pointers;
    for (auto& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::execv(pointers.front(), pointers.data());
    ::_exit(127);
  }
  ~Process() { end(SIGKILL); }
  Process(Process const&) = delete;
  Process& operator=(Process const&) = delete;

  /// The signal that it died of; 0: it had ended by itself.
  int end(int signal) {
    if (pid_ <= 0) return 0;
    ::kill(pid_, signal);
    int status = 0;
    ::waitpid(std::exchange(pid_, 0), &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }

 private:
  pid_t pid_ = 0;
};

}  // namespace penstock::test
