#include "agents/stream_connection.hpp"

#include "streaming/log.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <utility>

namespace penstock {

using namespace std::chrono_literals;

namespace {

constexpr auto opening_max = 20s;
/// So long a stream is only not read while the spool has no room: its provider, or the way to it, holds what comes. Then it
/// is let go: venues cut those who do not answer their pings, after 20 s to a minute, and what they held is lost unseen.
constexpr auto unread_max = 10s;
constexpr auto lasted = 1min;            // A connection that held this long begins its backoff anew.
constexpr int frames_in_a_step = 1'000;  // Then it is another stream's turn.

}  // namespace

StreamConnection::StreamConnection(Publishing& publishing, RateWindow& attempts, Stream stream)
    : publishing_{publishing},
      attempts_{attempts},
      stream_{std::move(stream)},
      stale_streams_{publishing.metrics.stale_streams({{"provider", std::string{publishing.provider.name()}}})} {}

void StreamConnection::step() {
  auto const now = publishing_.clock.steady();
  if (!socket_) return connect(now);
  if (!open_ && socket_->state() == http::Websocket::State::open) opened(now);
  if (open_) {
    send_due(now);
    take_frames();
  }
  look_after(now);
}

void StreamConnection::connect(Instant now) {
  if (now < connect_at_ || publishing_.queue.full_since() || !attempts_.allows(1, now)) return;
  attempts_.take(1, now);
  socket_ = publishing_.client.connect(stream_.url, {});
  open_ = leave_ = refused_ = false;
  began_ = now;
}

void StreamConnection::opened(Instant now) {
  open_ = true;
  began_ = heard_ = subscribe_at_ = now;
  keep_alive_at_ = now + stream_.keep_alive_every;
  connection_ = publishing_.next_connection();
  ordinal_ = 0;
  subscribed_ = 0;
  last_frame_ = publishing_.clock.now();
  log::info("stream open", {{"connection", connection_}});
  if (!gap_) return;
  auto gap = *std::exchange(gap_, std::nullopt);
  gap.to_time = last_frame_;
  gap.state = GapState::filled;
  publishing_.publish(std::move(gap));
}

void StreamConnection::send_due(Instant now) {
  for (; subscribed_ < stream_.subscribe.size() && now >= subscribe_at_; ++subscribed_) {
    socket_->send(stream_.subscribe[subscribed_]);
    subscribe_at_ = now + stream_.subscribe_pause;
  }
  if (stream_.keep_alive.empty() || now < keep_alive_at_) return;
  socket_->send(stream_.keep_alive);
  keep_alive_at_ = now + stream_.keep_alive_every;
}

void StreamConnection::take_frames() {
  if (!publishing_.queue.open()) heard_ = publishing_.clock.steady();  // Not listening is not silence.
  for (int frames = 0; frames < frames_in_a_step && publishing_.queue.open() && !leave_; ++frames) {
    auto const frame = socket_->receive();
    if (!frame) return;
    take(*frame);
  }
}

void StreamConnection::take(std::string_view frame) {
  heard_ = publishing_.clock.steady();
  last_frame_ = publishing_.clock.now();
  if (std::exchange(stale_, false)) stale_streams_.Decrement();
  auto const reaction = publishing_.provider.react(frame);
  switch (reaction.action) {
    case Reaction::Action::none: break;
    case Reaction::Action::answer: socket_->send(reaction.answer); break;
    case Reaction::Action::reconnect: leave_ = true; break;
    case Reaction::Action::refused:
      if (!std::exchange(refused_, true)) log::error("the provider refuses a subscription", {{"why", reaction.answer}});
      publishing_.retried("refused").Increment();
      break;
  }
  publishing_.publish({.value = frame,
                       .channel = reaction.channel,
                       .symbol = reaction.symbol,
                       .request = stream_.url,
                       .connection = connection_,
                       .origin = Origin::live,
                       .received_at = last_frame_,
                       .ordinal = ordinal_++});
}

void StreamConnection::look_after(Instant now) {
  if (auto const full = publishing_.queue.full_since(); open_ && full && now >= *full + unread_max)
    return lose("the spool has no room");
  if (leave_) return lose("the provider asked for another connection");
  if (socket_->state() == http::Websocket::State::closed) return lose(socket_->error());
  if (!open_ && now >= began_ + opening_max) return lose("it does not open");
  if (!open_) return;
  if (stream_.lifetime_max > 0ms && now >= began_ + stream_.lifetime_max) return lose("it has reached its longest life");
  if (stream_.silence_max > 0ms && now >= heard_ + stream_.silence_max) {
    if (!std::exchange(stale_, true)) stale_streams_.Increment();
    lose("silent for " + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(stream_.silence_max).count()) + " s");
  }
}

void StreamConnection::lose(std::string const& why) {
  auto const now = publishing_.clock.steady();
  if (open_ && now >= began_ + lasted) backoff_.reset();
  auto const wait = backoff_.next();
  connect_at_ = now + wait;
  socket_.reset();
  publishing_.retried(open_ ? "lost" : "connect").Increment();
  log::warning(open_ ? "stream lost" : "stream does not open", {{"why", why}, {"wait_ms", std::to_string(wait.count())}});
  if (!std::exchange(open_, false)) return;
  auto const cause = publishing_.queue.full_since() ? GapCause::spool_full : refused_ ? GapCause::refused : GapCause::reconnect;
  publishing_.metrics.gaps({{"provider", std::string{publishing_.provider.name()}}, {"cause", std::string{to_text(cause)}}})
      .Increment();
  gap_ = Gap{};
  gap_->symbol = gap_->channel = "*";
  gap_->from_time = last_frame_;
  gap_->to_time = publishing_.clock.now();
  gap_->cause = cause;
  gap_->state = GapState::open;
  publishing_.publish(*gap_);
}

}  // namespace penstock
