/// Keeps a member of a consumer group running through what a new start of it heals:
/// - its place was given away (it stood still for longer than the session timeout, or the broker was away for that long and then
///   met it twice): its consumer is done for, a new one may go on;
/// - a broker that has just come up answers, but cannot do everything yet.
#pragma once

#include "streaming/time.hpp"

#include <functional>
#include <stop_token>

namespace penstock {

/// Runs `member`, anew after a displaced or a transient Fault. Displaced five times within a minute, another process lives
/// under its name: then, and for all other Faults, the Fault is thrown on.
void keep_running(std::stop_token const& stop, std::function<void()> const& member, Clock& clock = system_clock());

}  // namespace penstock
