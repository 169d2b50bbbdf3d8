/// librdkafka's mock cluster in this process: a broker for trying out, in memory. It keeps only about 5 MB a
/// partition (producers must be paced, see Pacing) and has no transactions.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace penstock::kafka {

class EmbeddedBroker {
 public:
  EmbeddedBroker();
  ~EmbeddedBroker();
  EmbeddedBroker(EmbeddedBroker const&) = delete;
  EmbeddedBroker& operator=(EmbeddedBroker const&) = delete;

  std::string brokers() const;  ///< 127.0.0.1:port
  /// Only possible before anybody used the topic. Throws Fault.
  void create_topic(std::string const& name, int partitions);

 private:
  struct Cluster;
  std::unique_ptr<Cluster> cluster_;
};

}  // namespace penstock::kafka
