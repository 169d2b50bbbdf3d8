/// Hyperliquid perpetuals as a venue. https://hyperliquid.gitbook.io/hyperliquid-docs: info endpoint, websocket.
#pragma once

#include "agents/simulate/recording.hpp"
#include "agents/simulate/venue.hpp"

namespace penstock::simulate {

/// The sources must outlive the venue.
std::unique_ptr<Venue> make_hyperliquid(Source& source, VenueOptions const& options);
std::unique_ptr<Venue> make_hyperliquid(Recording const& recording, VenueOptions const& options);

Recording::Dialect hyperliquid_dialect();

/// The market of such a symbol; nothing where the venue cannot have it.
std::optional<MarketSymbol> hyperliquid_symbol(std::string_view word);

}  // namespace penstock::simulate
