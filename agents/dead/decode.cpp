#include "agents/dead/decode.hpp"

#include "agents/raw_record.hpp"
#include "agents/transform/pipeline.hpp"
#include "agents/transform/validate.hpp"

#include <algorithm>

namespace penstock {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view raw_prefix = "raw.", canonical_prefix = "md.";

class Collector final : public Downstream {
 public:
  explicit Collector(DecodedNow& into) : into_{into} {}
  void write(MarketRecord const& record, Origin) override {
    append_json(into_.records.emplace_back(kind_of(record), "").second, record);
  }
  void drop(MarketRecord const&) override {}
  void reject(std::size_t index, Reject const& why) override { into_.rejected.emplace_back(index, why); }
  void gap(Gap const&, bool) override {}

 private:
  DecodedNow& into_;
};

DecodedNow decode_raw(Delivery const& letter, Provider const& provider, Catalogue& catalogue) {
  DecodedNow now;
  Collector collector{now};
  OpenGaps const none;
  Pipeline pipeline{provider, catalogue, none, {.window_records = 1'000, .hold = {}}};
  auto const verdict = pipeline.take(raw_record(letter), Offset{0}, false, collector);
  // Book updates wait for their snapshot, which does not come here.
  pipeline.sequence().tick(1h, collector);
  now.ignored = verdict == Pipeline::Verdict::ignored;
  if (verdict == Pipeline::Verdict::dead) now.frame.push_back(pipeline.why());
  return now;
}

DecodedNow read_canonical(Delivery const& letter, std::string_view kind) {
  DecodedNow now;
  auto const record = parse_record(kind, letter.value);
  auto const why = record ? validate(*record) : record.error();
  if (why)
    now.frame.push_back(*why);
  else
    append_json(now.records.emplace_back(kind, "").second, *record);
  return now;
}

}  // namespace

DecodedNow decode_now(Delivery const& letter, std::string_view source, Catalogue& catalogue) {
  if (source.starts_with(raw_prefix)) {
    if (auto const* provider = find_provider(source.substr(raw_prefix.size()))) return decode_raw(letter, *provider, catalogue);
  } else if (source.starts_with(canonical_prefix)) {
    auto const kind = source.substr(canonical_prefix.size());
    if (std::ranges::contains(kind_names, kind)) return read_canonical(letter, kind);
  }
  return {.impossible = "topic " + std::string{source} + " is neither raw.PROVIDER nor md.KIND of this version of penstock"};
}

}  // namespace penstock
