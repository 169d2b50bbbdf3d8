/// A record of raw.<provider> with its headers read. Pure; any thread.
#pragma once

#include "agents/provider.hpp"
#include "streaming/record.hpp"

namespace penstock {

/// Views live as long as the delivery. What a header does not say stays at its default.
RawRecord raw_record(Delivery const& delivery);

}  // namespace penstock
