/// Fakes for the loops: a log with a script, a producer and a sink that can fail or hold, an outside world that does as
/// it is told, and a clock that only counts. All of one test may share a Trace, so that the order of effects is a fact.
#pragma once

#include "streaming/consumer.hpp"
#include "streaming/fault.hpp"
#include "streaming/http/client.hpp"
#include "streaming/producer.hpp"
#include "streaming/sink.hpp"
#include "streaming/time.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace penstock::test {

/// What happened, in order: "produce raw.binance BTCUSDT", "commit raw.binance/0@3", "connect ws://…".
struct Trace {
  std::vector<std::string> lines;

  void add(std::string line) { lines.push_back(std::move(line)); }
  /// Index of the first line that starts with this; lines.size() where there is none.
  std::size_t find(std::string_view start, std::size_t from = 0) const {
    for (auto at = from; at < lines.size(); ++at)
      if (lines[at].starts_with(start)) return at;
    return lines.size();
  }
  bool has(std::string_view start) const { return find(start) < lines.size(); }
  std::size_t count(std::string_view start) const {
    return static_cast<std::size_t>(std::ranges::count_if(lines, [&](auto const& line) { return line.starts_with(start); }));
  }
  /// Both happened, the one before the other.
  bool ordered(std::string_view first, std::string_view second) const {
    return has(first) && find(first) < find(second) && has(second);
  }
};

/// Never waits: sleeping moves it on. What a test planned with at() runs when its time has come.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(Time start = *parse_time("2026-01-02T03:04:05Z")) : start_{start} {}

  Time now() const override {
    asked();
    return start_ + elapsed_;
  }
  std::chrono::steady_clock::time_point steady() const override {
    asked();
    return std::chrono::steady_clock::time_point{std::chrono::hours{1}} + elapsed_;
  }
  void sleep(std::chrono::milliseconds wait, std::stop_token const& stop) override {
    if (!stop.stop_requested()) advance(wait);
  }

  void advance(Duration by) {
    asked_ = 0;
    auto const until = elapsed_ + std::max(by, Duration::zero());
    while (!plans_.empty() && plans_.begin()->first <= until) {
      auto plan = plans_.extract(plans_.begin());
      elapsed_ = std::max(elapsed_, plan.key());
      plan.mapped()();
    }
    elapsed_ = until;
  }
  /// Runs `action` when `after` has passed since the clock was made.
  void at(Duration after, std::function<void()> action) { plans_.emplace(after, std::move(action)); }
  Duration elapsed() const { return elapsed_; }

 private:
  /// A loop that asks for the time for ever and lets none pass would hang the test.
  void asked() const {
    if (++asked_ > 500'000) throw std::logic_error{"busy loop: the clock was asked 500,000 times and nobody waited"};
  }

  Time start_;
  Duration elapsed_{};
  std::multimap<Duration, std::function<void()>> plans_;
  mutable std::int64_t asked_ = 0;
};

inline std::string text_of(TopicPartition const& partition) {
  return partition.topic + '/' + std::to_string(to_integer(partition.partition));
}
inline Offsets offsets_of(Commits const& commits) {
  Offsets offsets;
  for (auto const& [partition, commit] : commits) offsets[partition] = commit.offset;
  return offsets;
}
inline std::string text_of(Offsets const& offsets) {
  std::string text;
  for (auto const& [partition, offset] : offsets)
    text += (text.empty() ? "" : " ") + text_of(partition) + '@' + std::to_string(to_integer(offset));
  return text;
}
inline TopicPartition partition_of(Topic topic, std::int32_t partition = 0) { return {std::move(topic), Partition{partition}}; }

/// A log in memory, and a consumer of it. Every poll runs one step of the script, then delivers.
class FakeConsumer final : public Consumer {
 public:
  explicit FakeConsumer(FakeClock& clock, Trace* trace = nullptr) : clock_{clock}, trace_{trace} {}

  // What the test prepares.
  Offset append(TopicPartition const& partition, Record record, Time timestamp = {}) {
    auto& records = log_[partition];
    records.push_back({std::move(record), timestamp});
    return Offset{static_cast<std::int64_t>(records.size()) - 1};
  }
  /// Offsets at which there is nothing for a reader.
  void append_nothing(TopicPartition const& partition, int offsets) {
    for (int i = 0; i < offsets; ++i) log_[partition].push_back({std::nullopt, {}});
  }
  void then(std::function<void()> step) { script_.push_back(std::move(step)); }
  void then_assign(Assignment assignment) {
    then([this, assignment = std::move(assignment)] { assign(assignment); });
  }
  void then_fail(Fault fault) {
    then([fault = std::move(fault)] { throw Fault{fault}; });
  }
  /// Assigned from the start, without a rebalance being told (a follower).
  void assign_all() {
    for (auto const& [partition, records] : log_) assigned_.insert(partition);
  }
  /// Reading goes on there, though nobody asked for it.
  void jump(TopicPartition const& partition, Offset offset) { positions_[partition] = offset; }
  std::function<void()> when_idle = [] {};  ///< script and log have come to their end; usually requests the stop

  // What the test looks at.
  Commits committed_offsets;
  std::deque<Fault> ends_faults;  ///< what ends() throws, one each
  Offset first_kept{};            ///< retention took what was before
  std::vector<Offsets> commits, seeks;
  std::vector<Topic> topics;
  std::set<TopicPartition> paused;
  bool closed = false;
  std::size_t polls = 0;

  void subscribe(std::vector<Topic> const& names, OnAssignment on_assignment) override {
    topics = names;
    on_assignment_ = std::move(on_assignment);
  }
  void poll(std::vector<Delivery>& into, std::size_t count, std::chrono::milliseconds wait) override {
    ++polls;
    if (!script_.empty()) {
      auto const step = std::move(script_.front());
      script_.pop_front();
      step();
    }
    auto const before = into.size();
    for (auto const& partition : assigned_)
      while (!paused.contains(partition) && into.size() - before < count && deliver(partition, into)) {
      }
    if (into.size() > before) return;
    clock_.advance(wait);
    if (script_.empty() && lag_records() == 0) when_idle();
  }
  void pause(std::vector<TopicPartition> const& partitions) override {
    for (auto const& partition : partitions) {
      note("pause " + text_of(partition));
      paused.insert(partition);
    }
  }
  void resume(std::vector<TopicPartition> const& partitions) override {
    for (auto const& partition : partitions) {
      note("resume " + text_of(partition));
      paused.erase(partition);
    }
  }
  void seek(Offsets const& offsets) override {
    note("seek " + text_of(offsets));
    seeks.push_back(offsets);
    for (auto const& [partition, offset] : offsets) positions_[partition] = std::max(offset, Offset{0});
  }
  void commit(Commits const& given) override {
    note("commit " + text_of(offsets_of(given)));
    commits.push_back(offsets_of(given));
    for (auto const& [partition, commit] : given) committed_offsets[partition] = commit;
  }
  Offsets beginnings(std::vector<TopicPartition> const& partitions) override {
    Offsets found;
    for (auto const& partition : partitions) found[partition] = first_kept;
    return found;
  }
  Offsets ends(std::vector<TopicPartition> const& partitions) override {
    if (!ends_faults.empty()) {
      auto const fault = ends_faults.front();
      ends_faults.pop_front();
      throw Fault{fault};
    }
    Offsets found;
    for (auto const& partition : partitions) found[partition] = Offset{std::ssize(log_[partition])};
    return found;
  }
  Commits committed(std::vector<TopicPartition> const& partitions) override {
    Commits found;
    for (auto const& partition : partitions)
      if (auto const at = committed_offsets.find(partition); at != committed_offsets.end()) found.insert(*at);
    return found;
  }
  std::int64_t lag_records() const override {
    std::int64_t lag = 0;
    for (auto const& partition : assigned_) {
      auto const records = log_.find(partition);
      auto const position = positions_.find(partition);
      if (records == log_.end()) continue;
      lag += std::ssize(records->second) - (position == positions_.end() ? 0 : to_integer(position->second));
    }
    return lag;
  }
  std::vector<TopicPartition> assigned() const override { return {assigned_.begin(), assigned_.end()}; }
  void close() override {
    note("close consumer");
    if (on_assignment_ && !assigned_.empty()) assign({.gained = {}, .lost = assigned()});
    closed = true;
  }

 private:
  struct Stored {
    std::optional<Record> record;
    Time timestamp;
  };

  void assign(Assignment const& assignment) {
    for (auto const& partition : assignment.lost) {
      note("lost " + text_of(partition));
      assigned_.erase(partition);
    }
    Offsets start;
    if (on_assignment_) start = on_assignment_(assignment);
    for (auto const& partition : assignment.gained) {
      note("gained " + text_of(partition));
      assigned_.insert(partition);
      auto const chosen = start.find(partition);
      auto const group = committed_offsets.find(partition);
      positions_[partition] = chosen != start.end()              ? chosen->second
                              : group != committed_offsets.end() ? group->second.offset
                                                                 : Offset{0};
    }
  }
  /// The delivery owns memory of its own, so that a view kept too long is found by the sanitizer.
  bool deliver(TopicPartition const& partition, std::vector<Delivery>& into) {
    auto const log = log_.find(partition);
    auto& position = positions_[partition];
    if (log == log_.end()) return false;
    auto const at = [&](Offset offset) -> Stored const& { return log->second[static_cast<std::size_t>(to_integer(offset))]; };
    while (to_integer(position) < std::ssize(log->second) && !at(position).record) position = next(position);
    if (to_integer(position) >= std::ssize(log->second)) return false;
    auto const& stored = at(position);
    auto copy = std::make_unique<Record>(*stored.record);
    Delivery delivery{.position = {log->first.topic, partition.partition, position},
                      .key = copy->key,
                      .value = copy->value,
                      .timestamp = stored.timestamp};
    for (auto const& [name, value] : copy->headers) delivery.headers.emplace_back(name, value);
    delivery.owner = Delivery::Owner{copy.release(), [](void* record) { delete static_cast<Record*>(record); }};
    into.push_back(std::move(delivery));
    position = next(position);
    return true;
  }
  void note(std::string line) {
    if (trace_) trace_->add(std::move(line));
  }

  FakeClock& clock_;
  Trace* trace_;
  std::map<TopicPartition, std::vector<Stored>> log_;
  std::map<TopicPartition, Offset> positions_;
  std::set<TopicPartition> assigned_;
  std::deque<std::function<void()>> script_;
  OnAssignment on_assignment_;
};

struct Produced {
  Topic topic;
  Record record;

  std::string header(std::string_view name) const {
    for (auto const& [key, value] : record.headers)
      if (key == name) return value;
    return {};
  }
};

/// Takes and acknowledges, unless told otherwise.
class FakeProducer final : public Producer {
 public:
  explicit FakeProducer(FakeClock& clock, Trace* trace = nullptr) : clock_{clock}, trace_{trace} {}

  bool full = false;                 ///< produce() answers false
  bool hold = false;                 ///< nothing is acknowledged
  std::deque<Fault> produce_faults;  ///< thrown by the next calls of produce()
  std::deque<Fault> poll_faults;     ///< thrown by the next calls of poll()
  std::vector<Produced> records;     ///< taken, in order
  std::size_t acknowledged = 0;      ///< of them
  std::size_t refused = 0;           ///< times that produce() answered false

  std::vector<Produced> of(std::string_view topic) const {
    std::vector<Produced> found;
    std::ranges::copy_if(records, std::back_inserter(found), [&](auto const& record) { return record.topic == topic; });
    return found;
  }

  bool produce(std::string_view topic, Record const& record) override {
    throw_next(produce_faults);
    if (full) return ++refused, false;
    records.push_back({Topic{topic}, record});
    note("produce " + Topic{topic} + ' ' + record.key);
    return true;
  }
  void poll(std::chrono::milliseconds wait) override {
    throw_next(poll_faults);
    if (!hold && acknowledged < records.size()) {
      acknowledged = records.size();
      note("acknowledged " + std::to_string(acknowledged));
    } else {
      clock_.advance(wait);
    }
  }
  void flush(std::chrono::milliseconds limit) override {
    note("flush");
    if (hold && queued_records() > 0) {
      clock_.advance(limit);
      throw Fault{Fault::Kind::transient, "not acknowledged within the limit"};
    }
    acknowledged = records.size();
  }
  std::size_t queued_records() const override { return records.size() - acknowledged; }
  std::int64_t written_total() const override { return static_cast<std::int64_t>(acknowledged); }
  std::int64_t settled_total() const override { return static_cast<std::int64_t>(acknowledged); }

 private:
  static void throw_next(std::deque<Fault>& faults) {
    if (faults.empty()) return;
    auto const fault = faults.front();
    faults.pop_front();
    throw fault;
  }
  void note(std::string line) {
    if (trace_) trace_->add(std::move(line));
  }

  FakeClock& clock_;
  Trace* trace_;
};

/// Outputs count when their interval is committed; a failed or aborted one leaves nothing.
class FakeExchange final : public Exchange {
 public:
  explicit FakeExchange(Trace* trace = nullptr) : trace_{trace} {}

  std::deque<Fault> produce_faults, commit_faults, abort_faults;  ///< thrown by the next calls
  std::vector<Produced> open;                                     ///< of the running interval
  std::vector<Produced> committed;                                ///< durable, in order
  std::vector<Commits> commits;
  bool hold = false;  ///< commits stay under way
  std::size_t aborts = 0;

  std::vector<Produced> of(std::string_view topic) const {
    std::vector<Produced> found;
    std::ranges::copy_if(committed, std::back_inserter(found), [&](auto const& record) { return record.topic == topic; });
    return found;
  }

  void produce(std::string_view topic, Record const& record) override {
    throw_next(produce_faults);
    open.push_back({Topic{topic}, record});
    note("produce " + Topic{topic} + ' ' + record.key);
  }
  void produce(Envelope const& envelope, std::string_view key, std::string_view value) override {
    produce(envelope.topic, {std::string{key}, std::string{value}, envelope.headers});
  }
  void commit(Commits const& inputs, Consumer&) override {
    if (closing_) throw std::logic_error{"FakeExchange: an interval is closed while another one is under way"};
    if (!commit_faults.empty()) open.clear();
    throw_next(commit_faults);
    note("commit " + text_of(offsets_of(inputs)));
    closing_ = {std::exchange(open, {}), inputs};
  }
  bool settled(std::chrono::milliseconds wait) override {
    if (!closing_) return true;
    if (hold && wait < std::chrono::seconds{1}) return false;
    note("settled " + text_of(offsets_of(closing_->inputs)));
    std::ranges::move(closing_->records, std::back_inserter(committed));
    commits.push_back(closing_->inputs);
    closing_.reset();
    return true;
  }
  void abort() override {
    note("abort");
    throw_next(abort_faults);
    open.clear();
    closing_.reset();
    ++aborts;
  }

 private:
  struct Closing {
    std::vector<Produced> records;
    Commits inputs;
  };

  static void throw_next(std::deque<Fault>& faults) {
    if (faults.empty()) return;
    auto const fault = faults.front();
    faults.pop_front();
    throw fault;
  }
  void note(std::string line) {
    if (trace_) trace_->add(std::move(line));
  }

  Trace* trace_;
  std::optional<Closing> closing_;
};

/// Writes at once, unless told otherwise.
class FakeSink final : public Sink {
 public:
  explicit FakeSink(FakeClock& clock, Trace* trace = nullptr) : clock_{clock}, trace_{trace} {}

  bool hold = false;                ///< a started batch stays busy
  std::deque<Fault> faults;         ///< thrown by the next calls of finish()
  std::deque<Fault> commit_faults;  ///< thrown by the next calls of commit()
  std::deque<WriteResult> results;  ///< of the next batches; afterwards everything is written
  Offsets offsets;                  ///< what the table holds
  std::vector<WriteBatch> started;  ///< every start(), in order
  std::vector<WriteBatch> written;  ///< committed, in order

  Offsets committed(std::vector<TopicPartition> const& partitions) override {
    Offsets found;
    for (auto const& partition : partitions)
      if (auto const at = offsets.find(partition); at != offsets.end()) found.insert(*at);
    return found;
  }
  void start(WriteBatch const& batch) override {
    if (running_ || waiting_) throw std::logic_error{"FakeSink: a batch is started while another one is in hand"};
    note("write " + text_of(batch.to));
    started.push_back(batch);
    running_ = &batch;
  }
  bool busy() const override { return running_ != nullptr; }
  std::optional<WriteResult> finish(std::chrono::milliseconds wait) override {
    if (!running_) return std::nullopt;
    if (hold) return clock_.advance(wait), std::nullopt;
    auto const& batch = *std::exchange(running_, nullptr);
    throw_next(faults);
    auto result = results.empty() ? everything(batch) : std::move(results.front());
    if (!results.empty()) results.pop_front();
    if (result.committed)
      keep(batch);
    else
      waiting_ = &batch;
    return result;
  }
  void commit() override {
    if (!waiting_) throw std::logic_error{"FakeSink: commit() without a batch that waits for it"};
    auto const& batch = *std::exchange(waiting_, nullptr);
    throw_next(commit_faults);
    keep(batch);
  }
  void close() noexcept override {
    // Whoever gave it the batch must still hold it.
    closed_on = running_ ? running_->tables.size() : 0;
    closed = true;
  }

  bool closed = false;
  std::size_t closed_on = 0;  ///< tables of the batch that was being written

 private:
  static WriteResult everything(WriteBatch const& batch) {
    WriteResult result;
    for (auto const& table : batch.tables) result.written[table.table] += std::ssize(table.ends);
    return result;
  }
  void keep(WriteBatch const& batch) {
    note("written " + text_of(batch.to));
    written.push_back(batch);
    for (auto const& [partition, offset] : batch.to) offsets[partition] = offset;
  }
  static void throw_next(std::deque<Fault>& faults) {
    if (faults.empty()) return;
    auto const fault = faults.front();
    faults.pop_front();
    throw fault;
  }
  void note(std::string line) {
    if (trace_) trace_->add(std::move(line));
  }

  FakeClock& clock_;
  Trace* trace_;
  WriteBatch const* running_ = nullptr;
  WriteBatch const* waiting_ = nullptr;  ///< has rejected rows, and waits for commit()
};

/// One websocket as the far side sees it.
struct FakeConnection {
  std::string url;
  http::Websocket::State state = http::Websocket::State::connecting;
  std::string error;
  std::deque<std::string> frames;  ///< to be received
  std::vector<std::string> sent;   ///< by the client
  std::size_t received = 0;
  std::function<void(std::string const&)> on_sent = [](std::string const&) {};

  void drop(std::string why) {
    state = http::Websocket::State::closed;
    error = std::move(why);
  }
};

/// Requests are answered by `answer`, websockets opened by `on_connect`, both from run(). Where there is nothing to do, run()
/// moves the clock on.
class FakeClient final : public http::Client {
 public:
  explicit FakeClient(FakeClock& clock, Trace* trace = nullptr) : clock_{clock}, trace_{trace} {}

  /// Nothing: no answer yet, asked again in the next run().
  std::function<std::optional<http::Reply>(http::Exchange const&)> answer = [](http::Exchange const&) {
    return http::Reply{.status = 200, .headers = {}, .body = "{}"};
  };
  /// Told when a connect is carried out; by default it succeeds. drop() refuses it.
  std::function<void(FakeConnection&)> on_connect = [](FakeConnection& connection) {
    connection.state = http::Websocket::State::open;
  };

  std::vector<std::shared_ptr<FakeConnection>> connections;  ///< in the order they were asked for
  std::vector<http::Exchange> requests;                      ///< the same
  std::vector<Duration> connect_times, request_times;        ///< when, by the clock
  std::vector<bool> reads;                                   ///< of each run()

  void request(http::Exchange exchange, Done done) override {
    note("request " + exchange.url);
    request_times.push_back(clock_.elapsed());
    requests.push_back(exchange);
    running_.push_back({std::move(exchange), std::move(done)});
  }
  std::unique_ptr<http::Websocket> connect(std::string const& url, std::vector<Header> const&) override {
    note("connect " + url);
    connect_times.push_back(clock_.elapsed());
    connections.push_back(std::make_shared<FakeConnection>());
    connections.back()->url = url;
    return std::make_unique<Socket>(connections.back(), trace_);
  }
  void run(std::chrono::milliseconds wait, bool read = true) override {
    reads.push_back(read);
    bool const busy = open_sockets() + answer_requests() > 0;
    bool const readable = read && std::ranges::any_of(connections, [](auto const& connection) {
                            return connection->state == http::Websocket::State::open && !connection->frames.empty();
                          });
    clock_.advance(busy || readable ? std::chrono::milliseconds{0} : wait);
  }
  std::size_t requests_running() const override { return running_.size(); }

 private:
  class Socket final : public http::Websocket {
   public:
    Socket(std::shared_ptr<FakeConnection> connection, Trace* trace) : connection_{std::move(connection)}, trace_{trace} {}
    ~Socket() override { Socket::close(); }
    State state() const override { return connection_->state; }
    std::string const& error() const override { return connection_->error; }
    void send(std::string text) override {
      connection_->sent.push_back(text);
      if (trace_) trace_->add("send " + text);
      connection_->on_sent(text);
    }
    std::optional<std::string_view> receive() override {
      if (connection_->frames.empty()) return std::nullopt;
      current_ = std::move(connection_->frames.front());
      connection_->frames.pop_front();
      ++connection_->received;
      return current_;
    }
    void close() override {
      if (connection_->state != State::closed && trace_) trace_->add("close " + connection_->url);
      connection_->state = State::closed;
    }

   private:
    std::shared_ptr<FakeConnection> connection_;
    Trace* trace_;
    std::string current_;
  };
  struct Running {
    http::Exchange exchange;
    Done done;
  };

  std::size_t open_sockets() {
    std::size_t opened = 0;
    for (std::size_t at = 0; at < connections.size(); ++at) {
      auto const connection = connections[at];
      if (connection->state != http::Websocket::State::connecting) continue;
      on_connect(*connection);
      if (connection->state != http::Websocket::State::connecting) ++opened;
    }
    return opened;
  }
  std::size_t answer_requests() {
    std::size_t answered = 0;
    for (auto& [exchange, done] : std::exchange(running_, {})) {
      auto reply = answer(exchange);
      if (!reply) {
        running_.push_back({std::move(exchange), std::move(done)});
        continue;
      }
      ++answered;
      done(std::move(*reply));
    }
    return answered;
  }
  void note(std::string line) {
    if (trace_) trace_->add(std::move(line));
  }

  FakeClock& clock_;
  Trace* trace_;
  std::vector<Running> running_;
};

}  // namespace penstock::test
