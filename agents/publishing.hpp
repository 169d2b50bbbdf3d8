/// What all parts of one publisher share, and how its records look.
#pragma once

#include "agents/provider.hpp"
#include "agents/publish_queue.hpp"
#include "streaming/http/client.hpp"

#include <chrono>
#include <string>
#include <vector>

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
  prometheus::Counter& gaps(GapCause cause);
  /// provider=…
  Metrics::Labels labels() const { return {{"provider", std::string{provider.name()}}}; }
  /// How long each channel that was asked for has brought nothing.
  void show_ages();

  // Set once.
  Provider const& provider;
  Subscription const& subscription;
  http::Client& client;
  Clock& clock;
  Metrics& metrics;
  PublishQueue& queue;

 private:
  using Instant = std::chrono::steady_clock::time_point;
  /// One channel that was asked for; what comes in others is not told: their names are for the provider to choose.
  struct Channel {
    std::string name;
    Instant heard;
    prometheus::Gauge* age;
  };
  void add_channel(std::string const& name);

  std::string publisher_, connection_prefix_;
  Topic raw_;
  prometheus::Counter& received_;
  std::int64_t connections_ = 0;
  std::vector<Channel> channels_;
};

}  // namespace penstock
