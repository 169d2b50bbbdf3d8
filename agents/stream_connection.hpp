/// One websocket of the provider, held open: subscribes, keeps it alive, publishes every frame, and comes back after a loss,
/// which it tells to md.gaps. One thread.
#pragma once

#include "agents/publishing.hpp"
#include "agents/rate_window.hpp"
#include "streaming/backoff.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace penstock {

class StreamConnection {
 public:
  /// `attempts`: shared by all streams of the provider.
  StreamConnection(Publishing& publishing, RateWindow& attempts, Stream stream);

  /// Does what can be done now; never waits. Frames are taken only while the queue is open.
  void step();
  /// Since this process began.
  bool was_open() const { return !connection_.empty(); }

 private:
  using Instant = std::chrono::steady_clock::time_point;

  void connect(Instant now);
  void opened(Instant now);
  void send_due(Instant now);
  void take_frames();
  void take(std::string_view frame);
  void look_after(Instant now);
  /// Ends the connection; another one is made after a wait.
  void lose(std::string const& why);

  // Set once.
  Publishing& publishing_;
  RateWindow& attempts_;
  Stream stream_;
  prometheus::Gauge& stale_streams_;
  // Changes with every connection.
  std::unique_ptr<http::Websocket> socket_;  ///< none: waiting for connect_at_
  bool open_ = false;
  bool leave_ = false;  ///< the provider, or its react(), wants another connection
  bool refused_ = false;
  std::string connection_;
  std::int64_t ordinal_ = 0;
  std::size_t subscribed_ = 0;  ///< frames of stream_.subscribe that were sent
  Instant began_{}, subscribe_at_{}, keep_alive_at_{}, heard_{};
  // Changes over connections.
  Instant connect_at_{};
  bool stale_ = false;
  Backoff backoff_{std::chrono::milliseconds{500}, std::chrono::minutes{1}};
  std::optional<Gap> gap_;  ///< open since the last loss
  Time last_frame_{};
};

}  // namespace penstock
