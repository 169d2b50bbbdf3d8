/// One websocket of the provider, held open: subscribes, keeps it alive, publishes every frame, and comes back after a loss,
/// which it tells to md.gaps. A stream that brings no data for longer than it should is stale, connected or not: that is told
/// to md.gaps, too, and it is subscribed anew, then connected anew, until there is data again. One thread.
#pragma once

#include "agents/publishing.hpp"
#include "agents/rate_window.hpp"
#include "streaming/backoff.hpp"

#include <chrono>
#include <deque>
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
  bool is_stale() const { return stale_; }
  /// For people: it is stale, or was never open; and what to do.
  std::optional<std::string> trouble(std::chrono::steady_clock::time_point now) const;

 private:
  using Instant = std::chrono::steady_clock::time_point;

  void connect(Instant now);
  void serve(Instant now);
  void opened(Instant now);
  void send_due(Instant now);
  void take_frames();
  void take(std::string_view frame);
  void look_after(Instant now);
  void look_for_silence(Instant now);
  void become_stale(Instant now);
  void subscribe_anew(Instant now);
  void bring_data(Instant now);
  void open_gap(GapCause cause, Time from);
  void close_gap();
  /// Ends the connection; another one is made after a wait.
  void lose(std::string const& why);

  // Set once.
  Publishing& publishing_;
  RateWindow& attempts_;
  Stream stream_;
  std::string name_;  ///< for people
  // Changes with every connection.
  std::unique_ptr<http::Websocket> socket_;  ///< none: waiting for connect_at_
  bool open_ = false;
  bool leave_ = false;  ///< the provider, or its react(), wants another connection
  bool refused_ = false;
  std::string connection_;
  std::int64_t ordinal_ = 0;
  std::deque<std::string const*> to_send_;  ///< of stream_, with its pauses
  bool subscribed_anew_ = false;
  Instant remedy_at_{};  ///< for silence
  Instant began_{}, subscribe_at_{}, keep_alive_at_{}, heard_{};
  // Changes over connections.
  Instant connect_at_{};
  std::string why_not_;                 ///< it was lost, or does not open
  std::optional<Instant> quiet_since_;  ///< since the last data, or since it was to bring some
  bool stale_ = false;
  Backoff backoff_{std::chrono::milliseconds{500}, std::chrono::minutes{1}};
  std::optional<Gap> gap_;  ///< open since the last loss, or since it is stale
  Time last_frame_{}, last_data_{};
};

}  // namespace penstock
