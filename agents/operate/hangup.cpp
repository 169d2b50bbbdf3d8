#include "agents/operate/hangup.hpp"

#include "streaming/descriptor.hpp"

#include <fcntl.h>

#include <csignal>

namespace penstock {
namespace {

std::sig_atomic_t volatile hung_up = 0;

void note(int) { hung_up = 1; }

bool has_terminal() { return static_cast<bool>(Descriptor{::open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY)}); }

}  // namespace

Hangup::Hangup() : on_terminal_{has_terminal()}, before_{std::signal(SIGHUP, note)} {}

Hangup::~Hangup() { std::signal(SIGHUP, before_); }

Hangup::Asked Hangup::take() {
  if (hung_up == 0) return Asked::nothing;
  hung_up = 0;
  return on_terminal_ && before_ != SIG_IGN && !has_terminal() ? Asked::closed : Asked::reload;
}

}  // namespace penstock
