#include "agents/stream_connection.hpp"

#include "streaming/log.hpp"

#include <prometheus/counter.h>

#include <format>
#include <utility>

namespace penstock {

using namespace std::chrono_literals;

namespace {

constexpr auto opening_max = 20s;
/// So long a stream is only not read while the spool has no room: its provider, or the way to it, holds what comes. Then it
/// is let go: venues cut those who do not answer their pings, after 20 s to a minute, and what they held is lost unseen.
constexpr auto unread_max = 10s;
constexpr std::chrono::milliseconds subscribed_anew_max = 10s;  // Then it must bring data, or is given up.
constexpr auto lasted = 1min;                                   // A connection that held this long begins its backoff anew.
constexpr int frames_in_a_step = 1'000;                         // Then it is another stream's turn.

/// "wss://venue/stream?streams=a/b" -> "wss://venue/stream": without what may be long, or secret.
std::string name_of(std::string const& url) { return url.substr(0, url.find('?')); }

}  // namespace

StreamConnection::StreamConnection(Publishing& publishing, RateWindow& attempts, Stream stream)
    : publishing_{publishing}, attempts_{attempts}, stream_{std::move(stream)}, name_{name_of(stream_.url)} {
  publishing.metrics.reconnects(publishing.labels());
}

void StreamConnection::step() {
  auto const now = publishing_.clock.steady();
  if (socket_)
    serve(now);
  else
    connect(now);
  look_for_silence(now);
}

void StreamConnection::serve(Instant now) {
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
  if (was_open()) publishing_.metrics.reconnects(publishing_.labels()).Increment();
  open_ = true;
  began_ = heard_ = subscribe_at_ = now;
  remedy_at_ = now + stream_.silence_max;
  subscribed_anew_ = false;
  keep_alive_at_ = now + stream_.keep_alive_every;
  connection_ = publishing_.next_connection();
  ordinal_ = 0;
  to_send_.clear();
  for (auto const& frame : stream_.subscribe) to_send_.push_back(&frame);
  last_frame_ = publishing_.clock.now();
  if (last_data_ == Time{}) last_data_ = last_frame_;
  log::info("stream open", {{"connection", connection_}});
  if (gap_ && gap_->cause != GapCause::stale) close_gap();  // That one is closed by data.
}

void StreamConnection::send_due(Instant now) {
  for (; !to_send_.empty() && now >= subscribe_at_; to_send_.pop_front()) {
    socket_->send(*to_send_.front());
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
  auto const reaction = publishing_.provider.react(frame);
  switch (reaction.action) {
    case Reaction::Action::none: break;
    case Reaction::Action::answer: socket_->send(reaction.answer); break;
    case Reaction::Action::reconnect: leave_ = true; break;
    case Reaction::Action::refused:
      if (!std::exchange(refused_, true))
        log::error("the provider refuses a subscription",
                   {{"why", reaction.answer},
                    {"do", "change the symbols or channels of [publish." + std::string{publishing_.provider.name()} + "]"}});
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
  if (reaction.channel != "control") bring_data(heard_);
}

// ---- Silence.

void StreamConnection::look_for_silence(Instant now) {
  if (!quiet_since_ || !publishing_.queue.open()) quiet_since_ = now;  // Not listening is not silence.
  if (stream_.silence_max == 0ms || now < *quiet_since_ + stream_.silence_max) return;
  if (!std::exchange(stale_, true)) become_stale(now);
  if (!open_ || now < remedy_at_) return;
  if (!std::exchange(subscribed_anew_, true) && !stream_.subscribe.empty()) return subscribe_anew(now);
  lose("no data for " + seconds_text(now - *quiet_since_));
}

void StreamConnection::become_stale(Instant now) {
  log::warning("a stream is stale; it is subscribed anew, then connected anew, until there is data again",
               {{"stream", name_},
                {"why", trouble(now).value_or("")},
                {"do", "see whether the provider has a disturbance; raise publish." + std::string{publishing_.provider.name()} +
                           ".silence_ms_max where its markets are that quiet"}});
  if (open_ && !gap_) open_gap(GapCause::stale, last_data_);
}

void StreamConnection::subscribe_anew(Instant now) {
  to_send_.clear();
  for (auto const* frames : {&stream_.unsubscribe, &stream_.subscribe})
    for (auto const& frame : *frames) to_send_.push_back(&frame);
  subscribe_at_ = now;
  remedy_at_ = now + stream_.subscribe_pause * std::ssize(to_send_) + std::min(subscribed_anew_max, stream_.silence_max);
}

void StreamConnection::bring_data(Instant now) {
  auto const silent = now - quiet_since_.value_or(now);
  quiet_since_ = now;
  last_data_ = last_frame_;
  subscribed_anew_ = false;
  if (!std::exchange(stale_, false)) return;
  log::info("there is data again", {{"stream", name_}, {"after", seconds_text(silent)}});
  if (gap_) close_gap();
}

std::optional<std::string> StreamConnection::trouble(Instant now) const {
  auto const how = open_ ? subscribed_anew_ ? "it was subscribed anew" : "it is open" : "it is not open: " + why_not_;
  if (stale_)
    return std::format(
        "{} has had no data for {}, and {} is the longest that is normal ({}): see whether the provider has a "
        "disturbance, or raise publish.{}.silence_ms_max",
        name_, seconds_text(now - quiet_since_.value_or(now)), seconds_text(stream_.silence_max), how,
        publishing_.provider.name());
  if (!was_open()) return name_ + " was not open yet" + (why_not_.empty() ? "" : ": " + why_not_);
  return {};
}

// ---- Loss.

void StreamConnection::open_gap(GapCause cause, Time from) {
  publishing_.gaps(cause).Increment();
  gap_ = Gap{};
  gap_->symbol = gap_->channel = "*";
  gap_->from_time = from;
  gap_->to_time = publishing_.clock.now();
  gap_->cause = cause;
  gap_->state = GapState::open;
  publishing_.publish(*gap_);
}

void StreamConnection::close_gap() {
  auto gap = *std::exchange(gap_, std::nullopt);
  gap.to_time = last_frame_;
  gap.state = GapState::filled;
  publishing_.publish(std::move(gap));
}

void StreamConnection::look_after(Instant now) {
  if (auto const full = publishing_.queue.full_since(); open_ && full && now >= *full + unread_max)
    return lose("the spool has no room");
  if (leave_) return lose("the provider asked for another connection");
  if (socket_->state() == http::Websocket::State::closed) return lose(socket_->error());
  if (!open_ && now >= began_ + opening_max) return lose("it does not open");
  if (!open_) return;
  if (stream_.lifetime_max > 0ms && now >= began_ + stream_.lifetime_max) return lose("it has reached its longest life");
  if (!stream_.keep_alive.empty() && now >= heard_ + 2 * stream_.keep_alive_every) return lose("no answer to its keep-alives");
}

void StreamConnection::lose(std::string const& why) {
  auto const now = publishing_.clock.steady();
  if (open_ && now >= began_ + lasted) backoff_.reset();
  auto const wait = backoff_.next();
  connect_at_ = now + wait;
  why_not_ = why;
  socket_.reset();
  publishing_.retried(open_ ? "lost" : "connect").Increment();
  log::warning(open_ ? "stream lost" : "stream does not open", {{"why", why}, {"wait_ms", std::to_string(wait.count())}});
  if (!std::exchange(open_, false)) return;
  if (gap_) return;  // It is stale, and told.
  auto const cause = publishing_.queue.full_since() ? GapCause::spool_full : refused_ ? GapCause::refused : GapCause::reconnect;
  open_gap(cause, last_frame_);
}

}  // namespace penstock
