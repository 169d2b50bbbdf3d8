/// Binance spot as a venue. https://github.com/binance/binance-spot-api-docs: rest-api.md, web-socket-streams.md.
#pragma once

#include "agents/simulate/recording.hpp"
#include "agents/simulate/venue.hpp"

namespace penstock::simulate {

/// The sources must outlive the venue.
std::unique_ptr<Venue> make_binance(Source& source, VenueOptions const& options);
std::unique_ptr<Venue> make_binance(Recording const& recording, VenueOptions const& options);

Recording::Dialect binance_dialect();

/// BTC, BTC/USDT -> its market; nothing where the venue cannot have such a symbol.
std::optional<MarketSymbol> binance_symbol(std::string_view word);

}  // namespace penstock::simulate
