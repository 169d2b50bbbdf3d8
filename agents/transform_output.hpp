/// What the transformer writes: canonical records, gaps, dead letters, and the ledger that says that it adds up.
/// One thread: the loop's.
#pragma once

#include "agents/transform/stage.hpp"
#include "streaming/producer.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace penstock {

/// Of one partition, since its last commit.
///   frames = decoded + ignored + dead_frames
///   records + held_before = written + duplicate + dead + held       (held: book updates that wait for their snapshot)
struct Counts {
  using ByKind = std::array<std::int64_t, kind_names.size()>;

  Offset from{};
  std::int64_t frames = 0, ignored = 0, dead_frames = 0;
  std::int64_t records = 0, held_before = 0, gaps = 0;
  ByKind written{}, duplicate{};
  std::map<std::string_view, std::int64_t> dead, dead_frames_of;  ///< by reason: single records, whole frames
  std::map<std::string_view, std::int64_t> new_gaps;              ///< by cause
  Time last_event{}, last_received{};                             ///< of the record written last

  bool empty() const { return frames == 0 && gaps == 0 && total(written) == 0; }
  static std::int64_t total(ByKind const& counts);
  static std::int64_t total(std::map<std::string_view, std::int64_t> const& counts);
};

/// The ledger's record of one partition and interval; key: <topic>/<partition>.
Record ledger_record(std::string_view instance, TopicPartition const& partition, Counts const& counts, Offset to,
                     std::size_t held, Time now);

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
  Record& prepared(MarketRecord const& record, Origin origin);
  void produce(MarketRecord const& record, Origin origin);

  Exchange& exchange_;
  Clock& clock_;
  std::array<std::array<Record, 3>, kind_names.size()> records_;  ///< by kind and origin; only key and value change
  std::array<std::string, kind_names.size()> topics_;
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
