/// The Consumer of consumer.cpp, as Exchange needs it. Everyone else: kafka.hpp.
#pragma once

#include "streaming/kafka/client.hpp"

#include <exception>
#include <set>

namespace penstock::kafka {

class KafkaConsumer final : public Consumer, private Trouble {
 public:
  KafkaConsumer(Connection const& connection, ConsumerOptions const& options);
  ~KafkaConsumer() override;
  KafkaConsumer(KafkaConsumer const&) = delete;
  KafkaConsumer& operator=(KafkaConsumer const&) = delete;

  void subscribe(std::vector<Topic> const& topics, OnAssignment on_assignment) override;
  void poll(std::vector<Delivery>& into, std::size_t count, std::chrono::milliseconds wait) override;
  void pause(std::vector<TopicPartition> const& partitions) override;
  void resume(std::vector<TopicPartition> const& partitions) override;
  void seek(Offsets const& offsets) override;
  void commit(Commits const& commits) override;
  Commits committed(std::vector<TopicPartition> const& partitions) override;
  Offsets beginnings(std::vector<TopicPartition> const& partitions) override;
  Offsets ends(std::vector<TopicPartition> const& partitions) override;
  std::int64_t lag_records() const override;
  std::vector<TopicPartition> assigned() const override;
  void close() override;

  /// All partitions of `topics`, without a group. Throws a fatal Fault for a topic that does not exist.
  void follow(std::vector<Topic> const& topics, FollowOptions const& options);
  /// Where reading stands: what may be read before it was handed over by poll().
  Offsets positions() const;
  /// Who we are in the group now, for a transaction.
  KafkaGroup group_metadata() const { return KafkaGroup{rd_kafka_consumer_group_metadata(client_.get())}; }

 private:
  static void on_rebalance(rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list, void* opaque);
  static void on_commit(rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list, void* opaque);
  void gain(std::vector<TopicPartition> const& gained);
  void take_over(std::vector<TopicPartition> const& partitions);
  void lose(std::vector<TopicPartition> const& lost);
  void place(Offsets const& starts);
  Offsets known_starts(std::vector<TopicPartition> const& partitions, Offsets starts);
  Offsets asked(std::vector<TopicPartition> const& partitions, std::int64_t where, std::string_view does);

  std::size_t fetch(std::size_t count, std::chrono::milliseconds wait);
  void repair();
  std::size_t deliver(std::size_t count, std::vector<Delivery>& into);
  void read(KafkaMessage message, std::vector<Delivery>& into);
  void note(rd_kafka_message_t const& message);
  std::string_view topic_of(rd_kafka_message_t const& message);
  void look_for_missing_topics();
  void look_for_new_partitions();
  void raise();

  // Set once.
  bool grouped_;
  std::string group_;
  OnAssignment on_assignment_;
  std::vector<Topic> followed_;
  std::chrono::milliseconds new_partitions_every_{};  ///< 0: they are not looked for
  std::set<std::string, std::less<>> topics_;         ///< what Position::topic views
  KafkaClient client_;
  KafkaQueue queue_;

  // Changes in the loop.
  std::set<TopicPartition> assigned_;
  std::set<TopicPartition> paused_;
  std::set<TopicPartition> unplaced_;  ///< ours, but from where was not asked yet, or not answered
  Offsets starts_;                     ///< where reading began, and after that the ends that were reached
  std::set<TopicPartition> lost_now_;  ///< during this poll()
  Offsets misplaced_;                  ///< during this poll(): of what something was told, and where it really goes on
  std::map<Topic, std::chrono::steady_clock::time_point> missing_;  ///< topic -> when to give up on it
  std::chrono::steady_clock::time_point look_again_{};
  std::exception_ptr failure_;  ///< to be thrown from poll() when its deliveries are handed over
  std::vector<rd_kafka_message_t*> buffer_;
  std::string_view last_topic_;
  std::int64_t failed_commits_ = 0;
  bool closed_ = false;
};

}  // namespace penstock::kafka
