#include "agents/operate/output.hpp"

#include "streaming/fault.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>

namespace penstock {

namespace {

/// Of the last write that failed; 0: none did, or a command flushed std::cout itself and the reason is gone.
int failed_with = 0;

bool reader_is_gone() {
  pollfd out{STDOUT_FILENO, 0, 0};
  return failed_with == EPIPE || (::poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP)) != 0);
}

bool flushed() {
  errno = 0;
  bool const printed = std::cout.flush().good();  // Through stdout; its badbit also tells of an earlier write.
  bool const arrived = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (errno != 0) failed_with = errno;
  return printed && arrived;
}

}  // namespace

bool put_line(std::string_view line) {
  errno = 0;
  if (std::fwrite(line.data(), 1, line.size(), stdout) == line.size() && std::fputc('\n', stdout) != EOF) return flushed();
  failed_with = errno;
  return false;
}

bool output_is_wanted() { return !reader_is_gone(); }

int output_checked(int code) {
  if (flushed() || reader_is_gone()) return code;
  throw Fault{Fault::Kind::fatal, std::string{"not all of the output could be written to stdout"} +
                                      (failed_with == 0 ? "" : std::string{" ("} + std::strerror(failed_with) + ')') +
                                      ": send it where there is room"};
}

}  // namespace penstock
