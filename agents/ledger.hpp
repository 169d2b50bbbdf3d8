/// What a transformer keeps account of, per raw partition: running totals that move in one transaction with the output and
/// the offsets. They are a record of topic penstock.ledger (key <topic>/<partition>, compacted: the last one counts), and the
/// metadata of the group's committed offset, where whoever goes on with the partition finds them again.
///   to - from          = frames + skipped + trimmed
///   frames             = decoded + ignored + dead_frames
///   records + restored = written + duplicate + dead + held + lost
/// Pure; one thread.
#pragma once

#include "schemas/kinds.hpp"
#include "streaming/record.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace penstock {

inline constexpr std::string_view ledger_topic = "penstock.ledger";

/// What was done for one partition since its last commit.
struct Counts {
  using ByKind = std::array<std::int64_t, kind_names.size()>;

  std::int64_t frames = 0, skipped = 0, trimmed = 0, decoded = 0, ignored = 0;
  std::int64_t records = 0, gaps = 0;
  ByKind written{}, duplicate{};
  std::map<std::string_view, std::int64_t> dead, dead_frames;  ///< by reason: single records, whole frames
  std::map<std::string_view, std::int64_t> new_gaps;           ///< by cause
  Time last_received{}, last_published{};                      ///< of the record written last
  std::optional<Duration> last_delay;  ///< event to received, of the last live one whose time is an event's

  bool empty() const;
};
std::int64_t total(Counts::ByKind const& counts);

struct Ledger {
  using ByKind = Counts::ByKind;

  std::string topic;
  Partition partition{};
  Offset from{}, to{};       ///< the first offset that was counted, and the next one to come
  std::int64_t frames = 0;   ///< read
  std::int64_t skipped = 0;  ///< offsets without a frame: markers of transactions
  std::int64_t trimmed = 0;  ///< offsets that retention took before they were read: 0, or something is missing
  std::int64_t decoded = 0;  ///< frames with records, good or bad ones
  std::int64_t ignored = 0;  ///< control frames
  std::int64_t dead_frames = 0;
  std::int64_t records = 0;   ///< decoded from the frames
  std::int64_t restored = 0;  ///< held once more after a restart, though they had gone on: the store finds them a second time
  std::int64_t lost = 0;      ///< held before a restart and not found again after it: 0, or something is wrong
  std::int64_t dead = 0;
  std::int64_t held = 0;  ///< book updates that wait for their snapshot, now
  std::int64_t gaps = 0;  ///< gap records that were written, on top of what was decoded
  ByKind written{}, duplicate{};

  void add(Counts const& counts);
  /// State was made again, and holds `now`.
  void resume(std::int64_t now);
};

/// One JSON object, under 2,000 bytes; nothing in `time` where it is left out.
std::string to_json(Ledger const& ledger, std::string_view group, std::string_view instance, Time time);
/// Nothing: it is not one. Fields that are absent are 0.
std::optional<Ledger> parse_ledger(std::string_view json);
/// The record of topic penstock.ledger whose value is `json`.
Record ledger_record(Ledger const& ledger, std::string json);

}  // namespace penstock
