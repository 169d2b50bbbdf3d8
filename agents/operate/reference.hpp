/// The reference of the configuration, made from the settings: `penstock list --settings`, and the file docs/configuration.md.
#pragma once

#include <string>

namespace penstock {

/// Markdown. The same for the same program, wherever it runs.
std::string settings_reference();

}  // namespace penstock
