/// Holds a producer back while the group that reads its topics is too far behind. For the embedded broker, which keeps
/// about 5 MB a partition and drops what is older without a word, read or not. One thread: the producer's.
#pragma once

#include "streaming/kafka/handles.hpp"
#include "streaming/kafka/kafka.hpp"

#include <chrono>
#include <deque>
#include <map>
#include <string>
#include <string_view>

namespace penstock::kafka {

/// What one topic holds of this producer's bytes that its reader has not committed. No I/O.
class Backlog {
 public:
  explicit Backlog(std::size_t bytes_max) : bytes_max_{static_cast<std::int64_t>(bytes_max)} {}

  /// The partition of a record is known only when it is acknowledged, so what is on its way counts for all of them.
  /// A record larger than the limit passes when nothing else is there.
  bool admits(std::size_t bytes) const;
  void queued(std::size_t bytes) { on_the_way_ += static_cast<std::int64_t>(bytes); }
  void written(Partition partition, Offset offset, std::size_t bytes);
  void failed(std::size_t bytes) { on_the_way_ -= static_cast<std::int64_t>(bytes); }
  /// `next`: the reader's next offset.
  void committed(Partition partition, Offset next);

  std::int64_t waiting_bytes(Partition partition) const;  ///< written, not committed
  std::int64_t waiting_bytes_most() const;                ///< of any partition
  std::vector<Partition> partitions() const;

 private:
  struct Mark {
    Offset offset;             ///< of the last record that it stands for
    std::int64_t bytes_total;  ///< written up to and with it
  };
  struct Written {
    std::int64_t written_total = 0, committed_total = 0;
    std::deque<Mark> marks;  ///< one for several kilobytes, not for every record
  };
  std::int64_t bytes_max_;
  std::int64_t on_the_way_ = 0;
  std::map<Partition, Written> partitions_;
};

/// Asks for the readers' committed offsets without blocking: the answers come to a queue that poll() looks at.
class Pacer {
 public:
  /// `client` is the producer's own and must outlive this.
  Pacer(rd_kafka_t* client, Pacing const& pacing);

  bool paces() const { return !topics_.empty(); }
  bool admits(std::string_view topic, std::size_t bytes) const;
  void queued(std::string_view topic, std::size_t bytes);
  void written(std::string_view topic, Partition partition, Offset offset, std::size_t bytes);
  void failed(std::string_view topic, std::size_t bytes);
  /// Reads answers; asks again when it is time. Cheap: call it with every poll of the producer.
  void poll();

 private:
  struct Paced {
    Backlog backlog;
    std::string group;
  };
  Paced* find(std::string_view topic);
  void read_answers();
  void ask();

  rd_kafka_t* client_;
  std::int64_t ask_above_bytes_;
  KafkaQueue answers_;
  std::map<Topic, Paced, std::less<>> topics_;
  int asked_ = 0;  ///< questions without an answer
  std::chrono::steady_clock::time_point ask_at_{};
};

}  // namespace penstock::kafka
