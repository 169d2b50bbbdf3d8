/// All settings of penstock, said once: keys, defaults, ranges, help.
#pragma once

#include "streaming/config.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace penstock {

/// The words of `transform.providers` and the names of [publish.<provider>] are those of all_providers().
std::vector<Setting> const& all_settings();
/// What may stand in [publish.<provider>].
std::vector<std::string> provider_names();
/// One line for each section: "publish.*" -> "What a publisher asks its provider for". "" for an unknown one.
std::string_view section_help(std::string_view section);
/// What stores write: store.kinds, and where it is empty all.
std::vector<std::string> stored_kinds(Config const& config);
/// Loads the configuration of penstock; as ConfigLoader::load. Throws UsageError.
Config load_config(std::string const& file = {}, std::map<std::string, std::string> const& flags = {},
                   std::map<std::string, std::string> const& spelled = {}, std::optional<std::string> const& text = {});

}  // namespace penstock
