/// What all parts of one publisher share, and how its records look.
#pragma once

#include "agents/provider.hpp"
#include "agents/publish_queue.hpp"
#include "streaming/http/client.hpp"

#include <string>

namespace penstock {

/// One record of raw.<provider>, before it is one.
struct RawFrame {
  std::string_view value, channel, symbol, request, connection;
  Origin origin = Origin::live;
  Time received_at{};
  std::int64_t ordinal = 0;
};

class Publishing {
 public:
  Publishing(Provider const& provider, Subscription const& subscription, std::string publisher, http::Client& client,
             Clock& clock, Metrics& metrics, PublishQueue& queue);

  void publish(RawFrame const& frame);
  void publish(Gap gap);
  /// A new `connection` header: unique over all publishers and restarts.
  std::string next_connection();
  prometheus::Counter& retried(std::string const& reason);

  // Set once.
  Provider const& provider;
  Subscription const& subscription;
  http::Client& client;
  Clock& clock;
  Metrics& metrics;
  PublishQueue& queue;

 private:
  std::string publisher_, connection_prefix_;
  Topic raw_;
  prometheus::Counter& received_;
  std::int64_t connections_ = 0;
};

}  // namespace penstock
