#include "agents/operate/audit_facts.hpp"

#include "agents/dead/marks.hpp"
#include "schemas/kinds.hpp"
#include "streaming/fault.hpp"
#include "streaming/kafka/read_to_end.hpp"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <ranges>

namespace penstock {
namespace {

using postgres::Connection;
using postgres::Row;
using postgres::Value;
using Topics = std::map<Topic, int>;
using KeptOffsets = std::map<TopicPartition, kafka::Kept>;

constexpr std::string_view dead_suffix = ".dead";

bool is_raw(Topic const& topic) { return topic.starts_with("raw.") && !topic.ends_with(dead_suffix); }

Topics choose(Topics const& all, auto const& wanted) {
  Topics chosen;
  for (auto const& topic : all)
    if (wanted(topic.first)) chosen.insert(topic);
  return chosen;
}

/// -1 where it is none.
std::int64_t number_in(std::string_view text) {
  std::int64_t number = -1;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}
std::int64_t number_in(Value const& value) { return number_in(std::string_view{value.value()}); }

// ---- The database.

std::map<TopicPartition, StoreLedger> store_ledgers(Connection& database, std::string const& group) {
  std::map<TopicPartition, StoreLedger> ledgers;
  for (auto const& row :
       database.query("select topic, partition, o.first_offset, o.next_offset,"
                      " (array_agg(l.from_offset order by l.hour))[1], (array_agg(l.to_offset order by l.hour desc))[1],"
                      " sum(l.read), sum(l.skipped), sum(l.rewound), sum(l.written), sum(l.duplicate), sum(l.dead)"
                      " from (select * from penstock.offsets where consumer_group = $1) o"
                      " full join (select * from penstock.ledger where consumer_group = $1) l using (topic, partition)"
                      " group by topic, partition, o.first_offset, o.next_offset",
                      {group})) {
    auto& [place, sums] = ledgers[{*row[0], Partition{static_cast<std::int32_t>(number_in(row[1]))}}];
    if (row[2]) place.emplace(Offset{number_in(row[2])}, Offset{number_in(row[3])});
    if (row[4])
      sums.emplace(Offset{number_in(row[4])}, Offset{number_in(row[5])}, number_in(row[6]), number_in(row[7]), number_in(row[8]),
                   number_in(row[9]), number_in(row[10]), number_in(row[11]));
  }
  return ledgers;
}

std::vector<std::string> other_store_groups(Connection& database, std::string const& group) {
  std::vector<std::string> groups;
  for (auto const& row : database.query(
           "select distinct consumer_group from penstock.offsets where consumer_group <> $1 order by 1 desc limit 3", {group}))
    groups.push_back(*row[0]);
  return groups;
}

std::int64_t count(Connection& database, std::string const& from) {
  return number_in(database.query("select count(*) from " + from).at(0).at(0));
}

TableAccount count_rows(Connection& database, std::string const& kind) {
  TableAccount table{.kind = kind};
  auto const name = postgres::identifier(kind);
  table.rows = count(database, name);
  table.written =
      number_in(database.query("select coalesce(sum(written), 0) from penstock.ledger where topic = $1", {"md." + kind})[0][0]);
  if (conflict_of(kind) == Conflict::later_wins) {
    std::string columns;
    for (auto const column : identity_columns_of(kind)) columns += (columns.empty() ? "" : ", ") + postgres::identifier(column);
    table.identities = count(database, "(select distinct " + columns + " from " + name + ") identities");
  }
  auto const dropped = database.query(
      "select to_char(dropped_before at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') from penstock.retention"
      " where table_name = $1",
      {kind});
  if (!dropped.empty()) table.dropped_before = dropped[0][0].value();
  return table;
}

// ---- The log.

/// Letters by where they came from; each record counts once, however often its letter was written.
class LetterCounts {
 public:
  void add(Delivery const& letter) {
    auto const partition = static_cast<std::int32_t>(number_in(letter.header("partition")));
    letters_[{Topic{letter.header("topic")}, Partition{partition}}].emplace_back(number_in(letter.header("offset")),
                                                                                 number_in(letter.header("record")));
  }
  /// Of offsets from `from` to before `to`.
  std::int64_t count(TopicPartition const& source, Offset from, Offset to) {
    auto const found = letters_.find(source);
    if (found == letters_.end()) return 0;
    auto& letters = found->second;
    std::ranges::sort(letters);
    letters.erase(std::ranges::unique(letters).begin(), letters.end());
    return std::ranges::count_if(letters,
                                 [&](auto const& letter) { return Offset{letter.first} >= from && Offset{letter.first} < to; });
  }

 private:
  std::map<TopicPartition, std::vector<std::pair<std::int64_t, std::int64_t>>> letters_;  ///< offset, record of the frame
};

bool is_of_group(std::string_view ledger, std::string_view group) {
  simdjson::dom::parser parser;
  std::string_view found;
  return parser.parse(ledger.data(), ledger.size())["group"].get(found) == simdjson::SUCCESS && found == group;
}

/// The records that went back to md.<kind>.
void add_replays(CountByKind& replayed, DeadAction const& action) {
  for (auto const& [to, count] : action.replayed_to)
    for (std::size_t kind = 0; kind < kind_names.size(); ++kind)
      if (to.topic == "md." + std::string{kind_names[kind]}) replayed[kind] += count;
}

/// A ledger is that of an offset only where both moved together.
std::optional<Ledger> ledger_of(Commit const& commit) {
  auto ledger = parse_ledger(commit.metadata);
  return ledger && ledger->to == commit.offset ? ledger : std::nullopt;
}

class Look {
 public:
  explicit Look(AuditSources const& sources) : sources_{sources} {}

  AuditFacts facts() {
    auto const all = kafka::list_topics(sources_.kafka);
    raw_ = choose(all, is_raw);
    md_ = choose(all, [&](auto const& topic) { return is_stored(topic); });
    auto const before = committed();
    begin(before);
    begin(store_ledgers(sources_.database, sources_.store_group));
    look_at_ends(all);
    read(all);
    end(committed());
    return std::move(facts_);
  }

 private:
  bool is_stored(Topic const& topic) const {
    return topic.starts_with("md.") && std::ranges::contains(sources_.kinds, topic.substr(3));
  }
  Commits committed() const { return kafka::committed_offsets(sources_.kafka, sources_.transform_group, raw_); }

  void begin(Commits const& commits) {
    facts_.transform_group = sources_.transform_group;
    for (auto const& [topic, partitions] : raw_)
      for (int p = 0; p < partitions; ++p) {
        auto& account = facts_.raw.emplace_back(TopicPartition{topic, Partition{p}});
        auto const found = commits.find(account.partition);
        if (found == commits.end()) continue;
        account.committed = found->second.offset;
        account.ledger = ledger_of(found->second);
      }
  }

  // Also partitions that the broker does not have any more.
  void begin(std::map<TopicPartition, StoreLedger> ledgers) {
    facts_.store_group = sources_.store_group;
    if (ledgers.empty()) facts_.other_store_groups = other_store_groups(sources_.database, sources_.store_group);
    for (auto const& [topic, partitions] : md_)
      for (int p = 0; p < partitions; ++p) ledgers.try_emplace({topic, Partition{p}});
    for (auto const& [partition, ledger] : ledgers)
      if (is_stored(partition.topic)) facts_.stored.emplace_back(partition, kafka::Kept{}, ledger);
  }

  void look_at_ends(Topics const& all) {
    kept_ = kafka::kept_offsets(sources_.kafka, choose(all, [&](auto const& topic) {
                                  return raw_.contains(topic) || md_.contains(topic) || is_letters(topic) ||
                                         topic == dead_marks_topic;
                                }));
    auto const look_up = [&](auto& account) {
      if (auto const found = kept_.find(account.partition); found != kept_.end()) account.kept = found->second;
    };
    std::ranges::for_each(facts_.raw, look_up);
    std::ranges::for_each(facts_.stored, look_up);
  }
  bool is_letters(Topic const& topic) const {
    if (!topic.ends_with(dead_suffix)) return false;
    auto const source = topic.substr(0, topic.size() - dead_suffix.size());
    return raw_.contains(source) || md_.contains(source);
  }

  // ---- Everything that is read, in one go.

  void read(Topics const& all) {
    choose_letters(all);
    choose_in_flight();
    if (all.contains(Topic{dead_marks_topic})) {
      topics_.emplace_back(dead_marks_topic);
      facts_.knows_all_replays = !is_trimmed(Topic{dead_marks_topic});
    }
    if (all.contains(Topic{ledger_topic}) && std::ranges::any_of(facts_.raw, lacks_ledger)) topics_.emplace_back(ledger_topic);

    if (!topics_.empty()) {
      kafka::ReadToEnd reader{sources_.kafka, topics_, {.from = from_, .stop = sources_.stop}};
      std::vector<Delivery> deliveries;
      while (reader.next(deliveries)) std::ranges::for_each(deliveries, [&](auto const& delivery) { take(delivery); });
    }
    if (sources_.stop.stop_requested()) throw Fault{Fault::Kind::transient, "stopped before it was known whether it adds up"};
    for (auto& account : facts_.raw)
      if (lacks_ledger(account))
        if (auto const found = ledgers_.find(account.partition); found != ledgers_.end()) account.ledger = found->second;
    count_letters();
  }

  // Somebody else has set the offset, or removed it: then the topic says where it was.
  static bool lacks_ledger(RawAccount const& account) { return !account.ledger && kafka_end(account) > 0; }
  static std::int64_t kafka_end(RawAccount const& account) { return to_integer(account.kept.end); }

  void choose_letters(Topics const& all) {
    for (auto const& [topic, partitions] : choose(all, [&](auto const& each) { return is_letters(each); })) {
      auto& known = letters_known_[topic.substr(0, topic.size() - dead_suffix.size())];
      if (is_trimmed(topic)) known = Letters::Known::at_least;
      auto const letters = sum(topic, [](auto const& kept) { return kept.first; });
      if (letters > audit_read_max && !sources_.read_all)
        known = Letters::Known::none;
      else if (letters > 0)
        topics_.push_back(topic);
    }
  }

  void choose_in_flight() {
    std::map<Topic, std::int64_t> in_flight;
    for (auto const& account : facts_.stored) in_flight[account.partition.topic] += account.in_flight();
    for (auto& account : facts_.stored) {
      auto const& [topic, partition] = account.partition;
      if (in_flight[topic] > audit_read_max && !sources_.read_all) continue;
      account.records_in_flight = 0;
      in_flight_[account.partition] = &*account.records_in_flight;
      from_[account.partition] = Offset{to_integer(account.kept.end) - account.in_flight()};
    }
    for (auto const& [topic, offsets] : in_flight)
      if (offsets > 0 && (offsets <= audit_read_max || sources_.read_all)) topics_.push_back(topic);
    std::erase_if(from_, [&](auto const& each) { return !std::ranges::contains(topics_, each.first.topic); });
  }

  void take(Delivery const& delivery) {
    auto const topic = delivery.position.topic;
    if (topic == dead_marks_topic) {
      add_replays(facts_.replayed, read_mark(delivery));
    } else if (topic == ledger_topic) {
      take_ledger(delivery.value);
    } else if (topic.ends_with(dead_suffix)) {
      letters_.add(delivery);
    } else if (auto const found = in_flight_.find({Topic{topic}, delivery.position.partition}); found != in_flight_.end()) {
      ++*found->second;
    }  // Else of a partition that was added while this looks: nothing else of it is known, and the next look sees all of it.
  }

  void take_ledger(std::string_view json) {
    auto const ledger = parse_ledger(json);
    if (ledger && is_of_group(json, sources_.transform_group)) ledgers_[{ledger->topic, ledger->partition}] = *ledger;
  }

  void count_letters() {
    for (auto& account : facts_.raw) {
      if (!account.ledger) continue;
      account.letters = {letters_known_[account.partition.topic],
                         letters_.count(account.partition, account.ledger->from, account.ledger->to)};
    }
    for (auto& account : facts_.stored) {
      if (!account.ledger.place) continue;
      account.letters = {letters_known_[account.partition.topic],
                         letters_.count(account.partition, account.ledger.place->first, account.ledger.place->next)};
    }
  }

  void end(Commits const& commits) {
    for (auto const& account : facts_.raw) {
      if (account.ledger) add_written(facts_.written_before, *account.ledger);
      auto const found = commits.find(account.partition);
      auto const now = found == commits.end() ? std::nullopt : ledger_of(found->second);
      if (now)
        add_written(facts_.written_after, *now);
      else if (account.ledger)
        add_written(facts_.written_after, *account.ledger);
    }
  }

  bool is_trimmed(Topic const& topic) const {
    return std::ranges::any_of(kept_,
                               [&](auto const& each) { return each.first.topic == topic && to_integer(each.second.first) > 0; });
  }
  std::int64_t sum(Topic const& topic, auto const& from) const {
    std::int64_t offsets = 0;
    for (auto const& [partition, kept] : kept_)
      if (partition.topic == topic) offsets += to_integer(kept.end) - to_integer(from(kept));
    return offsets;
  }

  AuditSources const& sources_;
  AuditFacts facts_;
  Topics raw_, md_;
  KeptOffsets kept_;
  std::vector<Topic> topics_;  ///< to be read
  Offsets from_;
  LetterCounts letters_;
  std::map<Topic, Letters::Known> letters_known_;  ///< by the topic that the letters came from
  std::map<TopicPartition, std::int64_t*> in_flight_;
  std::map<TopicPartition, Ledger> ledgers_;
};

}  // namespace

AuditFacts audit_facts(AuditSources const& sources) { return Look{sources}.facts(); }

std::vector<TableAccount> count_rows(Connection& database, std::vector<std::string> const& kinds) {
  postgres::Transaction transaction{database};
  // One moment for rows and ledger, and all the time that it takes.
  database.execute("set transaction isolation level repeatable read, read only; set local statement_timeout = 0");
  std::vector<TableAccount> tables;
  for (auto const& kind : kinds) tables.push_back(count_rows(database, kind));
  transaction.commit();
  return tables;
}

}  // namespace penstock
