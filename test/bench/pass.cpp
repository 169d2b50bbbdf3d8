// pass BROKERS FROM TO COUNT [HEADERS [COMMIT_MS]]: the bare limit of a transformer: consumes COUNT records and produces each
// payload and key to TO (made with 4 partitions where it is missing) unchanged. HEADERS 1: with the two headers of a canonical
// record; 0: without any. COMMIT_MS: in transactions of so many milliseconds, one after the other, with the offsets of what was
// consumed; 0: without. Prints records, seconds, records a second.
#include "test/bench/bare.hpp"

#include <map>
#include <vector>

namespace {

constexpr int wait_ms = 30'000;

void check(rd_kafka_error_t* error) {
  if (error != nullptr) bare::die(rd_kafka_error_string(error));
}

/// A producer, and its transactions where it has any.
class Output {
 public:
  Output(std::string const& brokers, char const* topic, bool with_headers, bool in_transactions)
      : producer_{bare::producer(brokers, in_transactions ? "bare-" + std::to_string(getpid()) : "")},
        topic_{topic},
        with_headers_{with_headers},
        in_transactions_{in_transactions} {
    bare::create_topic(producer_, topic);
    if (in_transactions) {
      check(rd_kafka_init_transactions(producer_, wait_ms));
      check(rd_kafka_begin_transaction(producer_));
    }
    bare::begin_producing(producer_, topic);
  }
  ~Output() { rd_kafka_destroy(producer_); }
  Output(Output const&) = delete;
  Output& operator=(Output const&) = delete;

  void produce(rd_kafka_message_t const& message) {
    bare::produce(producer_, topic_, message, with_headers_ ? canonical_headers() : nullptr);
    if (in_transactions_) consumed_[message.partition] = message.offset + 1;
  }

  void poll() { rd_kafka_poll(producer_, 0); }

  void commit(rd_kafka_t* consumer, char const* from) {
    auto* offsets = rd_kafka_topic_partition_list_new(static_cast<int>(consumed_.size()));
    for (auto const& [partition, offset] : consumed_)
      rd_kafka_topic_partition_list_add(offsets, from, partition)->offset = offset;
    auto* group = rd_kafka_consumer_group_metadata(consumer);
    check(rd_kafka_send_offsets_to_transaction(producer_, offsets, group, wait_ms));
    check(rd_kafka_commit_transaction(producer_, wait_ms));
    rd_kafka_consumer_group_metadata_destroy(group);
    rd_kafka_topic_partition_list_destroy(offsets);
    consumed_.clear();
  }
  void begin() { check(rd_kafka_begin_transaction(producer_)); }

  void flush() {
    if (rd_kafka_flush(producer_, 120'000) != RD_KAFKA_RESP_ERR_NO_ERROR) bare::die("flush timed out");
  }

 private:
  static rd_kafka_headers_t* canonical_headers() {
    auto* headers = rd_kafka_headers_new(2);
    rd_kafka_header_add(headers, "schema", -1, "trades/1", -1);
    rd_kafka_header_add(headers, "origin", -1, "live", -1);
    return headers;
  }

  rd_kafka_t* producer_;
  char const* topic_;
  bool with_headers_, in_transactions_;
  std::map<std::int32_t, std::int64_t> consumed_;  ///< next offsets, of the running transaction
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) bare::die("usage: pass BROKERS FROM TO COUNT [HEADERS [COMMIT_MS]]");
  std::string const brokers = argv[1];
  long const count = std::atol(argv[4]);
  bool const with_headers = argc > 5 && std::atol(argv[5]) != 0;
  double const commit_every = argc > 6 ? std::atof(argv[6]) / 1'000 : 0;
  Output output{brokers, argv[3], with_headers, commit_every > 0};
  auto* consumer = bare::reader(brokers, argv[2]);
  auto* queue = rd_kafka_queue_get_consumer(consumer);
  std::vector<rd_kafka_message_t*> batch(10'000);
  long done = 0;
  double began = 0, transaction_began = 0;
  while (done < count) {
    auto const got = rd_kafka_consume_batch_queue(queue, 20, batch.data(), batch.size());
    for (ssize_t at = 0; at < got; ++at) {
      auto* message = batch[static_cast<std::size_t>(at)];
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) bare::die(rd_kafka_message_errstr(message));
      if (began == 0) began = transaction_began = bare::seconds();
      output.produce(*message);
      rd_kafka_message_destroy(message);
      ++done;
    }
    output.poll();
    if (commit_every > 0 && began > 0 && done < count && bare::seconds() - transaction_began >= commit_every) {
      output.commit(consumer, argv[2]);
      output.begin();
      transaction_began = bare::seconds();
    }
  }
  output.flush();
  if (commit_every > 0) output.commit(consumer, argv[2]);
  auto const took = bare::seconds() - began;
  std::printf("%ld %.3f %.0f\n", done, took, static_cast<double>(done) / took);
  rd_kafka_queue_destroy(queue);
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
}
