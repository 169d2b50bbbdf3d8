#include "agents/audit.hpp"

#include "agents/topic_plan.hpp"

#include <algorithm>
#include <format>

namespace penstock {
namespace {

constexpr auto gaps_index = static_cast<std::size_t>(std::ranges::find(kind_names, Gap::kind) - kind_names.begin());

std::int64_t between(Offset from, Offset to) { return to_integer(to) - to_integer(from); }

/// Collects what is to be said of one place.
class Remarks {
 public:
  Remarks(std::vector<Remark>& all, std::string where) : all_{all}, where_{std::move(where)} {}

  template <class... Arguments>
  void differ(std::format_string<Arguments...> text, Arguments&&... arguments) {
    all_.push_back({true, where_, std::format(text, std::forward<Arguments>(arguments)...)});
  }
  template <class... Arguments>
  void note(std::format_string<Arguments...> text, Arguments&&... arguments) {
    all_.push_back({false, where_, std::format(text, std::forward<Arguments>(arguments)...)});
  }

 private:
  std::vector<Remark>& all_;
  std::string where_;
};

void check_letters(Letters const& letters, std::int64_t dead, Topic const& topic, Remarks& remarks) {
  if (letters.known == Letters::Known::none)
    return remarks.note("{} dead; {}.dead holds too many letters to be counted without --deep", dead, topic);
  if (letters.count > dead || (letters.known == Letters::Known::all && letters.count < dead))
    return remarks.differ("{} dead, but {}.dead holds {} letters of them", dead, topic, letters.count);
  if (letters.count < dead)
    remarks.note("{} dead; {}.dead holds {} letters of them, retention took some", dead, topic, letters.count);
}

void check_kept(kafka::Kept const& kept, Offset next, Remarks& remarks) {
  if (kept.first > next)
    remarks.differ("offsets {} to {} were taken by the topic's retention before they were read", to_integer(next),
                   to_integer(kept.first) - 1);
  if (kept.end < next)
    remarks.note("the topic ends at offset {}, before what was read ({}): it was made anew", to_integer(kept.end),
                 to_integer(next));
}

void check_sums(Ledger const& ledger, Remarks& remarks) {
  if (auto const span = between(ledger.from, ledger.to); span != ledger.frames + ledger.skipped + ledger.trimmed)
    remarks.differ("offsets {} to {} are {}, but {} frames + {} skipped + {} trimmed", to_integer(ledger.from),
                   to_integer(ledger.to), span, ledger.frames, ledger.skipped, ledger.trimmed);
  if (ledger.trimmed != 0)
    remarks.differ(
        "{} offsets were taken by the topic's retention before they were read: what they held is missing but where "
        "gaps was filled with it",
        ledger.trimmed);
  if (ledger.frames != ledger.decoded + ledger.ignored + ledger.dead_frames)
    remarks.differ("{} frames, but {} decoded + {} ignored + {} dead", ledger.frames, ledger.decoded, ledger.ignored,
                   ledger.dead_frames);
  auto const written = total(ledger.written), duplicate = total(ledger.duplicate);
  if (ledger.records + ledger.restored != written + duplicate + ledger.dead + ledger.held + ledger.lost)
    remarks.differ("{} records + {} restored, but {} written + {} duplicate + {} dead + {} held + {} lost", ledger.records,
                   ledger.restored, written, duplicate, ledger.dead, ledger.held, ledger.lost);
  if (ledger.lost != 0) remarks.differ("{} records were held before a restart and not found again after it", ledger.lost);
}

void check(RawAccount const& account, std::string const& group, Remarks remarks) {
  if (!account.ledger) {
    if (account.committed)
      remarks.note("group {} has read up to offset {}, but there is no ledger of it", group, to_integer(*account.committed));
    return;
  }
  auto const& ledger = *account.ledger;
  check_sums(ledger, remarks);
  if (!account.committed)
    remarks.differ("the ledger ends at offset {}, but group {} has committed none", to_integer(ledger.to), group);
  else if (*account.committed != ledger.to)
    remarks.differ("the ledger ends at offset {}, but group {} has committed {}", to_integer(ledger.to), group,
                   to_integer(*account.committed));
  check_kept(account.kept, ledger.to, remarks);
  check_letters(account.letters, ledger.dead + ledger.dead_frames, account.partition.topic, remarks);
  if (to_integer(ledger.from) > 0)
    remarks.note("the ledger begins at offset {}: what was before it is not counted", to_integer(ledger.from));
}

void check(StoreLedger::Sums const& sums, StoreLedger::Place const& place, Remarks& remarks) {
  if (sums.from != place.first)
    remarks.differ("the ledger begins at offset {}, the stores began at {}", to_integer(sums.from), to_integer(place.first));
  if (sums.to != place.next)
    remarks.differ("the ledger ends at offset {}, the stores are at {}", to_integer(sums.to), to_integer(place.next));
  if (auto const span = between(place.first, place.next); span != sums.read + sums.skipped - sums.rewound)
    remarks.differ("offsets {} to {} are {}, but {} read + {} skipped - {} rewound", to_integer(place.first),
                   to_integer(place.next), span, sums.read, sums.skipped, sums.rewound);
  if (sums.read != sums.written + sums.duplicate + sums.dead)
    remarks.differ("{} read, but {} written + {} duplicate + {} dead", sums.read, sums.written, sums.duplicate, sums.dead);
}

void check(StoreAccount const& account, Remarks remarks) {
  auto const& [place, sums] = account.ledger;
  if (!place && !sums) {
    if (to_integer(account.kept.first) > 0)
      remarks.note("no store has read it yet, and retention took what was before offset {}", to_integer(account.kept.first));
    return;
  }
  if (!sums) return remarks.differ("the stores are at offset {}, but the ledger has no row of it", to_integer(place->next));
  if (!place) return remarks.differ("the ledger ends at offset {}, but penstock.offsets has no row of it", to_integer(sums->to));
  check(*sums, *place, remarks);
  check_kept(account.kept, place->next, remarks);
  check_letters(account.letters, sums->dead, account.partition.topic, remarks);
}

/// Of the whole way from raw topics to md topics: what keeps the sums from being compared.
struct Doubts {
  bool no_ledger = true;  ///< of any raw partition
  bool partial = false;   ///< frames were transformed that no ledger counts
};

Doubts doubts_of(std::vector<RawAccount> const& raw) {
  Doubts doubts;
  for (auto const& account : raw) {
    if (account.ledger) doubts.no_ledger = false;
    doubts.partial |= account.ledger ? to_integer(account.ledger->from) > 0 : account.committed.has_value();
  }
  return doubts;
}

void check_kind(AuditFacts const& facts, std::size_t kind, KindSums const& sums, Doubts const& doubts, Remarks remarks) {
  auto const least = sums.read + sums.in_flight_least, most = sums.read + sums.in_flight_most;
  if (doubts.no_ledger) {
    if (most > 0) remarks.note("there is no ledger of a transformer to compare it with");
    return;
  }
  if (!sums.is_comparable) return remarks.note("the topic was made anew: it cannot be compared with what transformers wrote");
  auto const before = facts.written_before[kind] + facts.replayed[kind], after = facts.written_after[kind] + facts.replayed[kind];
  auto const found = std::format("{} read + {} in flight", sums.read, sums.in_flight_most);
  if (before > most + sums.uncounted_most)
    remarks.differ("{} written by transformers, but {}: {} are missing", before, found, before - most);
  else if (before > most)
    remarks.note("{} of {} written records may be before the offset where the stores began{}", before - most, before,
                 is_kept_by_key(kind_names[kind]) ? ", or later ones of the same key replaced them before they were read" : "");
  if (after >= least || kind == gaps_index) return;  // Publishers write gaps, too, and keep no account.
  if (doubts.partial || !facts.knows_all_replays)
    remarks.note("{}, {} more than the ledgers of transformers know of, which do not go back to the beginning", found,
                 least - after);
  else
    remarks.differ("{}, but {} written by transformers: {} too many", found, after, least - after);
}

void check(TableAccount const& table, Remarks remarks) {
  auto const& [kind, rows, written, identities, dropped_before] = table;
  auto const may_be_fewer = identities.has_value() || !dropped_before.empty();
  if (rows > written || (rows < written && !may_be_fewer))
    remarks.differ("{} rows, but the stores wrote {}", rows, written);
  else if (rows < written && !dropped_before.empty())
    remarks.note("{} rows of {} written; retention dropped what is older than {}", rows, written, dropped_before);
  if (identities && *identities != rows) remarks.differ("{} rows, but {} identities", rows, *identities);
}

}  // namespace

std::int64_t RawAccount::in_flight() const {
  auto const next = ledger ? ledger->to : committed.value_or(kept.first);
  return std::max<std::int64_t>(between(std::max(next, kept.first), kept.end), 0);
}

std::int64_t StoreAccount::in_flight() const {
  auto const next = ledger.place ? ledger.place->next : kept.first;
  return std::max<std::int64_t>(between(std::max(next, kept.first), kept.end), 0);
}

void add_written(CountByKind& sums, Ledger const& ledger) {
  for (std::size_t kind = 0; kind < sums.size(); ++kind) sums[kind] += ledger.written[kind];
  sums[gaps_index] += ledger.gaps;
}

std::map<std::size_t, KindSums> sums_by_kind(AuditFacts const& facts) {
  std::map<std::size_t, KindSums> kinds;
  for (auto const& account : facts.stored) {
    auto const found = std::ranges::find(kind_names, std::string_view{account.partition.topic}.substr(3));
    auto& sums = kinds[static_cast<std::size_t>(found - kind_names.begin())];
    auto const& [place, counted] = account.ledger;
    auto const in_flight = account.in_flight();
    sums.in_flight_least += account.records_in_flight.value_or(0);
    sums.in_flight_most += account.records_in_flight.value_or(in_flight);
    sums.uncounted_most += to_integer(place ? place->first : account.kept.first);
    if (counted) sums.read += counted->read;
    if (is_kept_by_key(*found))
      sums.uncounted_most += in_flight - account.records_in_flight.value_or(in_flight) + (counted ? counted->skipped : 0);
    if (counted && counted->rewound > 0) sums.is_comparable = false;
    if (place && place->next > account.kept.end) sums.is_comparable = false;
  }
  return kinds;
}

std::vector<Remark> reconcile(AuditFacts const& facts) {
  std::vector<Remark> all;
  for (auto const& account : facts.raw) check(account, facts.transform_group, {all, to_text(account.partition)});
  for (auto const& account : facts.stored) check(account, {all, to_text(account.partition)});
  for (auto const& group : facts.other_store_groups)
    Remarks{all, "md"}.note("group {} has stored nothing; group {} has: --store-group {} audits that one", facts.store_group,
                            group, group);
  auto const doubts = doubts_of(facts.raw);
  for (auto const& [kind, sums] : sums_by_kind(facts))
    check_kind(facts, kind, sums, doubts, {all, "md." + std::string{kind_names[kind]}});
  for (auto const& table : facts.tables) check(table, {all, "table " + table.kind});
  return all;
}

std::string to_text(TopicPartition const& partition) {
  return partition.topic + '/' + std::to_string(to_integer(partition.partition));
}

}  // namespace penstock
