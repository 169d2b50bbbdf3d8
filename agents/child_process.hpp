/// One child process: its start, its end, and what it says on stderr and on its status pipe. One thread, the process's first:
/// children die with the thread that started them, however it ends (SIGKILL included).
#pragma once

#include "streaming/descriptor.hpp"

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

class ChildProcess {
 public:
  static constexpr int status_descriptor = 3;  ///< where it finds the pipe for its status lines
  static constexpr int file_descriptor = 4;    ///< where it finds `file`

  struct Start {
    std::vector<std::string> const& command;              ///< path of the program and its words
    std::map<std::string, std::string> const& variables;  ///< added to this process's own environment
    int file = -1;                                        ///< a descriptor that it gets; -1: none
  };
  struct Take {
    std::function<void(std::string_view line)> error, status;
  };

  /// Throws Fault where no process can be made. One that cannot execute the program ends at once (`could_not_start`).
  explicit ChildProcess(Start const& start);
  ~ChildProcess();  ///< kills it where it still runs
  ChildProcess(ChildProcess const&) = delete;
  ChildProcess& operator=(ChildProcess const&) = delete;

  int pid() const { return pid_; }
  int errors() const { return errors_.get(); }  ///< to poll; -1 when closed
  int status() const { return status_.get(); }
  /// Hands over the whole lines that have come.
  void read(Take const& take);
  void ask_to_end() const;  ///< SIGTERM
  void kill();              ///< SIGKILL for it and all that it started, and waits
  /// What waitpid() told, once it has ended.
  std::optional<int> const& ended();

 private:
  pid_t pid_ = 0;
  Descriptor errors_, status_;
  std::string errors_text_, status_text_;
  std::optional<int> ended_;
};

/// "ended with exit 1", "was killed by SIGKILL".
std::string how_it_ended(int wait_status);
bool could_not_start(int wait_status);

}  // namespace penstock
