/// A live sample of one provider: what its publisher would bring in now, decoded, up to the rows that a store would insert.
/// The publisher itself runs, into memory. Nothing is written anywhere.
#pragma once

#include "agents/operate/check.hpp"

#include <chrono>
#include <stop_token>
#include <string>

namespace penstock {

/// Ends when each channel of [publish.<name>] has brought something, at the latest after `limit` (and 1 s to end). ok: all
/// of them did, and could be decoded. The provider's clock is compared, too. Throws UsageError, Fault.
Found live_sample(Config const& config, std::string const& name, std::chrono::milliseconds limit, std::stop_token const& stop);

}  // namespace penstock
