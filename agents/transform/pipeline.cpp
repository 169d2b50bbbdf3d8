#include "agents/transform/pipeline.hpp"

#include "agents/transform/validate.hpp"

namespace penstock {
namespace {

// Frames of hundreds of records (answers of REST) may shorten the dedupe window; memory stays bounded.
constexpr std::size_t sightings_per_record = 4;

}  // namespace

Pipeline::Pipeline(Provider const& provider, Catalogue& catalogue, OpenGaps const& open_gaps, Options const& options)
    : provider_{provider},
      catalogue_{catalogue},
      by_catalogue_{provider.symbols_from_catalogue()},
      once_{options.window_records, static_cast<std::size_t>(options.window_records) * sightings_per_record},
      versions_{options.window_records, static_cast<std::size_t>(options.window_records), true},
      sequence_{provider,
                open_gaps,
                options.live_from,
                {.hold = options.hold, .hold_records = options.window_records / 2},
                options.grace} {}

Pipeline::Verdict Pipeline::take(RawRecord const& raw, Offset offset, bool may_wait, Downstream& out) {
  provider_.decode(raw, decoded_);
  if (may_wait && must_wait()) return Verdict::waits;
  once_.advance(offset);
  versions_.advance(offset);
  sequence_.advance(raw.received_at, offset, out);
  if (decoded_.frame) return Verdict::dead;
  if (decoded_.ignored) return Verdict::ignored;

  for (auto const& [index, why] : decoded_.rejected) out.reject(index, why);
  // What is replayed may be older than the window: the store looks whether it has it.
  auto const origin = raw.replayed ? Origin::backfill : raw.origin;
  sequence_.begin({raw.channel, raw.connection, raw.publisher, origin, raw.received_at, offset, raw.replayed}, out);
  for (auto& item : decoded_.items) {
    if (!find_symbol(item, out)) continue;
    auto const identity = identity_of(item.record);
    window_of(item.record).expect(identity);
    if (auto const why = validate(item.record)) {
      out.reject(item.index, *why);
      continue;
    }
    if (auto const* instrument = std::get_if<Instrument>(&item.record)) catalogue_.add(*instrument);
    sequence_.see(item.record, is_repeated(item.record, identity), out);
  }
  sequence_.end(out);
  return Verdict::decoded;
}

void Pipeline::learn(RawRecord const& raw) {
  provider_.decode(raw, decoded_);
  for (auto const& item : decoded_.items)
    if (auto const* instrument = std::get_if<Instrument>(&item.record); instrument && !validate(item.record))
      catalogue_.add(*instrument);
}

bool Pipeline::must_wait() const {
  if (!by_catalogue_) return false;
  for (auto const& item : decoded_.items)
    if (!is_known(item.record)) return true;
  return false;
}

// Instruments, venues and figures bring their symbols with them.
bool Pipeline::is_known(MarketRecord const& record) const {
  if (std::holds_alternative<Instrument>(record) || std::holds_alternative<Venue>(record) || std::holds_alternative<Stat>(record))
    return true;
  auto const& common = common_of(record);
  return catalogue_.unified(common.source, common.symbol) != nullptr;
}

bool Pipeline::find_symbol(Decoded::Item& item, Downstream& out) const {
  if (!by_catalogue_) return true;
  auto& common = common_of(item.record);
  if (auto const* symbol = catalogue_.unified(common.source, common.symbol)) {
    if (!std::holds_alternative<Instrument>(item.record)) common.symbol = *symbol;
    return true;
  }
  if (is_known(item.record)) return true;
  out.reject(item.index,
             {reason::unknown_symbol, common.symbol.substr(0, 100) + " is not in the instrument catalogue of " + common.source});
  return false;
}

Window& Pipeline::window_of(MarketRecord const& record) { return conflict_of(record) == Conflict::append ? once_ : versions_; }

bool Pipeline::is_repeated(MarketRecord& record, std::uint64_t identity) {
  auto& window = window_of(record);
  return window.seen(identity, &window == &versions_ ? content_of(record) : 0);
}

// Of all fields but received_at, which differs each time; the time of instruments and venues is that, too.
std::uint64_t Pipeline::content_of(MarketRecord& record) {
  auto& received_at = common_of(record).received_at;
  auto& time = common_of(record).time;
  bool const timeless = std::holds_alternative<Instrument>(record) || std::holds_alternative<Venue>(record);
  auto const kept = std::pair{received_at, time};
  received_at = {};
  if (timeless) time = {};
  content_.clear();
  append_json(content_, record);
  std::tie(received_at, time) = kept;
  return std::hash<std::string_view>{}(content_);
}

}  // namespace penstock
