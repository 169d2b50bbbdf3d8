/// One input partition's way: decode -> symbols -> validate -> dedupe -> sequence. Knows nothing of Kafka. One thread.
/// Its state follows from the last W records of the partition: run through them silently (a Downstream that does
/// nothing), and it is as if it had never stopped.
#pragma once

#include "agents/provider.hpp"
#include "agents/transform/catalogue.hpp"
#include "agents/transform/dedupe.hpp"
#include "agents/transform/open_gaps.hpp"
#include "agents/transform/sequence.hpp"

namespace penstock {

class Pipeline {
 public:
  struct Options {
    std::int64_t window_records = 100'000;  ///< W
    Duration hold = std::chrono::seconds{5};
    Duration grace = std::chrono::seconds{2};
    Offset live_from{};  ///< what is before it has been transformed already, and only makes state
  };
  /// What became of a frame.
  enum class Verdict : std::uint8_t {
    decoded,  ///< each of its records was written, dropped, rejected or is held
    ignored,  ///< a control frame
    dead,     ///< bad as a whole: `why`
    waits,    ///< its symbols are not known yet: nothing was done, give it again later
  };

  /// `open_gaps`: those that were left open by whoever had the partition before.
  Pipeline(Provider const& provider, Catalogue& catalogue, OpenGaps const& open_gaps, Options const& options);

  /// `may_wait`: a frame with an unknown symbol waits; else its record is rejected.
  Verdict take(RawRecord const& raw, Offset offset, bool may_wait, Downstream& out);
  /// Takes the instruments out of a frame that must wait itself: others may be waiting for them.
  void learn(RawRecord const& raw);
  /// Of the last frame that was dead.
  Reject const& why() const { return *decoded_.frame; }
  /// Records decoded from the last frame: good and bad ones.
  std::size_t records() const { return decoded_.items.size() + decoded_.rejected.size(); }

  Sequence& sequence() { return sequence_; }
  std::size_t memory_bytes() const { return once_.memory_bytes() + versions_.memory_bytes(); }  ///< of the dedupe window

 private:
  bool must_wait() const;
  bool is_known(MarketRecord const& record) const;
  bool find_symbol(Decoded::Item& item, Downstream& out) const;
  Window& window_of(MarketRecord const& record);
  bool is_repeated(MarketRecord& record, std::uint64_t identity);
  std::uint64_t content_of(MarketRecord& record);

  Provider const& provider_;
  Catalogue& catalogue_;
  bool const by_catalogue_;
  Window once_;      ///< kinds that are appended
  Window versions_;  ///< kinds where the later one wins: only what repeats the latest one is a duplicate
  Sequence sequence_;
  Decoded decoded_;
  std::string content_;
};

}  // namespace penstock
