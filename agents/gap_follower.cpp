#include "agents/gap_follower.hpp"

#include "streaming/log.hpp"

#include <prometheus/counter.h>

#include <algorithm>

namespace penstock {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t wanted_max = 1'000;
constexpr std::size_t left_open_max = 1'000;
constexpr auto asked_from = 1h;  // What was opened longer ago is not asked for again after a restart.
constexpr std::size_t deliveries_max = 1'000;
constexpr auto follow_every = 50ms;
constexpr auto tell_every = 10s;

bool same(Gap const& left, Gap const& right) {
  return left.symbol == right.symbol && left.channel == right.channel && left.from_time == right.from_time;
}

}  // namespace

GapFollower::GapFollower(Publishing& publishing, Fetcher& fetcher, GapsTopic const& gaps)
    : publishing_{publishing}, fetcher_{fetcher}, gaps_{gaps}, began_{publishing.clock.now()} {}

void GapFollower::follow() {
  auto const now = publishing_.clock.steady();
  auto* const gaps = now < follow_at_ ? nullptr : gaps_();
  if (gaps == nullptr) return;
  gaps->poll(deliveries_, deliveries_max, 0ms);
  caught_up_ = deliveries_.empty();
  // A full batch means that there is more, which may well close what this one opens.
  follow_at_ = deliveries_.size() < deliveries_max ? now + follow_every : now;
  for (auto const& delivery : deliveries_)
    if (auto record = parse_record(Gap::kind, delivery.value)) learn(std::get<Gap>(std::move(*record)));
  deliveries_.clear();
}

bool GapFollower::is_ours(Gap const& gap) const {
  return gap.source == publishing_.provider.name() && std::ranges::contains(publishing_.subscription.symbols, gap.symbol);
}

void GapFollower::learn(Gap gap) {
  if (gap.source == publishing_.provider.name() && gap.symbol == "*") return learn_left_open(std::move(gap));
  if (!is_ours(gap) || gap.time < began_ - asked_from) return;
  auto const known = std::ranges::find_if(wanted_, [&](auto const& wanted) { return same(wanted.gap, gap); });
  if (gap.state != GapState::open) {
    if (known != wanted_.end()) drop(known);
  } else if (known != wanted_.end()) {
    ask_again(*known, std::move(gap));
  } else if (auto requests = publishing_.provider.backfill(gap, publishing_.subscription); !requests.empty()) {
    wanted_.push_back({.gap = std::move(gap), .requests = std::move(requests), .not_before = publishing_.clock.steady()});
    make_room();
  }
}

// `*` is a whole connection, whose symbols' gaps are gaps of their own, or a poll. Its StreamConnection or PollSchedule closes
// it, unless its process ended before.
void GapFollower::learn_left_open(Gap gap) {
  std::erase_if(left_open_, [&](auto const& known) { return same(known, gap); });
  if (gap.state != GapState::open || gap.time >= began_) return;
  if (left_open_.size() == left_open_max) left_open_.erase(left_open_.begin());
  left_open_.push_back(std::move(gap));
}

void GapFollower::close_left_open(bool connections_are_back, PollSchedule const& polls) {
  if (!caught_up_) return;  // What comes next may close them.
  std::erase_if(left_open_, [&](Gap& gap) {
    bool const of_connection = gap.channel == "*";
    if (of_connection ? !connections_are_back : !polls.answers(gap.channel)) return false;
    gap.to_time = publishing_.clock.now();
    gap.state = of_connection ? GapState::filled : GapState::unfillable;
    publishing_.publish(std::move(gap));
    return true;
  });
}

// One that has grown since is asked for whole.
void GapFollower::ask_again(Wanted& wanted, Gap gap) {
  bool const asked = wanted.requests.empty();
  bool const grown = gap.from_sequence < wanted.gap.from_sequence || gap.to_sequence > wanted.gap.to_sequence;
  wanted.gap = std::move(gap);
  wanted.gone = false;
  if (wanted.running || !(asked || grown)) return;
  wanted.requests = publishing_.provider.backfill(wanted.gap, publishing_.subscription);
  if (!asked) return;
  wanted.not_before = publishing_.clock.steady() + wanted.backoff.next();
  publishing_.retried("gap").Increment();
}

void GapFollower::drop(std::list<Wanted>::iterator wanted) {
  wanted->gone = true;
  if (!wanted->running) wanted_.erase(wanted);
}

void GapFollower::make_room() {
  if (wanted_.size() <= wanted_max) return;
  auto const oldest = std::ranges::find_if(wanted_, [](auto const& wanted) { return !wanted.gone; });
  ++dropped_;
  if (auto const now = publishing_.clock.steady(); now >= tell_at_) {
    log::warning("too many gaps are open; the oldest are not fetched",
                 {{"dropped", std::to_string(dropped_)}, {"symbol", oldest->gap.symbol}, {"channel", oldest->gap.channel}});
    tell_at_ = now + tell_every;
  }
  drop(oldest);
}

void GapFollower::start_due() {
  auto const now = publishing_.clock.steady();
  for (auto& wanted : wanted_) {
    if (wanted.running || wanted.gone || wanted.requests.empty() || now < wanted.not_before) continue;
    if (!fetcher_.ready(wanted.requests.front())) return;
    wanted.running = true;
    fetcher_.start(wanted.requests.front(), [this, &wanted](Answer const& answer) { finish(wanted, answer); });
  }
}

void GapFollower::finish(Wanted& wanted, Answer const& answer) {
  wanted.running = false;
  switch (answer.kind) {
    case Answer::Kind::ok:
    case Answer::Kind::empty: wanted.requests.erase(wanted.requests.begin()); break;
    case Answer::Kind::throttled: break;  // The fetcher holds all requests back.
    case Answer::Kind::refused:
      log::error("the provider refuses to fill a gap", {{"symbol", wanted.gap.symbol},
                                                        {"channel", wanted.gap.channel},
                                                        {"why", answer.detail},
                                                        {"do", "look at the answer; the gap stays open in md.gaps"}});
      publishing_.retried("refused").Increment();
      wanted.requests.clear();
      break;
    case Answer::Kind::broken:
      wanted.not_before = publishing_.clock.steady() + wanted.backoff.next();
      publishing_.retried("broken").Increment();
      break;
  }
  if (wanted.gone) wanted_.remove_if([&](auto const& other) { return &other == &wanted; });
}

}  // namespace penstock
