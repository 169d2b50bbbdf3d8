#include "streaming/kafka/outbox.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace penstock::kafka {
namespace {

/// At most, in the log, beside its bytes.
constexpr std::size_t log_overhead_bytes = 96;
/// In librdkafka's queue: of a record, and of each of its headers, which is memory of its own.
constexpr std::size_t record_overhead_bytes = 400, header_overhead_bytes = 64;
/// put() serves acknowledgements once for so many records, and waits so long for room.
constexpr std::int64_t serve_every = 64;
constexpr std::chrono::milliseconds full_wait{5};

OnItsWay sizes_of(RecordView const& record) {
  auto bytes = record.key.size() + record.value.size();
  for (auto const& [name, value] : record.headers) bytes += name.size() + value.size() + 4;
  return {
      .log_bytes = static_cast<std::uint32_t>(bytes + log_overhead_bytes),
      .memory_bytes = static_cast<std::uint32_t>(bytes + record_overhead_bytes + record.headers.size() * header_overhead_bytes)};
}

KafkaClient client_of(Connection const& connection, Outbox::Options const& options, Trouble* trouble,
                      void (*on_delivery)(rd_kafka_t*, rd_kafka_message_t const*, void*)) {
  Settings settings{connection};
  settings.set("linger.ms", options.linger.count())
      .set("compression.codec", "lz4")
      .set("partitioner", "murmur2_random")  // Java's: the same key is in the same partition for everyone.
      .set("message.max.bytes", static_cast<long long>(record_bytes_max))
      .set("batch.size", 512 << 10)
      // The limit is offer()'s; librdkafka's must have room for one record of any size beside it.
      .set("queue.buffering.max.kbytes", static_cast<long long>((options.queue_bytes_max + 2 * record_bytes_max) / 1024))
      .set("queue.buffering.max.messages",
           static_cast<long long>(std::max<std::size_t>(options.queue_bytes_max / record_overhead_bytes, 1'000)))
      // A topic that does not exist is told after this time.
      .set("topic.metadata.propagation.max.ms", 5'000)
      .must("enable.idempotence", "true")
      .must("acks", "all");
  if (options.transactional_id.empty()) {
    // An outage never drops a record: the queue stays full until the broker is back.
    settings.set("message.timeout.ms", 0);
    // A broker takes any first number from a producer that it does not know yet. With several requests on their way, one that
    // it refuses (not the leader yet) and a later one that it then takes leave a hole, which librdkafka counts as acknowledged.
    settings.must("max.in.flight.requests.per.connection", "1");
  } else {
    // A transaction that is asked for while the marks of the last one are still being written is to be asked for again; the
    // default would wait for 100 ms, and all records with it.
    settings.must("transactional.id", options.transactional_id)
        .set("transaction.timeout.ms", options.transaction_timeout.count())
        .set("retry.backoff.ms", 3)
        .set("retry.backoff.max.ms", 20);
  }
  rd_kafka_conf_set_dr_msg_cb(settings.conf(), on_delivery);
  return settings.client(RD_KAFKA_PRODUCER, trouble);
}

KafkaHeaders headers_of(RecordView const& record) {
  if (record.headers.empty()) return nullptr;
  KafkaHeaders headers{rd_kafka_headers_new(record.headers.size())};
  for (auto const& [name, value] : record.headers)
    rd_kafka_header_add(headers.get(), name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  return headers;
}

rd_kafka_vu_t part(rd_kafka_vtype_t type) {
  rd_kafka_vu_t part{};
  part.vtype = type;
  return part;
}

/// librdkafka takes memory to be copied as void*.
rd_kafka_vu_t bytes_part(rd_kafka_vtype_t type, std::string_view bytes) {
  auto made = part(type);
  made.u.mem.ptr = const_cast<char*>(bytes.data());
  made.u.mem.size = bytes.size();
  return made;
}

}  // namespace

Outbox::Outbox(Connection const& connection, Options const& options, Pacing const& pacing)
    : queue_bytes_max_{options.queue_bytes_max},
      in_transactions_{!options.transactional_id.empty()},
      client_{client_of(connection, options, this, on_delivery)},
      pacer_{client_.get(), pacing} {}

rd_kafka_topic_t* Outbox::topic(std::string_view name) {
  auto found = topics_.find(name);
  if (found == topics_.end()) {
    auto* const made = rd_kafka_topic_new(client_.get(), Topic{name}.c_str(), nullptr);
    if (made == nullptr) throw fault_of(RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, "cannot write to topic " + Topic{name});
    found = topics_.emplace(name, KafkaTopic{made}).first;
  }
  return found->second.get();
}

bool Outbox::offer(std::string_view name, RecordView const& record) {
  auto const sizes = sizes_of(record);
  if (unsettled_bytes_ > 0 && unsettled_bytes_ + sizes.memory_bytes > queue_bytes_max_) return false;
  if (pacer_.paces() && !pacer_.admits(name, sizes.log_bytes)) return false;

  auto headers = headers_of(record);
  std::array<rd_kafka_vu_t, 7> parts{part(RD_KAFKA_VTYPE_RKT),
                                     bytes_part(RD_KAFKA_VTYPE_VALUE, record.value),
                                     part(RD_KAFKA_VTYPE_MSGFLAGS),
                                     part(RD_KAFKA_VTYPE_OPAQUE),
                                     part(RD_KAFKA_VTYPE_HEADERS),
                                     part(RD_KAFKA_VTYPE_PARTITION),
                                     bytes_part(RD_KAFKA_VTYPE_KEY, record.key)};
  parts[0].u.rkt = topic(name);
  parts[2].u.i = RD_KAFKA_MSG_F_COPY;
  // A number, not an address: which one this is.
  parts[3].u.ptr = reinterpret_cast<void*>(offered_total_);  // NOLINT(performance-no-int-to-ptr)
  parts[4].u.headers = headers.get();
  parts[5].u.i32 = record.partition ? to_integer(*record.partition) : RD_KAFKA_PARTITION_UA;
  auto const count = record.key.empty() ? parts.size() - 1 : parts.size();
  if (KafkaError const error{rd_kafka_produceva(client_.get(), parts.data(), count)}; error) {
    auto const code = rd_kafka_error_code(error.get());
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) return false;
    throw fault_of(code, "cannot write to topic " + Topic{name});
  }
  static_cast<void>(headers.release());  // Taken over with the record.
  on_their_way_.push_back(sizes);
  ++offered_total_;
  ++queued_records_;
  unsettled_bytes_ += sizes.memory_bytes;
  if (pacer_.paces()) pacer_.queued(name, sizes.log_bytes);
  return true;
}

void Outbox::put(std::string_view topic, RecordView const& record, std::stop_token const& stop, std::chrono::milliseconds limit) {
  if (offered_total_ % serve_every == 0) {
    serve(std::chrono::milliseconds{0});
    raise();
  }
  if (offer(topic, record)) return;
  auto const until = std::chrono::steady_clock::now() + limit;
  do {
    if (stop.stop_requested()) throw Fault{Fault::Kind::transient, "stopped while the queue was full"};
    if (std::chrono::steady_clock::now() >= until)
      throw Fault{Fault::Kind::transient,
                  "the broker takes nothing: " + std::to_string(queued_records_) + " records wait for it"};
    serve(full_wait);
    raise();
  } while (!offer(topic, record));
}

void Outbox::on_delivery(rd_kafka_t* /*client*/, rd_kafka_message_t const* message, void* opaque) {
  static_cast<Outbox*>(static_cast<Trouble*>(opaque))->delivered(*message);
}

void Outbox::delivered(rd_kafka_message_t const& message) {
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) all_written_ = false;
  auto const bytes = take_off(reinterpret_cast<std::int64_t>(message._private));
  auto const purged = message.err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || message.err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
  std::string_view const name = rd_kafka_topic_name(message.rkt);
  if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    // Acknowledged by inference, without a place in the log: a transaction can be made again, so nothing is left to chance.
    if (message.offset < 0 && in_transactions_ && !failed_)
      failed_.emplace(Fault::Kind::transient, "the broker does not say where in " + Topic{name} + " a record went");
    ++written_total_;
    if (pacer_.paces()) pacer_.written(name, Partition{message.partition}, Offset{message.offset}, bytes);
    return;
  }
  if (pacer_.paces()) pacer_.failed(name, bytes);
  if (!purged && !failed_) failed_.emplace(fault_of(message.err, "cannot write to topic " + Topic{name}));
}

/// Its bytes in the log. Partitions answer in any order, so some after it may be off already, and some before it not yet.
std::size_t Outbox::take_off(std::int64_t number) {
  auto const first = offered_total_ - std::ssize(on_their_way_);
  auto& one = on_their_way_[static_cast<std::size_t>(number - first)];
  one.is_off = true;
  auto const log_bytes = one.log_bytes;
  --queued_records_;
  for (; !on_their_way_.empty() && on_their_way_.front().is_off; on_their_way_.pop_front())
    unsettled_bytes_ -= on_their_way_.front().memory_bytes;
  if (all_written_) settled_total_ = offered_total_ - std::ssize(on_their_way_);
  return log_bytes;
}

void Outbox::serve(std::chrono::milliseconds wait) {
  pacer_.poll();
  rd_kafka_poll(client_.get(), milliseconds_of(wait));
  pacer_.poll();
}

void Outbox::raise() {
  if (fault) throw Fault{*fault};
  if (auto const failed = std::exchange(failed_, std::nullopt)) throw Fault{*failed};
}

bool Outbox::is_spent() const {
  switch (rd_kafka_fatal_error(client_.get(), nullptr, 0)) {
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
    case RD_KAFKA_RESP_ERR_INVALID_TXN_STATE:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING:
    case RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID:
    case RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER: return true;
    default: return false;
  }
}

bool Outbox::flush(std::chrono::milliseconds limit) {
  pacer_.poll();
  rd_kafka_flush(client_.get(), milliseconds_of(limit));
  return queued_records_ == 0;
}

void Outbox::purge() {
  rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  // Purged records report back at once, without a broker.
  for (auto round = 0; round < 100 && queued_records_ > 0; ++round) rd_kafka_poll(client_.get(), 10);
  failed_.reset();
}

}  // namespace penstock::kafka
