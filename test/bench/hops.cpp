// hops BROKERS URL RATE SECONDS: the bare limit of the way from received to visible: RATE payloads of a trade's size a second are
// produced to bench.hop1, a second thread consumes and produces them to bench.hop2, a third consumes what there is and commits it
// with one COPY to table bench_hops. Prints milliseconds from the send to the commit's return: p50, p99, most.
#include "test/bench/bare.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <atomic>
#include <ctime>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t payload_bytes = 200;

class Reader {
 public:
  Reader(std::string const& brokers, char const* topic)
      : client_{bare::client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", brokers},
                                                 {"group.id", std::string{"bare-"} + topic + std::to_string(std::time(nullptr))},
                                                 {"auto.offset.reset", "latest"},
                                                 {"enable.auto.commit", "false"},
                                                 {"fetch.queue.backoff.ms", "2"}})} {
    auto* topics = rd_kafka_topic_partition_list_new(4);
    for (int partition = 0; partition < 4; ++partition)
      rd_kafka_topic_partition_list_add(topics, topic, partition)->offset = RD_KAFKA_OFFSET_END;
    if (rd_kafka_assign(client_, topics) != RD_KAFKA_RESP_ERR_NO_ERROR) bare::die("assign failed");
    rd_kafka_topic_partition_list_destroy(topics);
    rd_kafka_poll_set_consumer(client_);
    queue_ = rd_kafka_queue_get_consumer(client_);
  }
  ~Reader() {
    rd_kafka_queue_destroy(queue_);
    rd_kafka_consumer_close(client_);
    rd_kafka_destroy(client_);
  }
  Reader(Reader const&) = delete;
  Reader& operator=(Reader const&) = delete;

  /// Waits for one, then takes what else there is.
  template <class Each>
  void take(Each each) {
    if (auto* first = rd_kafka_consume_queue(queue_, 20)) give(first, each);
    for (auto at = rd_kafka_consume_batch_queue(queue_, 0, batch_.data(), batch_.size()); at > 0; --at)
      give(batch_[static_cast<std::size_t>(at) - 1], each);
  }

 private:
  template <class Each>
  static void give(rd_kafka_message_t* message, Each each) {
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) each({static_cast<char const*>(message->payload), message->len});
    rd_kafka_message_destroy(message);
  }

  rd_kafka_t* client_;
  rd_kafka_queue_t* queue_;
  std::vector<rd_kafka_message_t*> batch_{std::vector<rd_kafka_message_t*>(5'000)};
};

void send(rd_kafka_t* producer, char const* topic, std::string_view payload) {
  if (auto const error = rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic),
                                           RD_KAFKA_V_VALUE(const_cast<char*>(payload.data()), payload.size()),
                                           RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END))
    bare::die(rd_kafka_err2str(error));
  rd_kafka_poll(producer, 0);
}

void expect(PGconn* connection, PGresult* result, ExecStatusType status) {
  if (PQresultStatus(result) != status) bare::die(PQerrorMessage(connection));
  PQclear(result);
}

void query(PGconn* connection, char const* statement) { expect(connection, PQexec(connection, statement), PGRES_COMMAND_OK); }

/// Returns when it is committed.
void copy(PGconn* connection, std::string const& rows) {
  expect(connection, PQexec(connection, "copy bench_hops from stdin"), PGRES_COPY_IN);
  if (PQputCopyData(connection, rows.data(), static_cast<int>(rows.size())) != 1 || PQputCopyEnd(connection, nullptr) != 1)
    bare::die(PQerrorMessage(connection));
  while (auto* result = PQgetResult(connection)) expect(connection, result, PGRES_COMMAND_OK);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) bare::die("usage: hops BROKERS URL RATE SECONDS");
  std::string const brokers = argv[1];
  double const rate = std::atof(argv[3]), length = std::atof(argv[4]);
  constexpr double warm_up = 3;
  auto* connection = PQconnectdb(argv[2]);
  if (PQstatus(connection) != CONNECTION_OK) bare::die(PQerrorMessage(connection));
  query(connection,
        "set client_min_messages = warning; drop table if exists bench_hops; create table bench_hops (sent text, rest text);"
        " create index on bench_hops (sent)");
  auto* first = bare::producer(brokers);
  auto* second = bare::producer(brokers);
  bare::create_topic(first, "bench.hop1");
  bare::create_topic(first, "bench.hop2");
  Reader middle{brokers, "bench.hop1"}, last{brokers, "bench.hop2"};
  std::atomic<bool> over = false;
  auto const began = bare::seconds();

  std::jthread sending{[&] {
    std::string payload(payload_bytes, 'x');
    for (long at = 0; !over; ++at) {
      auto const due = began + static_cast<double>(at) / rate;
      for (double wait; (wait = due - bare::seconds()) > 0;) std::this_thread::sleep_for(std::chrono::duration<double>{wait});
      std::snprintf(payload.data(), payload.size(), "%.6f", bare::seconds());
      send(first, "bench.hop1", payload);
    }
  }};
  std::jthread passing{[&] {
    while (!over) middle.take([&](std::string_view payload) { send(second, "bench.hop2", payload); });
  }};
  std::vector<double> sent, milliseconds;
  while (bare::seconds() - began < warm_up + length) {
    std::string rows;
    sent.clear();
    last.take([&](std::string_view payload) {
      sent.push_back(std::atof(payload.data()));
      rows += std::string_view{payload.data()};
      rows += "\tx\n";
    });
    if (rows.empty()) continue;
    copy(connection, rows);
    auto const now = bare::seconds();
    if (now - began < warm_up) continue;
    for (auto const at : sent) milliseconds.push_back((now - at) * 1000);
  }
  over = true;
  sending.join(), passing.join();
  if (milliseconds.size() < static_cast<std::size_t>(rate * length / 2))
    bare::die("only " + std::to_string(milliseconds.size()) + " came through");
  std::ranges::sort(milliseconds);
  auto const part = [&](double of) {
    return milliseconds[static_cast<std::size_t>(static_cast<double>(milliseconds.size() - 1) * of)];
  };
  std::printf("%.1f %.1f %.1f\n", part(0.5), part(0.99), part(1));
  query(connection, "drop table bench_hops");
  PQfinish(connection);
  rd_kafka_flush(first, 10'000);
  rd_kafka_flush(second, 10'000);
  rd_kafka_destroy(first);
  rd_kafka_destroy(second);
}
