#include "streaming/kafka/probe.hpp"

#include "streaming/kafka/client.hpp"
#include "streaming/kafka/way_in.hpp"

#include <algorithm>

namespace penstock::kafka {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds piece{250};  // So that why it does not answer is known at the end.

}  // namespace

struct Probe::Client {
  explicit Client(Connection const& connection)
      // Whoever asks is told why it failed; log lines beside that would say it twice.
      : brokers{connection.brokers}, client{Settings{connection}.set("log_level", 0).client(RD_KAFKA_PRODUCER, &trouble)} {}

  std::string brokers;
  Trouble trouble;
  KafkaClient client;
};

Probe::Probe(Connection const& connection) : client_{std::make_unique<Client>(connection)} {}
Probe::~Probe() = default;

void Probe::ask(std::chrono::milliseconds limit) {
  auto& [brokers, trouble, client] = *client_;
  auto const until = Clock::now() + limit;
  do {
    rd_kafka_metadata_t const* found = nullptr;
    auto const error = rd_kafka_metadata(client.get(), 0, nullptr, &found, milliseconds_of(std::min(piece, limit)));
    rd_kafka_poll(client.get(), 0);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      KafkaMetadata const answer{found};
      trouble.last_error.clear();
      return;
    }
    if (trouble.fault) throw Fault{*trouble.fault};
  } while (Clock::now() < until);
  auto const why = plain(trouble.last_error);
  auto const silence = silence_advice(why);
  throw Fault{Fault::Kind::fatal, "no Kafka broker answers at " + brokers + (why.empty() ? "" : " (" + why + ")") + ": " +
                                      (silence.empty() ? "" : std::string{silence} + "; else ") +
                                      "start one, or set kafka.brokers (--kafka-brokers, PENSTOCK_KAFKA_BROKERS); "
                                      "`penstock up --embedded` needs none"};
}

void check_reachable(Connection const& connection, std::chrono::milliseconds limit) { Probe{connection}.ask(limit); }

}  // namespace penstock::kafka
