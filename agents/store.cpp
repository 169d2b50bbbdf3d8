#include "agents/store.hpp"

#include "agents/dead/letter.hpp"
#include "agents/store_batch.hpp"
#include "schemas/reasons.hpp"
#include "streaming/backoff.hpp"
#include "streaming/fault.hpp"
#include "streaming/log.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

namespace penstock {
namespace {

using std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::size_t poll_count = 5'000;
constexpr milliseconds poll_wait{2};
constexpr milliseconds batch_age_least{5};
constexpr milliseconds idle_wait{50};
constexpr milliseconds full_wait{20};
constexpr milliseconds full_wait_max{1'000};
constexpr milliseconds backoff_first{250}, backoff_most{2'000};
constexpr milliseconds look_every{10'000};
constexpr milliseconds shutdown_max{1'500};  // Leaving the group takes its time, too.

/// Two batches: one is filled while the other is written.
class Store {
 public:
  Store(Consumer& consumer, Sink& sink, Producer& dead_letters, Clock& clock, StoreOptions const& options, Metrics& metrics,
        Health& health, std::stop_token const& stop)
      : consumer_{consumer},
        sink_{sink},
        dead_letters_{dead_letters},
        clock_{clock},
        options_{options},
        metrics_{metrics},
        health_{health},
        stop_{stop} {
    show_all_series();
    health_.bad("database", "it was not asked yet: no partition is assigned, or the broker is away");
  }

  ~Store() { sink_.close(); }  // It may still be looking at a batch.
  Store(Store const&) = delete;
  Store& operator=(Store const&) = delete;

  void run() {
    consumer_.subscribe(options_.topics, [this](Assignment const& change) { return reassign(change); });
    while (!stop_.stop_requested()) {
      health_.turned();
      take();
      place();
      settle(is_full() ? full_wait : milliseconds{0});
      start_when_due();
      look_at_database();
      metrics_.lag_records({}).Set(static_cast<double>(consumer_.lag_records()));
    }
    finish();
    consumer_.close();
  }

 private:
  // Takes what there is into the batch that is being filled. A full one waits for the batch before it; when that takes
  // long the partitions are paused and polling goes on, which keeps the place in the group. Not earlier: a pause throws
  // away what was fetched, and its end waits for the next fetch, up to a second.
  void take() {
    if (!is_full())
      full_since_.reset();
    else if (!full_since_)
      full_since_ = clock_.steady();
    bool const stuck = full_since_ && (holding_ || clock_.steady() - *full_since_ >= full_wait_max);
    pause_when(stuck);
    if (is_full() && !stuck) return dead_letters_.poll(milliseconds{0});
    fresh_.clear();
    auto const idle = filling_->empty() && !writing_busy_;
    auto const room = options_.batch_count_max - std::min(options_.batch_count_max, filling_->count());
    consumer_.poll(fresh_, std::clamp(room, std::size_t{1}, poll_count), idle ? idle_wait : poll_wait);
    came_nothing_ = fresh_.empty();
    for (auto const& delivery : fresh_)
      if (is_placed(delivery.position)) add(delivery);
    count_received();
    dead_letters_.poll(milliseconds{0});
    if (auto const repeated = filling_->repeated()) came_again(*repeated);
  }

  void add(Delivery const& delivery) {
    if (filling_->empty()) filling_since_ = clock_.steady();
    if (delivery.position.topic != received_topic_) {
      count_received();
      received_topic_ = delivery.position.topic;
    }
    ++received_;
    if (auto const added = filling_->add(delivery); !added) put_letter(delivery, added.error());
  }

  // Where a gained partition goes on is for the table to say; until it has, its deliveries are not taken. Not while a batch
  // is being written: the table would answer with what that batch is about to change.
  void place() {
    if (unplaced_.empty() || writing_busy_ || clock_.steady() < place_again_) return;
    std::vector<TopicPartition> const gained{unplaced_.begin(), unplaced_.end()};
    Offsets starts;
    try {
      starts = sink_.committed(gained);
    } catch (Fault const& fault) {
      consumer_.pause(gained);
      return database_is_away(fault);
    }
    for (auto const& partition : gained) {
      auto const [start, is_new] = starts.try_emplace(partition, beginning);
      if (is_new)
        stored_.erase(partition);
      else
        stored_.insert_or_assign(partition, start->second);
    }
    try {
      consumer_.seek(starts);
    } catch (Fault const& fault) {
      consumer_.pause(gained);
      return hold(fault, "broker");
    }
    unplaced_.clear();
    database_is_back();
    if (!paused_) consumer_.resume(gained);
  }

  // While nothing is to be written nobody else would see that it is away.
  void look_at_database() {
    auto const now = clock_.steady();
    if (writing_busy_ || !filling_->empty() || !unplaced_.empty() || now < std::max(place_again_, database_at_ + look_every))
      return;
    auto assigned = consumer_.assigned();
    if (assigned.empty()) return;
    try {
      assigned.resize(1);
      sink_.committed(assigned);
      database_is_back();
    } catch (Fault const& fault) {
      database_is_away(fault);
    }
  }

  // The batch being written: finished, or to be tried again when the wait is over.
  void settle(milliseconds wait) {
    if (!writing_busy_ || clock_.steady() < write_again_) return;
    try {
      if (!result_ && !finish_write(wait)) return;
      if (!result_->committed) {
        // Letters before the offsets: once those have moved nobody would write the letters again.
        if (letters_lost_ || !flush_letters()) return;
        sink_.commit();
      }
      written(*result_);
    } catch (Fenced const&) {
      start_over();
    } catch (Fault const& fault) {
      sink_started_ = false;
      result_.reset();
      database_is_away(fault);
    }
  }

  bool finish_write(milliseconds wait) {
    if (!sink_started_) {
      sink_.start(writing_->sealed());
      sink_started_ = true;
    }
    result_ = sink_.finish(wait);
    if (!result_) return false;
    for (auto const& bad : result_->rejected) put_letter(writing_->delivery(bad.delivery), bad.reject);
    return true;
  }

  void start_when_due() {
    if (writing_busy_ || filling_->empty() || clock_.steady() < write_again_) return;
    // What comes together, because it was committed together, is written together; but not each record alone.
    auto const now = clock_.steady();
    bool const due = now - filling_since_ >= options_.batch_age_max;
    bool const quiet = came_nothing_ && now - writing_since_ >= std::min(batch_age_least, options_.batch_age_max);
    if (is_full() || due || quiet) begin_writing();
  }

  void begin_writing() {
    if (letters_lost_ || !flush_letters() || !goes_on()) return;
    std::swap(filling_, writing_);
    writing_->seal(stored_);
    writing_busy_ = true;
    writing_since_ = clock_.steady();
    settle(milliseconds{0});
  }

  // Whether what is to be written comes behind what the table holds. Where it does not, the topic was made anew if it ends
  // before that, too; else reading did not go where it was told to, and the rows would stand twice.
  bool goes_on() try {
    auto const back = filling_->before(stored_);
    if (back.empty()) return true;
    auto const ends = consumer_.ends(back);
    auto const found = std::ranges::find_if(back, [&](auto const& each) { return ends.at(each) >= stored_.at(each); });
    if (found != back.end()) came_again(*found);
    return found == back.end();
  } catch (Fault const& fault) {
    hold(fault, "broker");
    return false;
  }

  void written(WriteResult const& result) {
    auto const& batch = writing_->sealed();
    for (auto const& [partition, offset] : batch.to) stored_.insert_or_assign(partition, offset);
    consumer_.commit({batch.to.begin(), batch.to.end()});
    for (auto const& [table, rows] : result.written)
      metrics_.written({{"topic", "md." + table}}).Increment(static_cast<double>(rows));
    for (auto const& [table, rows] : result.duplicate)
      metrics_.duplicate({{"topic", "md." + table}}).Increment(static_cast<double>(rows));
    auto const now = clock_.now();
    metrics_.observe_hops({{"from", "received"}, {"to", "stored"}}, now, writing_->received_at());
    if (auto const transformed_at = writing_->transformed_at(); transformed_at != Time{})
      metrics_.hop_seconds({{"from", "transformed"}, {"to", "stored"}})
          .Observe(std::chrono::duration<double>(now - transformed_at).count());
    metrics_.batch_seconds({}).Observe(std::chrono::duration<double>(clock_.steady() - writing_since_).count());
    database_is_back();
    forget_writing();
  }

  // What alerts look at is there before it happens.
  void show_all_series() {
    for (auto const& topic : options_.topics) {
      metrics_.received({{"topic", topic}});
      metrics_.written({{"topic", topic}});
      metrics_.duplicate({{"topic", topic}});
      for (auto const reason : reason::all) metrics_.dead({{"topic", topic}, {"reason", std::string{reason}}});
    }
    for (auto const* reason : {"database", "broker", "fenced", "repeated"}) metrics_.retried({{"reason", reason}});
  }

  bool flush_letters() {
    if (!letters_pending_) return true;
    try {
      dead_letters_.flush(options_.letters_flush_max);
      letters_pending_ = false;
      health_.good("output", "all dead letters are acknowledged");
      return true;
    } catch (Fault const& fault) {
      letters_wait(fault.what());
      hold(fault, "broker");
      return false;
    }
  }

  void letters_wait(std::string const& why) {
    health_.bad("output", "the broker does not take dead letters, and no batch is written before: " + why);
  }

  void put_letter(Delivery const& delivery, Reject const& why) {
    auto const topic = delivery.position.topic;
    auto const letter = dead_letter(delivery, why, "store", clock_.now());
    while (!dead_letters_.produce(dead_letter_topic(topic), letter)) {
      // Stopped before the broker took it: the batch must not be written, it is read again next time.
      letters_lost_ = stop_.stop_requested();
      if (letters_lost_) return;
      health_.turned();
      letters_wait("see whether it runs, and has room");
      dead_letters_.poll(poll_wait);
    }
    letters_pending_ = true;
    metrics_.dead({{"topic", std::string{topic}}, {"reason", std::string{why.reason}}}).Increment();
  }

  // Nothing is lost, nothing is taken beyond one full batch, the place in the group is kept.
  void database_is_away(Fault const& fault) {
    health_.bad("database", "nothing is written until it is back, and nothing is lost: " + std::string{fault.what()});
    hold(fault, "database");
  }

  void hold(Fault const& fault, char const* who) {
    if (fault.kind() != Fault::Kind::transient) throw fault;
    auto const wait = backoff_.next();
    write_again_ = place_again_ = clock_.steady() + wait;
    metrics_.retried({{"reason", who}}).Increment();
    if (!holding_)
      log::warning("holding: nothing is taken beyond this batch until it can be written; trying again", {{"why", fault.what()}});
    holding_ = true;
  }

  void database_is_back() {
    if (holding_) log::info("writing again");
    health_.good("database");
    database_at_ = clock_.steady();
    holding_ = false;
    backoff_.reset();
  }

  // Another store wrote these partitions: what is in hand is its work now. Read on from what the table says.
  void start_over() {
    log::warning("fenced: another store moved the offsets; reading them again");
    metrics_.retried({{"reason", "fenced"}}).Increment();
    forget_writing();
    read_again();
  }

  void came_again(TopicPartition const& partition) {
    log::warning("records came again that were taken before: dropped, and read on from what the table says",
                 {{"topic", partition.topic}, {"partition", std::to_string(to_integer(partition.partition))}});
    metrics_.retried({{"reason", "repeated"}}).Increment();
    read_again();
  }

  void read_again() {
    filling_->clear();
    auto const assigned = consumer_.assigned();
    unplaced_ = {assigned.begin(), assigned.end()};
    consumer_.pause(assigned);
  }

  // From inside poll(). A batch may hold records of a lost partition: it is dropped whole, and the partitions that stay
  // are read again from the table's offsets. One that is being written goes on: fencing decides.
  Offsets reassign(Assignment const& change) {
    for (auto const& partition : change.lost) {
      unplaced_.erase(partition);
      stored_.erase(partition);
    }
    if (!change.lost.empty()) {
      filling_->clear();
      for (auto const& partition : consumer_.assigned())
        if (!std::ranges::contains(change.lost, partition)) unplaced_.insert(partition);
    }
    unplaced_.insert(change.gained.begin(), change.gained.end());
    return {};
  }

  // Stop: what is being written is finished where the database answers in time; the rest is read again next time.
  void finish() {
    auto const until = clock_.steady() + shutdown_max;
    while (clock_.steady() < until && !holding_ && !letters_lost_) {
      if (!writing_busy_ && filling_->empty()) break;
      if (!writing_busy_) begin_writing();
      settle(idle_wait);
    }
  }

  void forget_writing() {
    writing_->clear();
    writing_busy_ = sink_started_ = false;
    result_.reset();
  }

  void pause_when(bool full) {
    if (full == paused_) return;
    auto const assigned = consumer_.assigned();
    if (full)
      consumer_.pause(assigned);
    else
      consumer_.resume(assigned);
    paused_ = full;
  }

  bool is_full() const { return filling_->count() >= options_.batch_count_max || filling_->bytes() >= options_.batch_bytes_max; }
  bool is_placed(Position const& position) const {
    return unplaced_.empty() || !unplaced_.contains({Topic{position.topic}, position.partition});
  }
  // Of a run of deliveries of one topic.
  void count_received() {
    if (received_ > 0) metrics_.received({{"topic", std::string{received_topic_}}}).Increment(static_cast<double>(received_));
    received_ = 0;
  }

  Consumer& consumer_;
  Sink& sink_;
  Producer& dead_letters_;
  Clock& clock_;
  StoreOptions const& options_;
  Metrics& metrics_;
  Health& health_;
  std::stop_token const& stop_;

  std::array<StoreBatch, 2> batches_;
  StoreBatch* filling_ = &batches_[0];
  StoreBatch* writing_ = &batches_[1];
  std::vector<Delivery> fresh_;
  Offsets stored_;                     // What the table holds for the assigned partitions.
  std::set<TopicPartition> unplaced_;  // Assigned, but the table was not asked yet.
  std::optional<WriteResult> result_;  // Of the batch being written; kept while its letters and its commit are due.
  std::optional<SteadyTime> full_since_;
  SteadyTime filling_since_{}, writing_since_{}, write_again_{}, place_again_{}, database_at_{};
  Backoff backoff_{backoff_first, backoff_most};
  bool writing_busy_ = false, sink_started_ = false, paused_ = false, holding_ = false, letters_pending_ = false,
       letters_lost_ = false, came_nothing_ = false;
  std::string_view received_topic_;
  std::int64_t received_ = 0;  ///< of that topic, not counted yet
};

}  // namespace

void run_store(Consumer& consumer, Sink& sink, Producer& dead_letters, Clock& clock, StoreOptions const& options,
               Metrics& metrics, Health& health, std::stop_token const& stop) {
  Store{consumer, sink, dead_letters, clock, options, metrics, health, stop}.run();
}

}  // namespace penstock
