#include "agents/poll_schedule.hpp"

#include "streaming/log.hpp"

#include <prometheus/counter.h>

#include <algorithm>
#include <format>

namespace penstock {

using namespace std::chrono_literals;

namespace {
constexpr auto refused_wait = 10min;
/// Without a good answer for two of its intervals, and this for what is repeated in between, it is stale.
constexpr auto stale_after = 30s;
}  // namespace

PollSchedule::PollSchedule(Publishing& publishing, Fetcher& fetcher) : publishing_{publishing}, fetcher_{fetcher} {
  for (auto& poll : publishing.provider.polls(publishing.subscription)) entries_.push_back({.poll = std::move(poll)});
}

void PollSchedule::start_due() {
  bool const all = catalogue_is_in_the_log();
  auto const now = publishing_.clock.steady();
  for (auto& entry : entries_) {
    if (entry.running || now < entry.next_at || !(all || entry.poll.before_stream)) continue;
    if (!entry.good_at) {
      entry.good_at = now;
      entry.good_time = publishing_.clock.now();
    }
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
  entry.why = answer.detail;
  switch (answer.kind) {
    case Answer::Kind::ok:
    case Answer::Kind::empty:
      entry.next_at = std::max(now, started + entry.poll.every);
      entry.answered = true;
      entry.refused = false;
      entry.backoff.reset();
      good(entry);
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

bool PollSchedule::answers(std::string_view channel) const {
  bool asked = false, answered = true;
  for (auto const& entry : entries_) {
    if (entry.poll.request.channel != channel) continue;
    asked = true;
    answered = answered && entry.answered;
  }
  return asked && answered;
}

// ---- Silence.

std::vector<std::string> PollSchedule::troubles(Instant now) {
  std::vector<std::string> found;
  for (auto& entry : entries_) {
    if (entry.good_at && !publishing_.queue.open()) miss(entry, now);
    if (!entry.stale && is_quiet(entry, now)) become_stale(entry, now);
    if (entry.stale)
      found.push_back(std::format(
          "the poll of {}{} has had no good answer for {}{}: see whether the provider has a disturbance; "
          "where its budget is too small, ask for fewer symbols or raise publish.{}.poll_interval_ms",
          entry.poll.request.channel, entry.poll.request.symbol.empty() ? "" : " " + entry.poll.request.symbol,
          seconds_text(now - *entry.good_at), entry.why.empty() ? "" : " (" + entry.why + ")", publishing_.provider.name()));
    else if (entry.poll.before_stream && !entry.answered)
      found.push_back("the poll of " + entry.poll.request.channel + ", which comes before all else, has no answer yet" +
                      (entry.why.empty() ? "" : ": " + entry.why));
  }
  return found;
}

std::chrono::milliseconds PollSchedule::silence_max(Entry const& entry) {
  return (entry.answered || !entry.poll.before_stream ? 2 * entry.poll.every : 0ms) + stale_after;
}

bool PollSchedule::is_quiet(Entry const& entry, Instant now) {
  return entry.good_at && now >= *entry.good_at + silence_max(entry);
}

// There is no room for an answer, so nobody asks. That is no silence of the provider's, but what is not asked for is missed.
void PollSchedule::miss(Entry& entry, Instant now) {
  entry.good_at = now;
  if (!entry.gap && publishing_.clock.now() >= entry.good_time + silence_max(entry)) open_gap(entry, GapCause::spool_full);
}

void PollSchedule::become_stale(Entry& entry, Instant now) {
  auto const& request = entry.poll.request;
  entry.stale = true;
  log::warning("a poll is stale; it is asked again and again",
               {{"channel", request.channel},
                {"symbol", request.symbol},
                {"after", seconds_text(now - *entry.good_at)},
                {"why", entry.why},
                {"do", "see whether the provider has a disturbance, and what `penstock check` says"}});
  if (!entry.gap) open_gap(entry, GapCause::stale);
}

// What a catalogue says later holds for the time before, too; else what was not asked for in time may be missing for good.
void PollSchedule::open_gap(Entry& entry, GapCause cause) {
  if (entry.poll.before_stream) return;
  publishing_.gaps(cause).Increment();
  auto& gap = entry.gap.emplace();
  gap.symbol = "*";
  gap.channel = entry.poll.request.channel;
  gap.from_time = entry.good_time;
  gap.to_time = publishing_.clock.now();
  gap.cause = cause;
  gap.state = GapState::open;
  publishing_.publish(gap);
}

void PollSchedule::good(Entry& entry) {
  auto const now = publishing_.clock.steady();
  auto const silent = now - entry.good_at.value_or(now);
  entry.good_at = now;
  entry.good_time = publishing_.clock.now();
  if (std::exchange(entry.stale, false))
    log::info("a poll is answered again",
              {{"channel", entry.poll.request.channel}, {"symbol", entry.poll.request.symbol}, {"after", seconds_text(silent)}});
  if (!entry.gap) return;
  auto gap = *std::exchange(entry.gap, std::nullopt);
  gap.to_time = entry.good_time;
  gap.state = GapState::unfillable;
  publishing_.publish(std::move(gap));
}

// ----

void PollSchedule::refuse(Entry& entry, Answer const& answer) {
  auto const wait =
      entry.poll.before_stream ? entry.backoff.next() : std::max<std::chrono::milliseconds>(refused_wait, entry.poll.every);
  entry.next_at = publishing_.clock.steady() + wait;
  publishing_.retried("refused").Increment();
  if (!entry.refused)
    log::error("the provider refuses a poll",
               {{"channel", entry.poll.request.channel},
                {"symbol", entry.poll.request.symbol},
                {"why", answer.detail},
                {"do", "change [publish." + std::string{publishing_.provider.name()} + "] as it says; it is asked again"}});
  entry.refused = true;
}

}  // namespace penstock
