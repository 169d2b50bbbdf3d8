#include "agents/dead/letters.hpp"

#include "streaming/backoff.hpp"
#include "streaming/fault.hpp"
#include "streaming/kafka/read_to_end.hpp"
#include "streaming/kafka/topics.hpp"
#include "streaming/log.hpp"

#include <prometheus/counter.h>

#include <algorithm>

namespace penstock {
namespace {

using namespace std::chrono_literals;

/// Readers of the topics that letters go back to wait for a transaction that a killed process left open.
constexpr auto transaction_timeout = 10s;
/// What retention took of the marks is forgotten when there are twice as many as there were, and so many more.
constexpr std::int64_t forget_after = 10'000;

/// Letters about one record. The transformer writes those of one frame together.
struct About {
  std::optional<std::pair<Partition, Offset>> source;  ///< of the record
  Record original;
  std::vector<OpenLetter> letters;
};

/// What is done, and its marks, go out together, with commit().
class Deeds {
 public:
  Deeds(kafka::Connection const& connection, Topic const& letters, DeadDeed const& deed, Clock& clock)
      : transactions_{connection.transactions}, letters_{letters}, deed_{deed}, clock_{clock} {
    auto const topics = kafka::list_topics(connection);
    for (auto const& needed : {source_, Topic{dead_marks_topic}})
      if (!topics.contains(needed))
        throw Fault{Fault::Kind::fatal, "topic " + needed + " is missing: run `penstock topics apply`"};
    source_partitions_ = topics.at(source_);
    // From here on nobody else marks letters of this topic: marks that are read now stay true.
    exchange_ = kafka::make_exchange(
        connection,
        {.transactional_id = "penstock-dead-" + letters, .transaction_timeout = transaction_timeout, .pacing = deed.pacing});
  }

  void put(Partition partition, About&& about) {
    auto& action = actions_[partition];
    for (auto const& letter : about.letters) action.add(letter.offset, letter.timestamp);
    if (deed_.kind == DeadAction::Kind::drop) return;
    // To where it came from: it must not overtake, nor fall behind, what has the same key. A topic that was made anew may
    // have fewer partitions.
    TopicPartition to{source_, Partition{to_integer(about.source->first) % source_partitions_}};
    about.original.partition = to.partition;
    exchange_->produce(source_, about.original);
    ++action.replayed_to[std::move(to)];
  }

  void commit(Consumer& reader) {
    if (actions_.empty()) return;
    if (!transactions_) settle(reader);
    for (auto& [partition, action] : actions_) {
      action.kind = deed_.kind;
      action.letters = {letters_, partition};
      action.rule = deed_.rule;
      action.instance = deed_.instance;
      action.time = clock_.now();
      exchange_->produce(dead_marks_topic, mark_of(action));
    }
    settle(reader);
    for (auto const& [partition, action] : actions_) done_ += action.count;
    actions_.clear();
  }

  std::int64_t done() const { return done_; }  ///< letters

 private:
  void settle(Consumer& reader) {
    exchange_->commit({}, reader);
    while (!exchange_->settled(1s)) {
    }
  }

  // Set once.
  bool const transactions_;
  Topic const letters_;
  Topic const source_ = letters_.substr(0, letters_.rfind('.'));
  DeadDeed const& deed_;
  Clock& clock_;
  int source_partitions_ = 0;
  std::unique_ptr<Exchange> exchange_;

  // Changes.
  std::map<Partition, DeadAction> actions_;
  std::int64_t done_ = 0;
};

/// Sorts letters by the record that they are about, and those by what is to become of them.
class Sorter {
 public:
  Sorter(DeadMarks const& marks, DeadAsk const& ask, Time now, DeadAction::Kind kind, Deeds* deeds)
      : marks_{marks}, ask_{ask}, now_{now}, kind_{kind}, deeds_{deeds} {}

  bool full() const { return outcome_.letters >= ask_.limit; }

  void take(Delivery const& delivery) {
    if (auto const until = ask_.until.find(partition_of(delivery));
        until != ask_.until.end() && delivery.position.offset >= until->second)
      return;
    auto const letter = read_letter(delivery);
    if (!letter) {
      ++outcome_.strange;
      return;
    }
    auto& about = abouts_[partition_of(delivery)];
    std::pair const source{letter->source.partition, letter->source.offset};
    if (about.source && about.source != source) decide(partition_of(delivery), about);
    about.source = source;
    bool const named = ask_.rule.names(*letter);
    auto const* done = marks_.find(delivery);
    if (named) count(delivery, *letter, done);
    if (done) return;
    if (about.letters.empty() && deeds_ && kind_ == DeadAction::Kind::replay) about.original = original_record(delivery);
    about.letters.push_back({delivery.position.offset, delivery.timestamp, letter->failed_at, letter->attempt, named});
  }

  /// There are no more.
  void finish() {
    for (auto& [partition, about] : abouts_)
      if (!full()) decide(partition, about);
  }

  DeadOutcome& outcome() { return outcome_; }

 private:
  static TopicPartition partition_of(Delivery const& delivery) {
    return {Topic{delivery.position.topic}, delivery.position.partition};
  }

  void count(Delivery const& delivery, Letter const& letter, DeadAction const* done) {
    auto& tally = outcome_.tallies[{Topic{delivery.position.topic}, std::string{letter.reason}}];
    if (done) {
      ++(done->kind == DeadAction::Kind::replay ? tally.replayed : tally.dropped);
      return;
    }
    ++tally.open;
    tally.attempts_least = std::min(tally.attempts_least, letter.attempt);
    tally.attempts_most = std::max(tally.attempts_most, letter.attempt);
    tally.oldest = std::min(tally.oldest, letter.failed_at);
    tally.newest = std::max(tally.newest, letter.failed_at);
  }

  void decide(TopicPartition const& partition, About& about) {
    auto taken = std::exchange(about, {});
    // Dropping is about each letter alone: nothing comes of it that could fail again.
    if (kind_ == DeadAction::Kind::drop) std::erase_if(taken.letters, [](OpenLetter const& letter) { return !letter.named; });
    if (taken.letters.empty()) return;
    auto const choice = choose(ask_.rule, taken.letters, now_);
    if (choice == Choice::not_named) return;
    auto const letters = std::ssize(taken.letters);
    if (choice == Choice::worn_out) {
      outcome_.worn_out += letters;
      return;
    }
    outcome_.again.try_emplace(partition, taken.letters.front().offset);
    if (choice == Choice::later) {
      outcome_.due = std::min(outcome_.due, due(ask_.rule, taken.letters));
      return;
    }
    if (full()) return;
    outcome_.letters += letters;
    ++outcome_.records;
    outcome_.chosen_in.insert(partition.topic);
    if (deeds_) deeds_->put(partition.partition, std::move(taken));
  }

  // Set once.
  DeadMarks const& marks_;
  DeadAsk const& ask_;
  Time const now_;
  DeadAction::Kind const kind_;
  Deeds* const deeds_;

  // Changes.
  std::map<TopicPartition, About> abouts_;
  DeadOutcome outcome_;
};

DeadOutcome go_through(kafka::Connection const& connection, std::vector<Topic> const& topics, DeadAsk const& ask, Time now,
                       DeadAction::Kind kind, Deeds* deeds, KnownMarks& known, std::stop_token const& stop) {
  if (topics.empty()) return {};
  Sorter sorter{known.read(connection, stop), ask, now, kind, deeds};
  kafka::ReadToEnd letters{connection, topics, {.from = ask.from, .stop = stop}};
  std::vector<Delivery> deliveries;
  // A stop may have cut the marks short.
  while (!stop.stop_requested() && !sorter.full() && letters.next(deliveries)) {
    for (auto const& delivery : deliveries) sorter.take(delivery);
    if (deeds) deeds->commit(letters.consumer());
  }
  if (!stop.stop_requested()) sorter.finish();
  if (deeds) deeds->commit(letters.consumer());
  sorter.outcome().ends = letters.ends();
  for (auto const& [partition, end] : letters.ends()) sorter.outcome().again.try_emplace(partition, end);
  return std::move(sorter.outcome());
}

}  // namespace

std::vector<Topic> dead_letter_topics(kafka::Connection const& connection) {
  std::vector<Topic> topics;
  for (auto const& [topic, partitions] : kafka::list_topics(connection))
    if (topic.ends_with(dead_letter_topic("")) && topic != dead_marks_topic) topics.push_back(topic);
  return topics;
}

DeadMarks const& KnownMarks::read(kafka::Connection const& connection, std::stop_token const& stop) {
  bool const is_there = kafka::list_topics(connection).contains(Topic{dead_marks_topic});
  if (!is_there || count_ > 2 * count_first_ + forget_after) *this = {};
  if (!is_there) return marks_;
  kafka::ReadToEnd read{connection, {Topic{dead_marks_topic}}, {.from = ends_, .stop = stop}};
  std::vector<Delivery> deliveries;
  while (read.next(deliveries))
    for (auto const& delivery : deliveries) {
      marks_.add(read_mark(delivery));
      ++count_;
    }
  if (stop.stop_requested()) return marks_;
  if (ends_.empty()) count_first_ = count_;
  ends_ = read.ends();
  return marks_;
}

DeadOutcome look_at_letters(kafka::Connection const& connection, std::vector<Topic> const& topics, DeadAsk const& ask, Time now,
                            DeadAction::Kind kind, KnownMarks& known, std::stop_token const& stop) {
  return go_through(connection, topics, ask, now, kind, nullptr, known, stop);
}

DeadOutcome act_on_letters(kafka::Connection const& connection, Topic const& topic, DeadAsk const& ask, DeadDeed const& deed,
                           Clock& clock, KnownMarks& known, std::stop_token const& stop) {
  Deeds deeds{connection, topic, deed, clock};
  try {
    return go_through(connection, {topic}, ask, clock.now(), deed.kind, &deeds, known, stop);
  } catch (Fault const& fault) {
    // The open transaction is left to its timeout: the id may be somebody else's by now, whom Exchange::abort() would end.
    throw Fault{fault.kind(), "stopped after " + std::to_string(deeds.done()) + " letters of " + topic +
                                  ", which are marked as done: " + fault.what()};
  }
}

void run_dead_retry(kafka::Connection const& connection, DeadRetryOptions const& options, Clock& clock, Metrics& metrics,
                    Health& health, std::stop_token const& stop) {
  Backoff backoff;
  DeadAsk ask{.rule = options.rule};
  KnownMarks known;
  metrics.retried({{"reason", "broker"}});
  while (!stop.stop_requested()) try {
      health.turned();
      auto const found =
          look_at_letters(connection, dead_letter_topics(connection), ask, clock.now(), options.deed.kind, known, stop);
      ask.from = found.again;
      for (auto const& topic : found.chosen_in) {
        auto const done = act_on_letters(connection, topic, ask, options.deed, clock, known, stop);
        metrics.written({{"topic", topic.substr(0, topic.rfind('.'))}}).Increment(static_cast<double>(done.records));
        log::info("dead letters sent back",
                  {{"topic", topic}, {"letters", std::to_string(done.letters)}, {"records", std::to_string(done.records)}});
      }
      backoff.reset();
      health.good("output");
      auto const wait =
          std::min<Duration>(options.look_every, found.due == Time::max() ? Duration::max() : found.due - clock.now());
      clock.sleep(std::max(std::chrono::ceil<std::chrono::milliseconds>(wait), 100ms), stop);
    } catch (Fault const& fault) {
      if (fault.kind() != Fault::Kind::transient) throw;
      log::warning("dead letters wait; trying again", {{"why", fault.what()}});
      metrics.retried({{"reason", "broker"}}).Increment();
      health.bad("output", "dead letters wait: " + std::string{fault.what()});
      clock.sleep(backoff.next(), stop);
    }
}

}  // namespace penstock
