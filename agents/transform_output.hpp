/// What the transformer writes of a frame: canonical records, gaps, dead letters; and it counts them.
/// One thread: the loop's.
#pragma once

#include "agents/ledger.hpp"
#include "agents/transform/stage.hpp"
#include "streaming/producer.hpp"

#include <array>
#include <string>

namespace penstock {

class Output final : public Downstream {
 public:
  Output(Exchange& exchange, Clock& clock);

  /// Whose records follow. `delivery`: the frame in hand; nullptr: none, time passes.
  void begin(Counts& counts, Delivery const* delivery) { counts_ = &counts, delivery_ = delivery; }
  void write(MarketRecord const& record, Origin origin) override;
  void drop(MarketRecord const& record) override { ++counts_->duplicate[record.index()]; }
  void reject(std::size_t index, Reject const& why) override;
  void gap(Gap const& gap, bool is_new) override;
  /// The frame as a whole.
  void reject_frame(Reject const& why);

 private:
  Envelope const& envelope_of(MarketRecord const& record, Origin origin);
  void produce(MarketRecord const& record, Origin origin);

  Exchange& exchange_;
  Clock& clock_;
  std::array<std::array<Envelope const*, 3>, kind_names.size()> envelopes_{};  ///< by kind and origin; nullptr: not yet
  std::string key_, value_;                                                    ///< their memory is used again
  Counts* counts_ = nullptr;
  Delivery const* delivery_ = nullptr;
};

/// Takes what is known to be out already.
class Silence final : public Downstream {
 public:
  void write(MarketRecord const&, Origin) override {}
  void drop(MarketRecord const&) override {}
  void reject(std::size_t, Reject const&) override {}
  void gap(Gap const&, bool) override {}
};

}  // namespace penstock
