/// Whether it adds up: takes what ledgers, offsets and topics say, and tells where they differ. Pure; any thread.
///
/// From topic to topic, each equation exact:
///   raw.<provider>, each partition   the transformer's ledger adds up (ledger.hpp), ends at the group's committed offset, and
///                                    dead_frames + dead = letters in raw.<provider>.dead
///   md.<kind>, each partition        next_offset - first_offset = read + skipped - rewound, read = written + duplicate + dead,
///                                    the ledger's rows begin and end where penstock.offsets says, dead = letters in
///                                    md.<kind>.dead
///   between them, each kind          written by transformers + replayed = read by stores + in flight (where the topic keeps the
///                                    last record of each key: + at most the offsets without a record)
///   table <kind>                     rows = written; where the later one wins: rows <= written, each identity once
/// Dead letters count by where their header says that they came from, each record once.
#pragma once

#include "agents/ledger.hpp"
#include "streaming/kafka/topics.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace penstock {

/// Letters of the offsets that a ledger covers.
struct Letters {
  enum class Known : std::uint8_t { all, at_least, none };  ///< at_least: retention took some; none: too many to read
  Known known = Known::all;
  std::int64_t count = 0;
};

struct RawAccount {
  TopicPartition partition;
  kafka::Kept kept;
  std::optional<Offset> committed;  ///< by the group of transformers
  std::optional<Ledger> ledger;
  Letters letters;

  /// Offsets that are still to be read, control records included.
  std::int64_t in_flight() const;
};

/// penstock.offsets and the sums of penstock.ledger, of one partition.
struct StoreLedger {
  struct Place {
    Offset first{}, next{};
  };
  struct Sums {
    Offset from{}, to{};
    std::int64_t read = 0, skipped = 0, rewound = 0, written = 0, duplicate = 0, dead = 0;
  };
  std::optional<Place> place;
  std::optional<Sums> sums;
};

struct StoreAccount {
  TopicPartition partition;
  kafka::Kept kept;
  StoreLedger ledger;
  Letters letters;
  std::optional<std::int64_t> records_in_flight;  ///< where they were counted

  /// Offsets that are still to be read, control records included.
  std::int64_t in_flight() const;
};

/// What --deep counts.
struct TableAccount {
  std::string kind;
  std::int64_t rows = 0;
  std::int64_t written = 0;                ///< by stores of all groups
  std::optional<std::int64_t> identities;  ///< where the later one wins
  std::string dropped_before;              ///< retention has dropped what is older; "": nothing
};

using CountByKind = Counts::ByKind;

struct AuditFacts {
  std::string transform_group, store_group;
  std::vector<RawAccount> raw;
  std::vector<StoreAccount> stored;
  std::vector<std::string> other_store_groups;  ///< the last ones by name, where nothing is stored by the one that was asked for
  /// By transformers, in total: when the first partition of md was looked at, and after the last one. They differ while the
  /// pipeline runs.
  CountByKind written_before{}, written_after{};
  CountByKind replayed{};            ///< dead letters that went back to md.<kind>
  bool knows_all_replays = true;     ///< no: retention took some of penstock.dead
  std::vector<TableAccount> tables;  ///< empty without --deep
};

/// What a kind has in all partitions together.
struct KindSums {
  std::int64_t read = 0;
  std::int64_t in_flight_least = 0, in_flight_most = 0;  ///< records; the same where they were counted
  /// Offsets before the ledgers begin; where the topic keeps the last of each key, also those that hold no record any more.
  std::int64_t uncounted_most = 0;
  bool is_comparable = true;  ///< no: the topic was made anew
};
std::map<std::size_t, KindSums> sums_by_kind(AuditFacts const& facts);

/// Adds to `sums` what a transformer wrote to md.<kind>, its own gaps included.
void add_written(CountByKind& sums, Ledger const& ledger);

struct Remark {
  bool differs;       ///< else something that could not be checked
  std::string where;  ///< "raw.binance/0", "md.trades", "table trades"
  std::string what;
};
/// Empty: it adds up.
std::vector<Remark> reconcile(AuditFacts const& facts);

/// "raw.binance/0"
std::string to_text(TopicPartition const& partition);

}  // namespace penstock
