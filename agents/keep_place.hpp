/// A member of a consumer group whose place was given away (it stood still for longer than the session timeout, or the broker was
/// away that long and met it twice) cannot go on with its consumer. It can with a new one.
#pragma once

#include "streaming/time.hpp"

#include <functional>
#include <stop_token>

namespace penstock {

/// Runs `member`, anew whenever it was displaced; five times within a minute mean that another process lives under its name:
/// then, and for all other Faults, the Fault is thrown on.
void keep_place(std::stop_token const& stop, std::function<void()> const& member, Clock& clock = system_clock());

}  // namespace penstock
