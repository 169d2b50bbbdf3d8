#include "streaming/postgres/sink.hpp"

#include "streaming/postgres/batch_writer.hpp"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

namespace penstock::postgres {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds interrupt_max{1'000};
// For calls on the loop's thread, which must go on polling: a connection, and an answer (3 s with its interruption).
constexpr milliseconds look_connect_max{3'000};
constexpr milliseconds answer_max{2'000};

std::vector<TopicPartition> keys_of(Offsets const& offsets) {
  std::vector<TopicPartition> keys;
  for (auto const& [key, offset] : offsets) keys.push_back(key);
  return keys;
}

/// Interrupts the connection when an answer takes too long, so that whoever waits for it gets a transient Fault.
class AnswerLimit {
 public:
  explicit AnswerLimit(Connection& connection)
      : thread_{[&connection](std::stop_token const& answered) {
          std::mutex mutex;
          std::unique_lock lock{mutex};
          std::condition_variable_any{}.wait_for(lock, answered, answer_max, [] { return false; });
          if (!answered.stop_requested()) connection.interrupt(interrupt_max);
        }} {}

 private:
  std::jthread thread_;
};

}  // namespace

/// The thread that writes, and the connection it writes on.
class PostgresSink::Worker {
 public:
  explicit Worker(SinkOptions options)
      : options_{std::move(options)},
        writer_{options_.group, options_.instance, options_.shape_of},
        thread_{[this](std::stop_token const& stop) { run(stop); }} {}

  ~Worker() {
    thread_.request_stop();
    std::scoped_lock const lock{connection_mutex_};
    // An open transaction is rolled back, which waits for an answer, too.
    if (connection_ && (busy() || transaction_)) connection_->interrupt(interrupt_max);
  }

  Offsets committed(std::vector<TopicPartition> const& partitions) const {
    auto settings = options_.database;
    settings.connect_max = std::min(settings.connect_max, look_connect_max);
    // One of its own: the writer's may be in the middle of a batch.
    auto connection = open(settings, {});
    AnswerLimit const limit{connection};
    return committed_offsets(connection, options_.group, partitions);
  }

  void start(WriteBatch const& batch) {
    std::scoped_lock const lock{mutex_};
    batch_ = &batch;
    fault_ = nullptr;
    busy_ = true;
    changed_.notify_all();
  }

  bool busy() const {
    std::scoped_lock const lock{mutex_};
    return busy_;
  }

  std::optional<WriteResult> finish(milliseconds wait) {
    std::unique_lock lock{mutex_};
    if (!changed_.wait_for(lock, wait, [this] { return !busy_; })) return std::nullopt;
    if (fault_) std::rethrow_exception(std::exchange(fault_, nullptr));
    return result_;
  }

  void commit() try {
    // The thread is idle until the next start(), so what is its own may be used here.
    if (!transaction_) throw Fault{Fault::Kind::transient, "no transaction is open: start the batch again"};
    AnswerLimit const limit{*connection_};
    commit_transaction(*batch_);
  } catch (Fault const&) {
    disconnect();
    throw;
  }

 private:
  void run(std::stop_token const& stop) {
    std::unique_lock lock{mutex_};
    while (changed_.wait(lock, stop, [this] { return busy_; })) {
      lock.unlock();
      std::exception_ptr fault;
      try {
        write(*batch_, stop);
      } catch (...) {
        fault = std::current_exception();
        transaction_.reset();
      }
      lock.lock();
      fault_ = fault;
      busy_ = false;
      changed_.notify_all();
      if (stop.stop_requested()) return;
    }
  }

  void write(WriteBatch const& batch, std::stop_token const& stop) {
    transaction_.reset();
    if (in_doubt_ && in_doubt_->to != batch.to) in_doubt_.reset();
    try {
      connect(stop);
      if (was_committed(batch)) return;
      writer_.prepare(*connection_, batch);
      transaction_.emplace(*connection_);
      result_ = writer_.write(*connection_, batch);
      result_.committed = result_.rejected.empty();
      if (result_.committed) commit_or_look(batch, stop);
    } catch (Fenced const&) {
      transaction_.reset();
      // The doubtful commit may have been decided while the offsets were waited for.
      if (!was_committed(batch)) throw;
    } catch (DataFault const& fault) {
      disconnect();
      throw Fault{Fault::Kind::fatal, std::string{"the database refuses penstock's own tables: "} + fault.what()};
    } catch (Fault const&) {
      disconnect();
      throw;
    }
  }

  void commit_or_look(WriteBatch const& batch, std::stop_token const& stop) {
    try {
      return commit_transaction(batch);
    } catch (InDoubt const&) {
      disconnect();
    }
    connect(stop);
    if (!was_committed(batch))
      throw Fault{Fault::Kind::transient, "the connection was lost at the commit, and nothing was written"};
  }

  void commit_transaction(WriteBatch const& batch) {
    try {
      transaction_->commit();
    } catch (InDoubt const&) {
      in_doubt_ = {batch.to, result_};
      in_doubt_->result.rejected.clear();
      in_doubt_->result.committed = true;
      throw;
    }
    transaction_.reset();
    in_doubt_.reset();
    result_.committed = true;
  }

  // Whether a commit whose answer was lost has happened.
  bool was_committed(WriteBatch const& batch) {
    if (!in_doubt_ || committed_offsets(*connection_, options_.group, keys_of(batch.to)) != batch.to) return false;
    result_ = in_doubt_->result;
    in_doubt_.reset();
    return true;
  }

  // Who was let in before will be again: its password or certificate is being changed.
  Connection open(Settings const& settings, std::stop_token const& stop) const try {
    Connection connection{settings, stop};
    was_let_in_ = true;
    return connection;
  } catch (Fault const& fault) {
    if (fault.kind() != Fault::Kind::refused || !was_let_in_) throw;
    throw Fault{Fault::Kind::transient, fault.what()};
  }

  void connect(std::stop_token const& stop) {
    if (connection_) return;
    auto fresh = std::make_unique<Connection>(open(options_.database, stop));
    std::scoped_lock const lock{connection_mutex_};
    if (stop.stop_requested()) throw Fault{Fault::Kind::transient, "asked to stop"};
    connection_ = std::move(fresh);
    writer_.begin_connection();
  }

  void disconnect() {
    transaction_.reset();
    std::scoped_lock const lock{connection_mutex_};
    connection_.reset();
  }

  SinkOptions const options_;
  mutable std::atomic<bool> was_let_in_ = false;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  WriteBatch const* batch_ = nullptr;
  bool busy_ = false;
  std::exception_ptr fault_;
  WriteResult result_;

  struct Doubt {
    Offsets to;
    WriteResult result;
  };
  std::mutex connection_mutex_;  // For who it is, not for its use.
  std::unique_ptr<Connection> connection_;
  std::optional<Transaction> transaction_;
  std::optional<Doubt> in_doubt_;
  BatchWriter writer_;
  std::jthread thread_;
};

PostgresSink::PostgresSink(SinkOptions options) : worker_{std::make_unique<Worker>(std::move(options))} {}
PostgresSink::~PostgresSink() = default;

Offsets PostgresSink::committed(std::vector<TopicPartition> const& partitions) { return worker_->committed(partitions); }
void PostgresSink::start(WriteBatch const& batch) { worker_->start(batch); }
bool PostgresSink::busy() const { return worker_->busy(); }
std::optional<WriteResult> PostgresSink::finish(std::chrono::milliseconds wait) { return worker_->finish(wait); }
void PostgresSink::commit() { worker_->commit(); }
void PostgresSink::close() noexcept { worker_.reset(); }

}  // namespace penstock::postgres
