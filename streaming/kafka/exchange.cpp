#include "streaming/kafka/batch.hpp"
#include "streaming/kafka/consumer.hpp"
#include "streaming/kafka/outbox.hpp"
#include "streaming/kafka/transactions.hpp"

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

namespace penstock::kafka {
namespace {

using namespace std::chrono_literals;

/// Between two looks at the stop token.
constexpr auto slice = 200ms;
constexpr auto commit_wait = 15s;
/// Of all batches that wait: a fraction of a second at full speed.
constexpr std::size_t waiting_bytes_max = 8 << 20;
/// Kept to be filled again. Half of those that pile up during a commit.
constexpr std::size_t spare_batches = 32;

/// Output is acknowledged, then the input's offsets are committed: after a crash in between, input is read twice.
class PlainExchange final : public Exchange {
 public:
  PlainExchange(Connection const& connection, ExchangeOptions const& options)
      : stop_{options.stop},
        outbox_{connection, {.queue_bytes_max = options.queue_bytes_max, .linger = options.linger}, options.pacing} {}

  void produce(std::string_view topic, Record const& record) override { outbox_.put(topic, view(record), stop_); }
  void produce(Envelope const& envelope, std::string_view key, std::string_view value) override {
    outbox_.put(envelope.topic, {key, value, envelope.headers}, stop_);
  }

  void commit(Commits const& inputs, Consumer& consumer) override {
    auto const until = std::chrono::steady_clock::now() + commit_wait;
    while (!outbox_.flush(slice)) {
      outbox_.raise();
      if (!stop_.stop_requested() && std::chrono::steady_clock::now() < until) continue;
      throw Fault{Fault::Kind::transient, std::to_string(outbox_.queued_records()) + " records are not acknowledged"};
    }
    outbox_.raise();
    consumer.commit(inputs);
  }

  bool settled(std::chrono::milliseconds) override { return true; }
  void abort() override { outbox_.purge(); }

 private:
  std::stop_token stop_;
  Outbox outbox_;
};

/// A thread of its own produces and commits, in the order in which it was asked to, while the loop makes the next records:
/// docs/decisions/commits.md. What failed is thrown until abort() is called, and what was asked for behind it is not done.
class TransactionalExchange final : public Exchange {
 public:
  TransactionalExchange(Connection connection, ExchangeOptions const& options)
      : forward_stop_{options.stop, [this] { stop_.request_stop(); }},
        transactions_{std::move(connection), options, stop_.get_token()},
        thread_{[this] { work(); }} {}

  ~TransactionalExchange() override {
    stop_.request_stop();
    {
      std::lock_guard const lock{mutex_};
      ends_ = true;
    }
    asked_.notify_one();
  }
  TransactionalExchange(TransactionalExchange const&) = delete;
  TransactionalExchange& operator=(TransactionalExchange const&) = delete;

  void produce(std::string_view topic, Record const& record) override {
    filling_.add(topic, record);
    if (filling_.is_full()) hand_over(std::nullopt);
  }
  void produce(Envelope const& envelope, std::string_view key, std::string_view value) override {
    filling_.add(envelope, key, value);
    if (filling_.is_full()) hand_over(std::nullopt);
  }

  void commit(Commits const& inputs, Consumer& consumer) override {
    auto* const reader = dynamic_cast<KafkaConsumer*>(&consumer);
    if (reader == nullptr) throw Fault{Fault::Kind::fatal, "a transaction needs a consumer of Kafka"};
    hand_over(Inputs{list_of_commits(inputs), reader->group_metadata()});
  }

  bool settled(std::chrono::milliseconds wait) override {
    if (filling_.bytes() > 0) hand_over(std::nullopt);
    std::unique_lock lock{mutex_};
    done_.wait_for(lock, wait, [&] { return failure_ || commits_ == 0; });
    raise();
    return commits_ == 0;
  }

  void abort() override {
    filling_.clear();
    {
      std::unique_lock lock{mutex_};
      jobs_.clear();
      done_.wait(lock, [&] { return !busy_; });
      waiting_bytes_ = commits_ = 0;
      if (failure_ && !is_transient(failure_)) raise();
      failure_ = nullptr;
    }
    transactions_.abort();  // The other thread has nothing to do.
  }

 private:
  struct Inputs {
    KafkaList offsets;
    KafkaGroup group;
  };
  struct Job {
    Batch batch;
    std::optional<Inputs> then_commit;
  };

  static bool is_transient(std::exception_ptr const& failure) try {
    std::rethrow_exception(failure);
  } catch (Fault const& fault) {
    return fault.kind() == Fault::Kind::transient;
  } catch (...) {
    return false;
  }

  void raise() const {
    if (failure_) std::rethrow_exception(failure_);
  }

  /// What was produced since the last call. Waits while too much waits already: the other thread gets on, or fails.
  void hand_over(std::optional<Inputs> then_commit) {
    {
      std::unique_lock lock{mutex_};
      done_.wait(lock, [&] { return failure_ || waiting_bytes_ < waiting_bytes_max; });
      raise();
      waiting_bytes_ += filling_.bytes();
      commits_ += then_commit ? 1 : 0;
      jobs_.push_back({std::exchange(filling_, take_spare()), std::move(then_commit)});
    }
    asked_.notify_one();
  }

  Batch take_spare() {
    if (spare_.empty()) return {};
    auto batch = std::move(spare_.back());
    spare_.pop_back();
    return batch;
  }

  void work() {
    std::unique_lock lock{mutex_};
    while (true) {
      asked_.wait(lock, [&] { return ends_ || !jobs_.empty(); });
      if (ends_) return;
      auto job = std::move(jobs_.front());
      jobs_.pop_front();
      busy_ = true;
      lock.unlock();
      std::exception_ptr failure;
      try {
        perform(job);
      } catch (...) {
        failure = std::current_exception();
      }
      auto const bytes = job.batch.bytes();
      job.batch.clear();
      lock.lock();
      busy_ = false;
      if (failure) {
        failure_ = failure;
        jobs_.clear();
      } else {
        waiting_bytes_ -= bytes;
        commits_ -= job.then_commit ? 1 : 0;
      }
      if (spare_.size() < spare_batches) spare_.push_back(std::move(job.batch));
      done_.notify_all();
    }
  }

  void perform(Job const& job) {
    job.batch.for_each([&](std::string_view topic, RecordView const& record) { transactions_.produce(topic, record); });
    if (job.then_commit) transactions_.commit(job.then_commit->offsets, job.then_commit->group);
  }

  // Set once.
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> forward_stop_;
  // The owner's.
  Batch filling_;
  // The other thread's while it is busy.
  Transactions transactions_;
  // Both threads', under the mutex.
  std::mutex mutex_;
  std::condition_variable asked_, done_;
  std::deque<Job> jobs_;
  std::vector<Batch> spare_;
  std::size_t waiting_bytes_ = 0;  ///< of jobs that are not done
  std::size_t commits_ = 0;        ///< the same
  bool busy_ = false;
  bool ends_ = false;
  std::exception_ptr failure_;

  std::jthread thread_;  ///< last, so that it is waited for before anything else goes
};

}  // namespace

std::unique_ptr<Exchange> make_exchange(Connection const& connection, ExchangeOptions const& options) {
  if (connection.transactions) return std::make_unique<TransactionalExchange>(connection, options);
  return std::make_unique<PlainExchange>(connection, options);
}

}  // namespace penstock::kafka
