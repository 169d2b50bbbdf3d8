#include "agents/poll_schedule.hpp"

#include "streaming/log.hpp"

#include <prometheus/counter.h>

#include <algorithm>

namespace penstock {

using namespace std::chrono_literals;

namespace {
constexpr auto refused_wait = 10min;
}

PollSchedule::PollSchedule(Publishing& publishing, Fetcher& fetcher) : publishing_{publishing}, fetcher_{fetcher} {
  for (auto& poll : publishing.provider.polls(publishing.subscription)) entries_.push_back({.poll = std::move(poll)});
}

void PollSchedule::start_due() {
  bool const all = catalogue_is_in_the_log();
  auto const now = publishing_.clock.steady();
  for (auto& entry : entries_) {
    if (entry.running || now < entry.next_at || !(all || entry.poll.before_stream)) continue;
    if (!fetcher_.ready(entry.poll.request)) continue;
    entry.running = true;
    fetcher_.start(entry.poll.request, [this, &entry, now](Answer const& answer) { finish(entry, now, answer); });
  }
}

bool PollSchedule::catalogue_is_in_the_log() {
  if (catalogue_in_the_log_) return true;
  bool const answered =
      std::ranges::all_of(entries_, [](auto const& entry) { return entry.answered || !entry.poll.before_stream; });
  catalogue_in_the_log_ = answered && publishing_.queue.kept();
  return catalogue_in_the_log_;
}

void PollSchedule::finish(Entry& entry, Instant started, Answer const& answer) {
  auto const now = publishing_.clock.steady();
  entry.running = false;
  switch (answer.kind) {
    case Answer::Kind::ok:
    case Answer::Kind::empty:
      entry.next_at = std::max(now, started + entry.poll.every);
      entry.answered = true;
      entry.refused = false;
      entry.backoff.reset();
      break;
    case Answer::Kind::throttled: break;  // Still due: the fetcher holds all requests back.
    case Answer::Kind::refused: refuse(entry, answer); break;
    case Answer::Kind::broken:
      entry.next_at = now + entry.backoff.next();
      publishing_.retried("broken").Increment();
      log::warning("a poll failed and will be tried again", {{"channel", entry.poll.request.channel}, {"why", answer.detail}});
      break;
  }
}

void PollSchedule::refuse(Entry& entry, Answer const& answer) {
  auto const wait =
      entry.poll.before_stream ? entry.backoff.next() : std::max<std::chrono::milliseconds>(refused_wait, entry.poll.every);
  entry.next_at = publishing_.clock.steady() + wait;
  publishing_.retried("refused").Increment();
  if (!entry.refused)
    log::error("the provider refuses a poll",
               {{"channel", entry.poll.request.channel}, {"symbol", entry.poll.request.symbol}, {"why", answer.detail}});
  entry.refused = true;
}

}  // namespace penstock
