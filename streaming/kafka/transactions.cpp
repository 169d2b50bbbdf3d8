#include "streaming/kafka/transactions.hpp"

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
/// After the answer to a commit the broker still writes its marks into the partitions. Who begins the next transaction meanwhile
/// is told to come again, and librdkafka then waits for 20 ms.
constexpr auto marking = 3ms;
/// What lingers is sent within this time, and acknowledged while the offsets are on their way.
constexpr auto sending = 1ms;

}  // namespace

Transactions::Transactions(Connection connection, ExchangeOptions const& options, std::stop_token stop)
    : connection_{std::move(connection)},
      options_{.queue_bytes_max = options.queue_bytes_max,
               .linger = options.linger,
               .transactional_id = options.transactional_id,
               .transaction_timeout = options.transaction_timeout},
      stop_{std::move(stop)} {
  connect(init_wait);
}

void Transactions::produce(std::string_view topic, RecordView const& record) {
  begin();
  unless_spent([&] { outbox_->put(topic, record, stop_, commit_wait); });
}

void Transactions::commit(KafkaList const& offsets, KafkaGroup const& group) {
  if (!open_ && offsets->cnt == 0) return;
  begin();
  unless_spent([&] { end(offsets, group); });
}

void Transactions::begin() {
  if (open_) return;
  std::this_thread::sleep_until(marked_at_);
  if (doubtful_) connect(commit_wait);
  if (KafkaError const error{rd_kafka_begin_transaction(outbox_->client())}; error) {
    if (rd_kafka_error_is_fatal(error.get()) != 0) throw fatal(error.get(), "cannot begin");
    doubtful_ = true;
    throw Fault{Fault::Kind::transient, "cannot begin a transaction: "s + rd_kafka_error_string(error.get())};
  }
  open_ = true;
}

void Transactions::end(KafkaList const& offsets, KafkaGroup const& group) {
  auto const until = Clock::now() + commit_wait;
  outbox_->flush(sending);
  if (offsets->cnt > 0)
    finish("cannot commit offsets", until, [&](int wait_ms) {
      return rd_kafka_send_offsets_to_transaction(outbox_->client(), offsets.get(), group.get(), wait_ms);
    });
  while (!outbox_->flush(slice) && !is_over(until)) {
  }
  outbox_->raise();  // Before the commit: afterwards it would count.
  finish("cannot commit", until, [&](int wait_ms) { return rd_kafka_commit_transaction(outbox_->client(), wait_ms); });
  open_ = false;
  marked_at_ = Clock::now() + marking;
  outbox_->serve(0ms);
}

void Transactions::abort() {
  if (doubtful_ && stop_.stop_requested()) return;  // The next one with this id settles it; a stop is short.
  if (doubtful_) return connect(commit_wait);
  if (!std::exchange(open_, false)) return;
  doubtful_ = true;
  if (outbox_->is_spent()) return connect(commit_wait);
  auto const until = Clock::now() + commit_wait;
  while (true) {
    KafkaError const error{rd_kafka_abort_transaction(outbox_->client(), milliseconds_of(slice))};
    if (!error) break;
    if (outbox_->is_spent()) return connect(commit_wait);
    if (rd_kafka_error_is_fatal(error.get()) != 0) throw fatal(error.get(), "cannot abort");
    if (rd_kafka_error_is_retriable(error.get()) == 0 || is_over(until))
      throw Fault{Fault::Kind::transient, "cannot abort: "s + rd_kafka_error_string(error.get())};
  }
  doubtful_ = false;
  outbox_->purge();
}

/// The broker gave the producer's id away: to another instance, or because this one stood still for longer than a
/// transaction may last. A new client goes on under the id; where another instance lives, the group's own fencing ends one.
void Transactions::unless_spent(auto const& act) {
  try {
    act();
  } catch (Fault const& fault) {
    if (!outbox_->is_spent()) throw;
    doubtful_ = true;
    throw Fault{Fault::Kind::transient, fault.what()};
  }
}

void Transactions::connect(std::chrono::milliseconds wait) {
  doubtful_ = true;
  open_ = false;
  outbox_.reset();
  outbox_ = std::make_unique<Outbox>(connection_, options_);
  auto const until = Clock::now() + wait;
  while (true) {
    KafkaError const error{rd_kafka_init_transactions(outbox_->client(), milliseconds_of(slice))};
    if (!error) break;
    if (rd_kafka_error_is_fatal(error.get()) != 0) throw fatal(error.get(), "cannot start transactions");
    outbox_->serve(0ms);
    outbox_->raise();
    if (rd_kafka_error_is_retriable(error.get()) == 0 || is_over(until))
      throw Fault{kind_of(rd_kafka_error_code(error.get())),
                  "cannot start transactions as " + options_.transactional_id + ": " + rd_kafka_error_string(error.get())};
  }
  doubtful_ = false;
}

/// Repeats `step` while the broker may still do it.
template <class Step>
void Transactions::finish(std::string const& doing, Clock::time_point until, Step step) {
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
        abort();
        throw;
      }
      abort();
      throw Fault{Fault::Kind::transient, why};
    }
    if (rd_kafka_error_is_retriable(error.get()) != 0 && !is_over(until)) continue;
    doubtful_ = true;
    throw Fault{Fault::Kind::transient, why};
  }
}

bool Transactions::is_over(Clock::time_point until) const { return stop_.stop_requested() || Clock::now() >= until; }

Fault Transactions::fatal(rd_kafka_error_t const* error, std::string const& doing) {
  doubtful_ = true;
  auto const found =
      fault_of(rd_kafka_error_code(error), doing + " as " + options_.transactional_id, rd_kafka_error_string(error));
  return {Fault::Kind::fatal, found.what()};
}

}  // namespace penstock::kafka
