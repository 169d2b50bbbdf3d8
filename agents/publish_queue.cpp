#include "agents/publish_queue.hpp"

#include "streaming/log.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <algorithm>
#include <format>

namespace penstock {

using namespace std::chrono_literals;

namespace {
constexpr auto tell_again = 10s;
constexpr auto append_again = 200ms;  // After there was no room.
constexpr double nearly_full = 0.8;
constexpr auto sync_every = 1s;  // What a loss of power may cost while the broker is away.
// From 25,000 records a second on they are handed on together: fewer and larger requests, for broker and readers. Below, each at
// once; far above, the producer's requests are large by themselves.
constexpr auto burst_every = 20ms;
constexpr std::size_t burst_least = 500, burst_most = 2'000;
}  // namespace

PublishQueue::PublishQueue(Producer& producer, Spool* spool, Clock& clock, Metrics& metrics, std::string_view provider)
    : producer_{producer},
      spool_{spool},
      clock_{clock},
      written_{metrics.written({{"provider", std::string{provider}}})},
      retried_{metrics.retried({{"provider", std::string{provider}}, {"reason", "broker"}})},
      moved_at_{clock.steady()} {
  if (!spool_) return;
  spool_records_ = &metrics.spool_records({{"provider", std::string{provider}}});
  spool_bytes_ = &metrics.spool_bytes({{"provider", std::string{provider}}});
  spooling_ = spool_->records() > 0;
  if (spooling_)
    log::info("an earlier publisher left records in the spool; they go first",
              {{"folder", spool_->folder().string()}, {"records", std::to_string(spool_->records())}});
  show_depth();
}

// ---- In.

void PublishQueue::put(Topic const& topic, Record record) {
  waiting_.push_back({topic, std::move(record)});
  ++burst_;
  if (!stuck_ && !gathering_) drain();
}

void PublishQueue::drain() {
  auto const now = clock_.steady();
  if (!stuck_ && is_to_gather(now)) return;
  // Behind records that are in the spool there is no way but through it.
  if (bool const away = is_away(now); spool_ && (away || spool_->unread() > 0)) set_aside();
  stuck_ = !waiting_.empty();  // Until all are handed on, whatever is in the way.
  if (held_ && now < held_until_) return;
  hand_over();
  if (waiting_.empty()) full_since_.reset();
  if (held_ && waiting_.empty()) log::info("going on");
  held_ = held_ && !waiting_.empty();
  stuck_ = !waiting_.empty();
}

bool PublishQueue::is_to_gather(Instant now) {
  if (now < burst_until_) return gathering_;
  burst_until_ = now + burst_every;
  gathering_ = burst_ >= burst_least && burst_ <= burst_most;
  burst_ = 0;
  return false;
}

void PublishQueue::hand_over() {
  if (spool_)
    while (auto const* next = spool_->next()) {
      if (!producer_.produce(next->topic, next->record)) return;
      spool_->pass();
      backoff_.reset();
    }
  while (!waiting_.empty() && producer_.produce(waiting_.front().topic, waiting_.front().record)) {
    if (spool_) sent_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    backoff_.reset();
  }
}

// ---- Acknowledgements.

void PublishQueue::poll() {
  producer_.poll(0ms);
  settle();
  if (!spool_) return;
  sync_when_due();
  show_depth();
}

void PublishQueue::settle() {
  auto const written = producer_.written_total();
  written_.Increment(static_cast<double>(written - std::exchange(written_before_, written)));
  auto const settled = producer_.settled_total();
  auto const count = static_cast<std::size_t>(settled - std::exchange(settled_before_, settled));
  if (count == 0) return;
  moved_at_ = clock_.steady();
  if (!spool_) return;
  auto const spooled = std::min(count, spool_->given());
  spool_->forget(spooled);
  sent_.erase(sent_.begin(), sent_.begin() + static_cast<std::ptrdiff_t>(count - spooled));
  if (!spooling_ || spool_->records() > 0) return;
  spooling_ = false;
  log::info("the broker has taken all that was in the spool");
}

void PublishQueue::show_depth() {
  spool_records_->Set(static_cast<double>(spool_->records()));
  spool_bytes_->Set(static_cast<double>(spool_->bytes()));
}

// ---- The broker is away.

// A broker that is slow acknowledges; one whose reader sets the pace (pacing) has nothing left to acknowledge.
bool PublishQueue::is_away(Instant now) {
  if (!held_ && producer_.queued_records() == 0) moved_at_ = now;
  away_ = now - moved_at_ >= away_after;
  return away_;
}

// To the spool, in order: first what is with the producer, which may yet acknowledge it from there.
void PublishQueue::set_aside() {
  if (sent_.empty() && waiting_.empty()) return;
  auto const now = clock_.steady();
  if (now < append_again_) return;
  for (; !sent_.empty(); sent_.pop_front())
    if (!append(sent_.front(), true)) return;
  for (; !waiting_.empty(); waiting_.pop_front())
    if (!append(waiting_.front(), false)) return;
}

bool PublishQueue::append(Waiting const& one, bool given) {
  auto const taken = spool_->append(one.topic, one.record, given);
  auto const now = clock_.steady();
  if (taken) {
    if (!std::exchange(spooling_, true))
      log::warning("the broker takes nothing; what comes goes to the spool", {{"folder", spool_->folder().string()}});
    return true;
  }
  append_again_ = now + append_again;
  if (!full_since_) full_since_ = now;
  full_why_ = taken.error();
  if (now >= full_told_ + tell_again) {
    log::warning("the spool has no room; nothing is read from the provider until it has", {{"why", taken.error()}});
    full_told_ = now;
  }
  return false;
}

void PublishQueue::sync_when_due() {
  auto const now = clock_.steady();
  if (now < sync_at_) return;
  sync_at_ = now + sync_every;
  spool_->sync();
}

void PublishQueue::hold(Fault const& fault) {
  if (fault.kind() != Fault::Kind::transient) throw Fault{fault};
  auto const now = clock_.steady();
  if (!held_ || now >= told_ + tell_again) {
    log::warning("held up; nothing is read from the provider until this is over", {{"why", fault.what()}});
    told_ = now;
  }
  held_ = true;
  held_why_ = fault.what();
  held_until_ = now + backoff_.next();
  retried_.Increment();
}

void PublishQueue::tell(Health& health) const {
  auto const where = spool_ ? "what comes goes to the spool" : "nothing is read from the provider until it does";
  if (held_)
    health.bad("output", "the broker refuses what comes; " + std::string{where} + ": " + held_why_);
  else if (away_)
    health.bad("output", "the broker acknowledges nothing; " + std::string{where} + ": see whether it runs, and has room");
  else
    health.good("output", std::to_string(producer_.queued_records()) + " records are with the producer");
  if (!spool_) return;
  auto const depth = std::format("{} records, {} of at most {} bytes", spool_->records(), spool_->bytes(), spool_->bytes_max());
  if (full_since_)
    health.bad("spool", "it has no room, so nothing is read from the provider: " + full_why_ + " (" + depth +
                            "): bring the broker back, or raise spool.bytes_max");
  else if (static_cast<double>(spool_->bytes()) > nearly_full * static_cast<double>(spool_->bytes_max()))
    health.bad("spool", "it is nearly full (" + depth + "): bring the broker back, or raise spool.bytes_max");
  else
    health.good("spool", depth);
}

// ---- The end.

void PublishQueue::flush(std::chrono::milliseconds limit) {
  held_ = gathering_ = false;
  drain();
  try {
    producer_.flush(limit);
  } catch (Fault const&) {
    settle();
    throw;
  }
  settle();
  if (!waiting_.empty())
    throw Fault{Fault::Kind::transient,
                "the broker took no more: " + std::to_string(waiting_.size()) + " received records are not written"};
}

bool PublishQueue::keep() {
  if (!spool_) return kept();
  append_again_ = {};
  set_aside();
  spool_->sync();
  show_depth();
  return kept();
}

}  // namespace penstock
