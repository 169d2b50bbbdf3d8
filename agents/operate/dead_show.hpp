/// penstock dead show: one letter with everything that is known about it.
#pragma once

#include "agents/command.hpp"
#include "streaming/record.hpp"

#include <string>

namespace penstock {

/// `topic`: the dead-letter topic; `place`: PARTITION@OFFSET. Throws UsageError where there is no such letter.
int show_dead_letter(Invocation const& invocation, Topic const& topic, std::string const& place);

}  // namespace penstock
