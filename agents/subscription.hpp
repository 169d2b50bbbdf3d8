/// What a [publish.<provider>] section asks for. No I/O but a look at whether ca_file is there.
#pragma once

#include "agents/provider.hpp"
#include "streaming/config.hpp"

#include <string>

namespace penstock {

/// Throws UsageError that names the nearest known one.
Provider const& provider_named(std::string const& name);

/// The section of `provider` with its defaults filled in. Throws UsageError where that asks for what the provider does not
/// have, or names a ca_file that is none.
Subscription subscription_of(Provider const& provider, Config const& config);

/// publish.<provider>.<last>
std::string publish_key(Provider const& provider, std::string_view last);

}  // namespace penstock
