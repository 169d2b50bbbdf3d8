/// Where `penstock ctl` and `penstock up` meet.
#pragma once

#include "streaming/config.hpp"

#include <string>

namespace penstock {

/// up.socket; without it a name made from that of the configuration file, so that each file has its own, in $RUNTIME_DIRECTORY,
/// else $XDG_RUNTIME_DIR, else /tmp. "": none is wanted.
std::string socket_to_listen(Config const& config);

/// The one that is there: up.socket, else the first of these folders, and /run/penstock (the service's), that has it and that is
/// this user's. Throws UsageError or Fault that says where it was looked for.
std::string socket_to_ask(Config const& config);

}  // namespace penstock
