/// All kinds together, and what follows from their fields: JSON out and in, COPY rows, identity.
/// Pure functions; any thread, each with memory of its own.
#pragma once

#include "schemas/books.hpp"
#include "schemas/candles.hpp"
#include "schemas/gaps.hpp"
#include "schemas/instruments.hpp"
#include "schemas/odds.hpp"
#include "schemas/options.hpp"
#include "schemas/reasons.hpp"
#include "schemas/stats.hpp"
#include "schemas/tickers.hpp"
#include "schemas/trades.hpp"
#include "schemas/venues.hpp"
#include "streaming/reject.hpp"

#include <array>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace penstock {

/// A canonical record of any kind.
using MarketRecord = std::variant<Trade, Candle, Ticker, Book, Option, Odds, Instrument, Venue, Stat, Gap>;

inline constexpr std::array<std::string_view, 10> kind_names{"trades", "candles",     "tickers", "books", "options",
                                                             "odds",   "instruments", "venues",  "stats", "gaps"};

std::string_view kind_of(MarketRecord const& record);
Common& common_of(MarketRecord& record);
Common const& common_of(MarketRecord const& record);

/// Header `schema`: "<kind>/<version>".
std::string_view schema_of(MarketRecord const& record);

std::string_view to_text(Origin origin);
std::optional<Origin> parse_origin(std::string_view text);
std::string_view to_text(Side side);
std::string_view to_text(BookType type);
std::string_view to_text(GapCause cause);  ///< "late-join" …
std::string_view to_text(GapState state);

/// Appends the value of an md.<kind> record: one JSON object, fields in the order of all_fields, absent ones left out.
/// Text that is not UTF-8 comes out with U+FFFD in place of each bad byte.
void append_json(std::string& out, MarketRecord const& record);

inline constexpr std::size_t text_bytes_max = 1'024;     ///< of every text field
inline constexpr std::size_t levels_count_max = 50'000;  ///< of each side of a book

/// Reads one, fields in any order, fastest as append_json() writes it. Unknown extra fields are ignored. Rejects:
/// malformed (not one JSON object, a field given twice), missing-field, wrong-type (also null, "" and words that are not
/// in their list), out-of-range (limits above, 64 bits, NUL characters), time-out-of-range (year 0, which PostgreSQL lacks).
std::expected<MarketRecord, Reject> parse_record(std::string_view kind, std::string_view json);

/// The 64-bit hash that dedupe remembers: over the kind and its identity fields; options, and tickers and books without
/// a sequence, by content: all fields but received_at. Stable over time and machines (XXH3-64).
std::uint64_t identity_of(MarketRecord const& record);

/// key := <source> ":" <symbol>
void append_key(std::string& out, Common const& record);

/// The table's columns, in the order of COPY rows: source, symbol, time, received_at, then the kind's own.
/// Empty for an unknown kind.
std::span<std::string_view const> columns_of(std::string_view kind);
/// The columns that tell two rows apart; of options all but received_at. Those of tickers and books end with `sequence`:
/// a row where that is null is told apart by content_columns_of instead (compared with `is not distinct from`).
std::span<std::string_view const> identity_columns_of(std::string_view kind);
/// All columns but received_at.
std::span<std::string_view const> content_columns_of(std::string_view kind);
Conflict conflict_of(std::string_view kind);
Conflict conflict_of(MarketRecord const& record);

/// Appends one row of PostgreSQL's binary COPY format (numeric, timestamptz, bigint, boolean, text). Absent is null; text comes
/// out as UTF-8 as it does in JSON, with U+FFFD for NUL, too.
void append_copy_row(std::string& out, MarketRecord const& record);

}  // namespace penstock
