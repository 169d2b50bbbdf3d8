#include "streaming/kafka/consumer.hpp"
#include "streaming/kafka/outbox.hpp"
#include "streaming/log.hpp"

#include <deque>
#include <future>
#include <optional>
#include <thread>
#include <utility>

namespace penstock::kafka {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using Clock = std::chrono::steady_clock;

/// A broker that is away for longer makes the interval a transient Fault.
constexpr auto commit_wait = 15s;
constexpr auto init_wait = 30s;
/// Between two looks at the stop token. A broker that needs longer for one request never gets anything done.
constexpr auto slice = 1'500ms;
constexpr auto full_wait = 5ms;
/// Acknowledgements are served once for so many records.
constexpr int serve_every = 64;
/// After the answer to a commit the broker still writes its marks into the partitions. Who begins the next transaction meanwhile
/// is told to come again, and librdkafka then waits for 20 ms.
constexpr auto marking = 3ms;
/// While a transaction ends: a fraction of a second at full speed.
constexpr std::size_t waiting_bytes_max = 8 << 20;
constexpr std::size_t record_overhead_bytes = 300;

/// Until when something may block; a requested stop cuts it.
class Limit {
 public:
  Limit(std::chrono::milliseconds wait, std::stop_token const& stop) : until_{Clock::now() + wait}, stop_{stop} {}
  bool over() const { return stop_.stop_requested() || Clock::now() >= until_; }

 private:
  Clock::time_point until_;
  std::stop_token const& stop_;
};

void offer_until_taken(Outbox& outbox, std::string_view topic, Record const& record, std::stop_token const& stop) {
  if (outbox.offered_total() % serve_every == 0) {
    outbox.serve(0ms);
    outbox.raise();
  }
  while (!outbox.offer(topic, record)) {
    if (stop.stop_requested()) throw Fault{Fault::Kind::transient, "stopped while the queue was full"};
    outbox.serve(full_wait);
    outbox.raise();
  }
}

/// Output is acknowledged, then the input's offsets are committed: after a crash in between, input is read twice.
class PlainExchange final : public Exchange {
 public:
  PlainExchange(Connection const& connection, ExchangeOptions const& options)
      : stop_{options.stop},
        outbox_{connection, {.queue_bytes_max = options.queue_bytes_max, .linger = options.linger, .pacing = options.pacing}} {}

  void produce(std::string_view topic, Record const& record) override { offer_until_taken(outbox_, topic, record, stop_); }

  void commit(Commits const& inputs, Consumer& consumer) override {
    Limit const limit{commit_wait, stop_};
    while (!outbox_.flush(200ms)) {
      outbox_.raise();
      if (!limit.over()) continue;
      throw Fault{Fault::Kind::transient, std::to_string(outbox_.queued_records()) + " records are not acknowledged"};
    }
    outbox_.raise();
    consumer.commit(inputs);
  }

  bool settled(std::chrono::milliseconds) override { return true; }
  void abort() override { outbox_.purge(); }
  std::size_t queued_records() const override { return outbox_.queued_records(); }

 private:
  std::stop_token stop_;
  Outbox outbox_;
};

/// A producer has one transaction at a time, and ending it takes some 20 ms. So that the loop goes on meanwhile, another thread
/// ends it, and what is produced until then waits here. While that thread runs, all but `waiting_` is its own.
class TransactionalExchange final : public Exchange {
 public:
  TransactionalExchange(Connection connection, ExchangeOptions options)
      : connection_{std::move(connection)}, options_{std::move(options)} {
    connect(init_wait);  // Now, so that the first interval does not wait for the coordinator.
  }

  void produce(std::string_view topic, Record const& record) override {
    auto const full = waiting_bytes_ >= waiting_bytes_max;
    if (!ended(full ? commit_wait + slice : 0ms) || !send_waiting()) {
      waiting_bytes_ += record.key.size() + record.value.size() + record_overhead_bytes;
      waiting_.emplace_back(topic, record);
      return;
    }
    begin();
    unless_spent([&] { offer_until_taken(*outbox_, topic, record, options_.stop); });
  }

  void commit(Commits const& inputs, Consumer& consumer) override {
    while (!ended(slice)) {
    }
    if (is_marking()) std::this_thread::sleep_until(marked_at_);
    send_waiting();
    if (!open_ && inputs.empty()) return;
    auto* const reader = dynamic_cast<KafkaConsumer*>(&consumer);
    if (reader == nullptr) throw Fault{Fault::Kind::fatal, "a transaction needs a consumer of Kafka"};
    begin();
    ending_ = std::async(std::launch::async, [this, offsets = list_of_commits(inputs), group = reader->group_metadata()] {
      unless_spent([&] { end_transaction(offsets, group); });
    });
  }

  bool settled(std::chrono::milliseconds wait) override {
    if (!ended(wait)) return false;
    send_waiting();
    return true;
  }

  /// Also settles a commit whose answer was lost: a new client for the same id lets the broker end the old transaction,
  /// one way or the other, and the group's committed offsets then tell which.
  void abort() override {
    forget_waiting();
    if (ending_.valid()) try {
        ending_.get();
      } catch (Fault const& fault) {
        if (fault.kind() != Fault::Kind::transient) throw;
      }
    abort_transaction();
  }

  std::size_t queued_records() const override {
    return waiting_.size() + (outbox_ && !ending_.valid() ? outbox_->queued_records() : 0);
  }

 private:
  /// False: the transaction's end is still on its way after `wait`. Throws what became of it.
  bool ended(std::chrono::milliseconds wait) {
    if (!ending_.valid()) return true;
    if (ending_.wait_for(wait) != std::future_status::ready) return false;
    ending_.get();
    return true;
  }

  /// False: not yet, the marks of the last transaction are being written; what comes now has to wait behind the others.
  bool send_waiting() {
    if (is_marking()) return false;
    if (waiting_.empty()) return true;
    begin();
    unless_spent([&] {
      for (auto const& [topic, record] : waiting_) offer_until_taken(*outbox_, topic, record, options_.stop);
    });
    forget_waiting();
    return true;
  }

  void end_transaction(KafkaList const& offsets, KafkaGroup const& group) {
    Limit const limit{commit_wait, options_.stop};
    if (offsets->cnt > 0)
      finish("cannot commit offsets", limit, [&](int wait_ms) {
        return rd_kafka_send_offsets_to_transaction(outbox_->client(), offsets.get(), group.get(), wait_ms);
      });
    while (!outbox_->flush(slice) && !limit.over()) {
    }
    outbox_->raise();  // Before the commit: afterwards it would count.
    finish("cannot commit", limit, [&](int wait_ms) { return rd_kafka_commit_transaction(outbox_->client(), wait_ms); });
    open_ = false;
    marked_at_ = Clock::now() + marking;
    outbox_->serve(0ms);
  }

  void abort_transaction() {
    if (doubtful_ && options_.stop.stop_requested()) return;  // The next one with this id settles it; a stop is short.
    if (doubtful_) return connect(commit_wait);
    if (!std::exchange(open_, false)) return;
    doubtful_ = true;
    if (outbox_->is_spent()) return connect(commit_wait);
    Limit const limit{commit_wait, options_.stop};
    while (true) {
      KafkaError const error{rd_kafka_abort_transaction(outbox_->client(), milliseconds_of(slice))};
      if (!error) break;
      if (outbox_->is_spent()) return connect(commit_wait);
      if (rd_kafka_error_is_fatal(error.get()) != 0) throw fatal(error.get(), "cannot abort");
      if (rd_kafka_error_is_retriable(error.get()) == 0 || limit.over())
        throw Fault{Fault::Kind::transient, "cannot abort: "s + rd_kafka_error_string(error.get())};
    }
    doubtful_ = false;
    outbox_->purge();
  }

  /// The broker gave the producer's id away: to another instance, or because this one stood still for longer than a
  /// transaction may last. A new client goes on under the id; where another instance lives, the group's own fencing ends one.
  void unless_spent(auto const& act) {
    try {
      act();
    } catch (Fault const& fault) {
      if (!outbox_->is_spent()) throw;
      doubtful_ = true;
      throw Fault{Fault::Kind::transient, fault.what()};
    }
  }

  bool is_marking() const { return !open_ && Clock::now() < marked_at_; }

  void forget_waiting() {
    waiting_.clear();
    waiting_bytes_ = 0;
  }

  void begin() {
    if (open_) return;
    if (doubtful_) connect(commit_wait);
    if (KafkaError const error{rd_kafka_begin_transaction(outbox_->client())}; error) {
      if (rd_kafka_error_is_fatal(error.get()) != 0) throw fatal(error.get(), "cannot begin");
      doubtful_ = true;
      throw Fault{Fault::Kind::transient, "cannot begin a transaction: "s + rd_kafka_error_string(error.get())};
    }
    open_ = true;
  }

  void connect(std::chrono::milliseconds wait) {
    doubtful_ = true;
    open_ = false;
    outbox_.reset();
    outbox_.emplace(connection_, Outbox::Options{.queue_bytes_max = options_.queue_bytes_max,
                                                 .linger = options_.linger,
                                                 .transactional_id = options_.transactional_id,
                                                 .transaction_timeout = options_.transaction_timeout});
    Limit const limit{wait, options_.stop};
    while (true) {
      KafkaError const error{rd_kafka_init_transactions(outbox_->client(), milliseconds_of(slice))};
      if (!error) break;
      if (rd_kafka_error_is_fatal(error.get()) != 0) throw fatal(error.get(), "cannot start transactions");
      outbox_->serve(0ms);
      outbox_->raise();
      if (rd_kafka_error_is_retriable(error.get()) == 0 || limit.over())
        throw Fault{kind_of(rd_kafka_error_code(error.get())),
                    "cannot start transactions as " + options_.transactional_id + ": " + rd_kafka_error_string(error.get())};
    }
    doubtful_ = false;
  }

  /// Repeats `step` while the broker may still do it.
  template <class Step>
  void finish(std::string const& doing, Limit const& limit, Step step) {
    while (true) {
      KafkaError const error{step(milliseconds_of(slice))};
      if (!error) return;
      auto const why = doing + ": " + rd_kafka_error_string(error.get());
      if (rd_kafka_error_is_fatal(error.get()) != 0) throw fatal(error.get(), doing);
      if (rd_kafka_error_txn_requires_abort(error.get()) != 0) {
        outbox_->serve(0ms);
        try {
          outbox_->raise();  // A record that can never be delivered says more than the transaction that it broke.
        } catch (Fault const&) {
          abort_transaction();
          throw;
        }
        abort_transaction();
        throw Fault{Fault::Kind::transient, why};
      }
      if (rd_kafka_error_is_retriable(error.get()) != 0 && !limit.over()) continue;
      doubtful_ = true;
      throw Fault{Fault::Kind::transient, why};
    }
  }

  Fault fatal(rd_kafka_error_t const* error, std::string const& doing) {
    doubtful_ = true;
    auto const found =
        fault_of(rd_kafka_error_code(error), doing + " as " + options_.transactional_id, rd_kafka_error_string(error));
    return {Fault::Kind::fatal, found.what()};
  }

  // Set once.
  Connection connection_;
  ExchangeOptions options_;
  // Changes.
  std::deque<std::pair<Topic, Record>> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::optional<Outbox> outbox_;
  bool open_ = false;
  Clock::time_point marked_at_{};
  bool doubtful_ = false;     ///< what the broker thinks of the last transaction is unknown
  std::future<void> ending_;  ///< last, so that it is waited for before anything else goes
};

}  // namespace

std::unique_ptr<Exchange> make_exchange(Connection const& connection, ExchangeOptions const& options) {
  if (connection.transactions) return std::make_unique<TransactionalExchange>(connection, options);
  return std::make_unique<PlainExchange>(connection, options);
}

}  // namespace penstock::kafka
