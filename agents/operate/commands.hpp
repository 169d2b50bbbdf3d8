/// All sub-commands of penstock. Each is defined in a file of its own (named in the comment); add a line here and one
/// to all_commands(), nothing else is needed.
///   Command.sections: the keys of the first are flags without prefix, those of the others with it; "publish.*" stands
///   for the section of the provider that the first argument names; "" as the first: the command has none of its own.
///   The section `log` is added to every command. `status` (--status-fd) belongs to those that `penstock up` starts.
#pragma once

#include "agents/command.hpp"

#include <vector>

namespace penstock {

extern Command const up_command;         // agents/operate/up.cpp
extern Command const ctl_command;        // agents/operate/ctl.cpp
extern Command const publish_command;    // agents/operate/publish.cpp
extern Command const transform_command;  // agents/operate/transform.cpp
extern Command const store_command;      // agents/operate/store.cpp
extern Command const simulate_command;   // agents/operate/simulate.cpp
extern Command const topics_command;     // agents/operate/topics.cpp
extern Command const db_command;         // agents/operate/db.cpp
extern Command const check_command;      // agents/operate/check.cpp
extern Command const audit_command;      // agents/operate/audit.cpp
extern Command const list_command;       // agents/operate/list.cpp
extern Command const tap_command;        // agents/operate/tap.cpp
extern Command const graph_command;      // agents/operate/graph.cpp
extern Command const top_command;        // agents/operate/top.cpp
extern Command const dead_command;       // agents/operate/dead.cpp

/// In the order of `penstock --help`.
inline std::vector<Command const*> all_commands() {
  return {&up_command,       &ctl_command,    &publish_command, &transform_command, &store_command,
          &simulate_command, &topics_command, &db_command,      &check_command,     &audit_command,
          &graph_command,    &list_command,   &tap_command,     &top_command,       &dead_command};
}

}  // namespace penstock
