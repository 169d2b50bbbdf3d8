/// CoinGecko as a venue: REST alone. https://docs.coingecko.com/reference
#pragma once

#include "agents/simulate/recording.hpp"
#include "agents/simulate/venue.hpp"

namespace penstock::simulate {

/// The sources must outlive the venue.
std::unique_ptr<Venue> make_coingecko(Source& source, VenueOptions const& options);
std::unique_ptr<Venue> make_coingecko(Recording const& recording, VenueOptions const& options);

Recording::Dialect coingecko_dialect();

/// The market of such a symbol; nothing where the venue cannot have it.
std::optional<MarketSymbol> coingecko_symbol(std::string_view word);

}  // namespace penstock::simulate
