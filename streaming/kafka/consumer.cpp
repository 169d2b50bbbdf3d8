#include "streaming/kafka/consumer.hpp"

#include "streaming/kafka/headers_in_place.hpp"
#include "streaming/log.hpp"

#include <algorithm>
#include <array>
#include <format>

namespace penstock::kafka {
namespace {

using namespace std::chrono_literals;

/// A subscribed topic may be on its way into being; after this time it is a mistake.
constexpr auto missing_topic_wait = 4s;
constexpr auto close_wait = 1s;
/// For each question of follow(), which a stop waits for.
constexpr auto follow_wait = 4s;
constexpr auto new_partitions_wait = 500ms;
/// Asked from inside poll(), and a stop must not wait for it: with close_wait less than 5 s.
constexpr int committed_wait_ms = 1'500;
constexpr long heartbeat_ms_max = 500;
/// librdkafka needs about this much for a record beside its bytes.
constexpr std::size_t record_overhead_bytes = 600;
/// Messages, fetched from memory before they are looked at.
constexpr std::size_t look_ahead = 4;
/// Fetched at once over all partitions, compressed. A larger record comes alone.
constexpr std::size_t fetch_bytes_max = 1 << 20;

Settings settings_of(Connection const& connection, ConsumerOptions const& options) {
  Settings settings{connection};
  auto const session_ms = options.session_timeout.count();
  settings
      .set("session.timeout.ms", session_ms)
      // A member learns with a heartbeat that the group shares anew, and until then its partitions may lie still.
      .set("heartbeat.interval.ms", std::clamp<long>(session_ms / 4, 1, heartbeat_ms_max))
      // Pacing (embedded broker) may hold a loop for as long as its reader is away.
      .set("max.poll.interval.ms", std::max<long>(session_ms, connection.transactions ? 300'000 : 86'400'000))
      .set("allow.auto.create.topics", "false")
      // The default of 1 s lets the queue run dry before the next fetch.
      .set("fetch.queue.backoff.ms", 2)
      .set("fetch.wait.max.ms", 100)
      .set("fetch.max.bytes", fetch_bytes_max)
      .set("fetch.message.max.bytes", fetch_bytes_max / 2)
      .set("receive.message.max.bytes", 4LL * record_bytes_max)
      .set("queued.max.messages.kbytes", static_cast<long long>(std::max<std::size_t>(options.queue_bytes_max / 1024, 1)))
      .set("queued.min.messages",
           static_cast<long long>(std::clamp<std::size_t>(options.queue_bytes_max / record_overhead_bytes, 100, 20'000)));
  if (!options.instance.empty()) settings.set("group.instance.id", options.instance);
  // assign() needs a name, too; nothing is ever committed under this one.
  settings.must("group.id", options.group.empty() ? "penstock-follower" : options.group)
      .must("enable.auto.commit", "false")
      .must("enable.auto.offset.store", "false")
      .must("enable.partition.eof", options.group.empty() ? "true" : "false")  // See fetch().
      .must("auto.offset.reset", "earliest")
      .must("partition.assignment.strategy", "cooperative-sticky")
      .must("isolation.level", options.read_committed && connection.transactions ? "read_committed" : "read_uncommitted");
  return settings;
}

void check(rd_kafka_resp_err_t error, std::string_view doing) {
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) throw fault_of(error, doing);
}
void check(rd_kafka_error_t* error, std::string_view doing) {
  if (KafkaError const owned{error}; owned) throw fault_of(rd_kafka_error_code(error), doing, rd_kafka_error_string(error));
}

/// The topic's partitions now. Throws Fault.
std::vector<TopicPartition> partitions_of_topic(rd_kafka_t* client, Topic const& topic, std::chrono::milliseconds wait) {
  KafkaTopic const handle{rd_kafka_topic_new(client, topic.c_str(), nullptr)};
  rd_kafka_metadata_t const* found = nullptr;
  check(rd_kafka_metadata(client, 0, handle.get(), &found, milliseconds_of(wait)), "cannot ask for the partitions of " + topic);
  KafkaMetadata const metadata{found};
  std::vector<TopicPartition> partitions;
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    auto const& description = metadata->topics[i];
    if (topic != description.topic) continue;
    check(description.err, "cannot read topic " + topic);
    for (int p = 0; p < description.partition_cnt; ++p) partitions.push_back({topic, Partition{description.partitions[p].id}});
  }
  if (partitions.empty()) throw fault_of(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "cannot read topic " + topic);
  return partitions;
}

/// Into a delivery that has its key and value.
void read_headers(rd_kafka_message_t const& message, Delivery& delivery) {
  if (read_headers_in_place(delivery.key, delivery.value, delivery.headers)) return;
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  delivery.headers.reserve(rd_kafka_header_cnt(headers));
  char const* name = nullptr;
  void const* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i)
    delivery.headers.emplace_back(name, std::string_view{static_cast<char const*>(value), size});
}

}  // namespace

std::unique_ptr<Consumer> make_consumer(Connection const& connection, ConsumerOptions const& options) {
  return std::make_unique<KafkaConsumer>(connection, options);
}

std::unique_ptr<Consumer> make_follower(Connection const& connection, std::vector<Topic> const& topics,
                                        FollowOptions const& options) {
  auto consumer = std::make_unique<KafkaConsumer>(connection, ConsumerOptions{});
  consumer->follow(topics, options);
  return consumer;
}

KafkaConsumer::KafkaConsumer(Connection const& connection, ConsumerOptions const& options)
    : grouped_{!options.group.empty()}, group_{options.group} {
  auto settings = settings_of(connection, options);
  if (grouped_) rd_kafka_conf_set_rebalance_cb(settings.conf(), on_rebalance);
  rd_kafka_conf_set_offset_commit_cb(settings.conf(), on_commit);
  client_ = settings.client(RD_KAFKA_CONSUMER, this);
  rd_kafka_poll_set_consumer(client_.get());
  queue_.reset(rd_kafka_queue_get_consumer(client_.get()));
}

KafkaConsumer::~KafkaConsumer() {
  on_assignment_ = nullptr;  // Whoever gave it may be gone.
  try {
    close();
  } catch (std::exception const& error) {
    log::warning("consumer did not close", {{"why", error.what()}});
  }
}

void KafkaConsumer::subscribe(std::vector<Topic> const& topics, OnAssignment on_assignment) {
  on_assignment_ = std::move(on_assignment);
  if (!grouped_) return follow(topics, {});
  KafkaList const list{rd_kafka_topic_partition_list_new(static_cast<int>(topics.size()))};
  for (auto const& topic : topics) rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  check(rd_kafka_subscribe(client_.get(), list.get()), "cannot subscribe");
}

void KafkaConsumer::follow(std::vector<Topic> const& topics, FollowOptions const& options) {
  std::vector<TopicPartition> all;
  for (auto const& topic : topics)
    for (auto& partition : partitions_of_topic(client_.get(), topic, follow_wait)) all.push_back(std::move(partition));

  auto const list = list_of(all);
  auto const from_time = options.from_time != Time{};
  for (int i = 0; i < list->cnt; ++i)
    list->elems[i].offset = from_time
                                ? std::chrono::floor<std::chrono::milliseconds>(options.from_time).time_since_epoch().count()
                            : options.from_earliest ? RD_KAFKA_OFFSET_BEGINNING
                                                    : RD_KAFKA_OFFSET_END;
  // Now, not when the first fetch happens: what is written after this call is delivered.
  check(rd_kafka_offsets_for_times(client_.get(), list.get(), milliseconds_of(follow_wait)), "cannot ask where to start");
  Offsets starts;
  for (int i = 0; i < list->cnt; ++i) {
    auto const& element = list->elems[i];
    check(element.err, "cannot ask where to start in topic " + std::string{element.topic});
    if (element.offset >= 0) {
      starts[partition_of(element)] = Offset{element.offset};
      continue;
    }
    // No record that young: start at the end.
    std::int64_t low = 0, high = 0;
    check(rd_kafka_query_watermark_offsets(client_.get(), element.topic, element.partition, &low, &high,
                                           milliseconds_of(follow_wait)),
          "cannot ask for the end");
    starts[partition_of(element)] = Offset{high};
  }
  if (on_assignment_)
    for (auto const& [partition, offset] : on_assignment_({all, {}})) starts[partition] = offset;
  place(starts);
  followed_ = topics;
  new_partitions_every_ = options.new_partitions_every;
  look_again_ = std::chrono::steady_clock::now() + new_partitions_every_;
}

/// librdkafka tells nobody without a group that there are more.
void KafkaConsumer::look_for_new_partitions() {
  auto const now = std::chrono::steady_clock::now();
  if (new_partitions_every_ == 0ms || now < look_again_) return;
  look_again_ = now + new_partitions_every_;
  Offsets added;
  for (auto const& topic : followed_) try {
      for (auto& partition : partitions_of_topic(client_.get(), topic, new_partitions_wait))
        if (!assigned_.contains(partition)) added[std::move(partition)] = beginning;
    } catch (Fault const& problem) {
      log::debug("partitions are not known now", {{"topic", topic}, {"why", problem.what()}});
    }
  if (added.empty()) return;
  check(rd_kafka_incremental_assign(client_.get(), list_with_offsets(added).get()), "cannot read new partitions");
  for (auto const& [partition, offset] : added) assigned_.insert(partition);
}

void KafkaConsumer::poll(std::vector<Delivery>& into, std::size_t count, std::chrono::milliseconds wait) {
  if (failure_) raise();
  lost_now_.clear();
  if (!unplaced_.empty()) take_over({unplaced_.begin(), unplaced_.end()});
  look_for_missing_topics();
  look_for_new_partitions();
  auto const until = std::chrono::steady_clock::now() + wait;
  std::size_t delivered = 0;
  while (true) {
    auto const left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    delivered = deliver(fetch(count, left), into);
    if (delivered > 0 || failure_ || fault || !unplaced_.empty() || std::chrono::steady_clock::now() >= until) break;
  }
  if (delivered == 0) raise();
}

void KafkaConsumer::raise() {
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  if (fault) throw Fault{*fault};
}

/// Into buffer_, waiting for the first one only. All that is there at once takes 0.3 us a record less than one by one, where
/// librdkafka asks for locks and the time. But in 2.2 to 2.12 it counts what is told of a partition as a record of it, and the
/// next pause (each rebalance is one) goes on behind the record that comes next, which is lost
/// (confluentinc/librdkafka#4844). So a group's members are not told of ends, and what else is told is put right by repair();
/// followers are told, because a compacted topic may end in offsets that hold nothing, and read one by one.
std::size_t KafkaConsumer::fetch(std::size_t count, std::chrono::milliseconds wait) {
  buffer_.clear();
  auto const one = [&](std::chrono::milliseconds limit) {
    auto* const message = rd_kafka_consume_queue(queue_.get(), milliseconds_of(limit));
    if (message != nullptr) buffer_.push_back(message);
    return message != nullptr;
  };
  count = std::max<std::size_t>(count, 1);
  if (!one(wait)) return 0;
  if (!grouped_) {
    while (buffer_.size() < count && one(0ms)) {
    }
  } else if (count > 1) {
    buffer_.resize(count);
    auto const more = rd_kafka_consume_batch_queue(queue_.get(), 0, &buffer_[1], count - 1);
    buffer_.resize(1 + static_cast<std::size_t>(std::max<ssize_t>(more, 0)));
  }
  return buffer_.size();
}

/// Goes on where reading stands, not behind it: see fetch().
void KafkaConsumer::repair() {
  if (!misplaced_.empty()) seek(std::exchange(misplaced_, {}));
}

std::size_t KafkaConsumer::deliver(std::size_t count, std::vector<Delivery>& into) {
  auto const before = into.size();
  for (std::size_t i = 0; i < count; ++i) {
    // Another thread has written them.
    if (i + look_ahead < count) __builtin_prefetch(buffer_[i + look_ahead]);
    KafkaMessage message{buffer_[i]};
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
      note(*message);
    else
      read(std::move(message), into);
  }
  repair();
  // A rebalance while this batch was taken: its first part may be someone else's now.
  if (!lost_now_.empty())
    into.erase(std::remove_if(into.begin() + static_cast<std::ptrdiff_t>(before), into.end(),
                              [&](Delivery const& delivery) {
                                return lost_now_.contains({Topic{delivery.position.topic}, delivery.position.partition});
                              }),
               into.end());
  return into.size() - before;
}

void KafkaConsumer::read(KafkaMessage message, std::vector<Delivery>& into) {
  auto& delivery = into.emplace_back();
  auto const& m = *message;
  delivery.position = {topic_of(m), Partition{m.partition}, Offset{m.offset}};
  if (!misplaced_.empty())
    if (auto const found = misplaced_.find({Topic{delivery.position.topic}, delivery.position.partition});
        found != misplaced_.end())
      found->second = next(delivery.position.offset);
  delivery.key = {static_cast<char const*>(m.key), m.key_len};
  delivery.value = {static_cast<char const*>(m.payload), m.len};
  delivery.timestamp = Time{std::chrono::milliseconds{std::max<std::int64_t>(rd_kafka_message_timestamp(&m, nullptr), 0)}};
  read_headers(m, delivery);
  delivery.owner = {message.release(), [](void* owned) { rd_kafka_message_destroy(static_cast<rd_kafka_message_t*>(owned)); }};
}

std::string_view KafkaConsumer::topic_of(rd_kafka_message_t const& message) {
  std::string_view const name = rd_kafka_topic_name(message.rkt);
  if (name != last_topic_) {
    auto found = topics_.find(name);
    if (found == topics_.end()) found = topics_.emplace(name).first;
    last_topic_ = *found;
  }
  return last_topic_;
}

/// A message that is none.
void KafkaConsumer::note(rd_kafka_message_t const& message) {
  Topic const topic = message.rkt ? rd_kafka_topic_name(message.rkt) : "";
  if (grouped_ && message.rkt && message.offset >= 0) misplaced_[{topic, Partition{message.partition}}] = Offset{message.offset};
  if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    starts_[{topic, Partition{message.partition}}] = Offset{message.offset};
  } else if (is_unknown_topic(message.err)) {
    missing_.try_emplace(topic, std::chrono::steady_clock::now() + missing_topic_wait);
  } else if (message.err == RD_KAFKA_RESP_ERR__FATAL) {
    fault.emplace(fatal_fault_of(client_.get()));
  } else if (message.err == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED) {
    log::warning("left the group: the loop was away for too long", {{"group", group_}});
  } else if (auto const found = fault_of(message.err, topic.empty() ? "cannot read" : "cannot read topic " + topic,
                                         rd_kafka_message_errstr(&message));
             found.kind() != Fault::Kind::transient) {
    fault.emplace(found);
  } else {
    last_error = found.what();
    log::warning("consumer", {{"why", found.what()}});
  }
}

/// librdkafka tells of an unknown topic once; silence afterwards could mean either.
void KafkaConsumer::look_for_missing_topics() {
  if (missing_.empty()) return;
  auto const now = std::chrono::steady_clock::now();
  for (auto entry = missing_.begin(); entry != missing_.end();) {
    if (now < entry->second) {
      ++entry;
      continue;
    }
    try {
      partitions_of_topic(client_.get(), entry->first, 2s);
    } catch (Fault const& problem) {
      entry->second = now + 2s;
      if (problem.kind() != Fault::Kind::transient) throw;
      ++entry;
      continue;
    }
    entry = missing_.erase(entry);
  }
}

void KafkaConsumer::on_rebalance(rd_kafka_t* client, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list,
                                 void* opaque) {
  auto& consumer = *static_cast<KafkaConsumer*>(static_cast<Trouble*>(opaque));
  // No exception may pass through librdkafka.
  try {
    if (error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
      consumer.gain(partitions_of(list));
    else if (error == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS)
      consumer.lose(partitions_of(list));
    else
      check(rd_kafka_assign(client, nullptr), rd_kafka_err2str(error));
  } catch (...) {
    consumer.failure_ = std::current_exception();
  }
}

/// Where on_assignment fails, the partitions are ours but stand still; the next poll() asks again. So do those that this
/// poll() has lost: what it took of them before, and drops, could not be told from what comes now.
void KafkaConsumer::gain(std::vector<TopicPartition> const& gained) {
  unplaced_.insert(gained.begin(), gained.end());
  std::vector<TopicPartition> ready;
  for (auto const& partition : gained)
    if (!lost_now_.contains(partition)) ready.push_back(partition);
  try {
    take_over(ready);
  } catch (...) {
    // The group waits for an answer to its assignment.
    place({});
    throw;
  }
}

void KafkaConsumer::take_over(std::vector<TopicPartition> const& partitions) {
  Offsets starts;
  if (on_assignment_ && !partitions.empty()) starts = on_assignment_({partitions, {}});
  place(known_starts(partitions, std::move(starts)));
}

void KafkaConsumer::place(Offsets const& starts) {
  check(rd_kafka_incremental_assign(client_.get(), list_with_offsets(starts).get()), "cannot take over partitions");
  std::vector<TopicPartition> held;
  for (auto const& [partition, offset] : starts) {
    assigned_.insert(partition);
    unplaced_.erase(partition);
    starts_[partition] = offset;
    if (paused_.contains(partition)) held.push_back(partition);
  }
  if (!held.empty()) pause(held);
}

/// Adds the group's committed offsets for those that on_assignment left out, and where the topic begins for those without.
/// librdkafka could ask for both by itself, but where a seek() overtakes the answer of where a topic begins, it asks again
/// later and goes there after all (confluentinc/librdkafka#2256). What cannot be known now is left out: the next poll() asks.
Offsets KafkaConsumer::known_starts(std::vector<TopicPartition> const& partitions, Offsets starts) {
  auto const without_start = [&] {
    std::vector<TopicPartition> others;
    for (auto const& partition : partitions)
      if (!starts.contains(partition)) others.push_back(partition);
    return others;
  };
  try {
    for (auto const& [partition, commit] : committed(without_start())) starts[partition] = commit.offset;
    starts.merge(beginnings(without_start()));
  } catch (Fault const& problem) {
    if (problem.kind() != Fault::Kind::transient) throw;
    last_error = problem.what();
    log::debug("where to start is not known yet", {{"group", group_}, {"why", problem.what()}});
  }
  return starts;
}

void KafkaConsumer::lose(std::vector<TopicPartition> const& lost) {
  lost_now_.insert(lost.begin(), lost.end());
  try {
    if (on_assignment_) on_assignment_({{}, lost});
  } catch (...) {
    failure_ = std::current_exception();
  }
  resume(lost);  // librdkafka remembers a pause, and would not read them when they come back.
  std::vector<TopicPartition> placed;
  for (auto const& partition : lost) {
    if (assigned_.erase(partition) > 0) placed.push_back(partition);
    unplaced_.erase(partition);
    starts_.erase(partition);
  }
  check(rd_kafka_incremental_unassign(client_.get(), list_of(placed).get()), "cannot hand over partitions");
}

void KafkaConsumer::pause(std::vector<TopicPartition> const& partitions) {
  paused_.insert(partitions.begin(), partitions.end());
  // Those that are not placed yet are paused when they are.
  std::vector<TopicPartition> placed;
  for (auto const& partition : partitions)
    if (assigned_.contains(partition)) placed.push_back(partition);
  if (!placed.empty()) check(rd_kafka_pause_partitions(client_.get(), list_of(placed).get()), "cannot pause");
}

void KafkaConsumer::resume(std::vector<TopicPartition> const& partitions) {
  std::vector<TopicPartition> held;
  for (auto const& partition : partitions)
    if (paused_.erase(partition) > 0 && assigned_.contains(partition)) held.push_back(partition);
  if (!held.empty()) check(rd_kafka_resume_partitions(client_.get(), list_of(held).get()), "cannot resume");
}

/// Takes the partitions away and gives them back at their new places: rd_kafka_seek_partitions() refuses those that have
/// just been assigned, and does not reach one that is paused.
void KafkaConsumer::seek(Offsets const& offsets) {
  Offsets ours;
  std::vector<TopicPartition> placed, to_beginning;
  for (auto const& [partition, offset] : offsets) {
    auto const is_placed = assigned_.contains(partition);
    if (!is_placed && !unplaced_.contains(partition)) continue;
    ours[partition] = offset;
    if (is_placed) placed.push_back(partition);
    if (offset == beginning) to_beginning.push_back(partition);
  }
  // Asked here: see known_starts().
  for (auto const& [partition, offset] : beginnings(to_beginning)) ours[partition] = offset;
  if (ours.empty()) return;
  if (!placed.empty()) check(rd_kafka_incremental_unassign(client_.get(), list_of(placed).get()), "cannot seek");
  place(ours);
}

void KafkaConsumer::commit(Commits const& commits) {
  if (commits.empty()) return;
  if (auto const error = rd_kafka_commit(client_.get(), list_of_commits(commits).get(), 1); error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    ++failed_commits_;
    log::warning("offsets not committed, the next commit repairs it", {{"group", group_}, {"why", rd_kafka_err2str(error)}});
  }
}

void KafkaConsumer::on_commit(rd_kafka_t* /*client*/, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* /*list*/,
                              void* opaque) {
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR__NO_OFFSET) return;
  auto& consumer = *static_cast<KafkaConsumer*>(static_cast<Trouble*>(opaque));
  ++consumer.failed_commits_;
  log::warning("offsets not committed, the next commit repairs it",
               {{"group", consumer.group_},
                {"why", rd_kafka_err2str(error)},
                {"failed_commits", std::to_string(consumer.failed_commits_)}});
}

Commits KafkaConsumer::committed(std::vector<TopicPartition> const& partitions) {
  if (partitions.empty()) return {};
  auto const list = list_of(partitions);
  if (auto const error = rd_kafka_committed(client_.get(), list.get(), committed_wait_ms); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    throw fault_of(
        error, "cannot ask for the committed offsets of group " + group_,
        error == RD_KAFKA_RESP_ERR__TIMED_OUT ? "no answer from the broker, or a transaction over them has not ended" : "");
  Commits commits;
  for (int i = 0; i < list->cnt; ++i) {
    auto const& element = list->elems[i];
    if (element.err != RD_KAFKA_RESP_ERR_NO_ERROR)
      throw fault_of(element.err, "cannot ask for the committed offsets of group " + group_ + " in topic " + element.topic);
    if (element.offset < 0) continue;
    commits[partition_of(element)] = {Offset{element.offset},
                                      {static_cast<char const*>(element.metadata), element.metadata_size}};
  }
  return commits;
}

Offsets KafkaConsumer::beginnings(std::vector<TopicPartition> const& partitions) {
  return asked(partitions, RD_KAFKA_OFFSET_BEGINNING, "begins");
}

Offsets KafkaConsumer::ends(std::vector<TopicPartition> const& partitions) {
  return asked(partitions, RD_KAFKA_OFFSET_END, "ends");
}

/// A broker that has just started may not know a partition that is there: that is no fault for good.
Offsets KafkaConsumer::asked(std::vector<TopicPartition> const& partitions, std::int64_t where, std::string_view does) {
  Offsets found;
  if (partitions.empty()) return found;
  auto const check_answer = [&](rd_kafka_resp_err_t error, Topic const& topic) {
    auto const doing = std::format("cannot ask where topic {} {}", topic, does);
    if (is_unknown_topic(error)) throw Fault{Fault::Kind::transient, doing + ": " + rd_kafka_err2str(error)};
    check(error, doing);
  };
  auto const list = list_of(partitions);
  for (int i = 0; i < list->cnt; ++i) list->elems[i].offset = where;
  check_answer(rd_kafka_offsets_for_times(client_.get(), list.get(), committed_wait_ms), partitions.front().topic);
  for (int i = 0; i < list->cnt; ++i) {
    auto const& element = list->elems[i];
    check_answer(element.err == RD_KAFKA_RESP_ERR_NO_ERROR && element.offset < 0 ? RD_KAFKA_RESP_ERR__PARTIAL : element.err,
                 element.topic);
    found[partition_of(element)] = Offset{element.offset};
  }
  return found;
}

/// The position stands after the last record read; records that only control transactions may lie between it and the
/// end, so an end that was reached counts as read.
std::int64_t KafkaConsumer::lag_records() const {
  if (assigned_.empty()) return 0;
  auto const list = list_of(assigned_);
  if (rd_kafka_position(client_.get(), list.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) return 0;
  std::int64_t lag = 0;
  for (int i = 0; i < list->cnt; ++i) {
    auto const& element = list->elems[i];
    std::int64_t low = 0, high = 0;
    if (rd_kafka_get_watermark_offsets(client_.get(), element.topic, element.partition, &low, &high) !=
        RD_KAFKA_RESP_ERR_NO_ERROR)
      continue;
    if (high < 0) {  // Not known before the first answer: there may be something.
      ++lag;
      continue;
    }
    auto const start = starts_.find(partition_of(element));
    auto const known = std::max(start == starts_.end() ? 0 : to_integer(start->second), std::max<std::int64_t>(low, 0));
    lag += std::max<std::int64_t>(high - std::max(known, element.offset), 0);
  }
  return lag;
}

Offsets KafkaConsumer::positions() const {
  auto positions = starts_;
  auto const list = list_of(assigned_);
  if (rd_kafka_position(client_.get(), list.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) return positions;
  for (int i = 0; i < list->cnt; ++i) {
    auto& position = positions[partition_of(list->elems[i])];
    position = std::max(position, Offset{list->elems[i].offset});
  }
  return positions;
}

std::vector<TopicPartition> KafkaConsumer::assigned() const { return {assigned_.begin(), assigned_.end()}; }

void KafkaConsumer::close() {
  // Without a group there is nobody to take leave of, and librdkafka takes up to a second for it.
  if (std::exchange(closed_, true) || !grouped_) return;
  KafkaQueue const queue{rd_kafka_queue_new(client_.get())};
  if (KafkaError const error{rd_kafka_consumer_close_queue(client_.get(), queue.get())}; error) return;
  auto const until = std::chrono::steady_clock::now() + close_wait;
  std::array<rd_kafka_message_t*, 100> messages{};
  while (rd_kafka_consumer_closed(client_.get()) == 0 && std::chrono::steady_clock::now() < until) {
    // Records come here, too, which rd_kafka_queue_poll_callback() would abort on.
    auto const taken = rd_kafka_consume_batch_queue(queue.get(), 10, messages.data(), messages.size());
    for (ssize_t i = 0; i < taken; ++i) rd_kafka_message_destroy(messages[static_cast<std::size_t>(i)]);
  }
}

}  // namespace penstock::kafka
