/// What producers and exchanges share: a producing client, what is on its way, and what became of it.
/// One thread: the owner's. Only for the .cpp files of this folder.
#pragma once

#include "streaming/kafka/client.hpp"
#include "streaming/kafka/pacing.hpp"

#include <deque>

namespace penstock::kafka {

struct OnItsWay {
  std::uint32_t log_bytes, memory_bytes;
  bool is_off = false;  ///< acknowledged, or failed
};

class Outbox : private Trouble {
 public:
  struct Options {
    std::size_t queue_bytes_max;  ///< of memory
    std::chrono::milliseconds linger;
    std::string transactional_id{};  ///< "": plain
    std::chrono::milliseconds transaction_timeout{};
  };
  Outbox(Connection const& connection, Options const& options, Pacing const& pacing = {});
  Outbox(Outbox const&) = delete;
  Outbox& operator=(Outbox const&) = delete;

  /// False: no room, here or (pacing) with the topic's reader. Throws a fatal Fault where the broker would never take it.
  bool offer(std::string_view topic, RecordView const& record);
  /// offer(), again while there is no room, for up to `limit` or until `stop`: a transient Fault then. Serves acknowledgements
  /// now and then, and throws what they bring.
  void put(std::string_view topic, RecordView const& record, std::stop_token const& stop,
           std::chrono::milliseconds limit = std::chrono::hours{24 * 365});
  /// Acknowledgements and pacing; waits up to `wait` for the first.
  void serve(std::chrono::milliseconds wait);
  /// Throws the first Fault that serve() met, once.
  void raise();
  /// The broker does not know this producer any more, or they disagree on its transaction; only a new client helps.
  bool is_spent() const;
  /// True where everything is acknowledged or failed within `limit`. Sends at once, without linger.
  bool flush(std::chrono::milliseconds limit);
  /// Drops what is on its way, without a Fault.
  void purge();

  rd_kafka_t* client() { return client_.get(); }
  std::size_t queued_records() const { return queued_records_; }
  std::int64_t offered_total() const { return offered_total_; }  ///< taken
  std::int64_t written_total() const { return written_total_; }  ///< acknowledged
  /// Acknowledged, from the first one taken up to the first that is not.
  std::int64_t settled_total() const { return settled_total_; }
  std::string const& last_error() const { return Trouble::last_error; }

 private:
  static void on_delivery(rd_kafka_t*, rd_kafka_message_t const* message, void* opaque);
  void delivered(rd_kafka_message_t const& message);
  std::size_t take_off(std::int64_t number);
  rd_kafka_topic_t* topic(std::string_view name);

  // Set once.
  std::size_t queue_bytes_max_;
  bool in_transactions_;
  KafkaClient client_;
  std::map<Topic, KafkaTopic, std::less<>> topics_;
  Pacer pacer_;

  // Changes in the loop.
  std::size_t queued_records_ = 0;
  /// Of memory, from the first record on that is not acknowledged: whoever keeps them keeps those behind it, too, and one
  /// partition may be late.
  std::size_t unsettled_bytes_ = 0;
  std::int64_t offered_total_ = 0;
  std::int64_t written_total_ = 0;
  std::int64_t settled_total_ = 0;
  std::deque<OnItsWay> on_their_way_;  ///< the last records taken, from the first that is not acknowledged
  bool all_written_ = true;            ///< none failed or was dropped
  std::optional<Fault> failed_;        ///< the first record that could not be delivered
};

}  // namespace penstock::kafka
