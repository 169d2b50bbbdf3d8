#include "agents/publish_queue.hpp"

#include "streaming/log.hpp"

#include <prometheus/counter.h>

namespace penstock {

using namespace std::chrono_literals;

namespace {
constexpr auto tell_again = 10s;
}

PublishQueue::PublishQueue(Producer& producer, Clock& clock, Metrics& metrics, std::string_view provider)
    : producer_{producer},
      clock_{clock},
      written_{metrics.written({{"provider", std::string{provider}}})},
      retried_{metrics.retried({{"provider", std::string{provider}}, {"reason", "broker"}})} {}

void PublishQueue::put(Topic const& topic, Record record) {
  waiting_.push_back({topic, std::move(record)});
  if (waiting_.size() == 1) drain();
}

void PublishQueue::drain() {
  if (held_ && clock_.steady() < held_until_) return;
  while (!waiting_.empty() && producer_.produce(waiting_.front().topic, waiting_.front().record)) {
    waiting_.pop_front();
    backoff_.reset();
  }
  if (held_ && waiting_.empty()) log::info("going on");
  held_ = held_ && !waiting_.empty();
}

void PublishQueue::poll() {
  count_written();
  producer_.poll(0ms);
}

void PublishQueue::hold(Fault const& fault) {
  if (fault.kind() != Fault::Kind::transient) throw Fault{fault};
  auto const now = clock_.steady();
  if (!held_ || now >= told_ + tell_again) {
    log::warning("held up; nothing is read from the provider until this is over", {{"why", fault.what()}});
    told_ = now;
  }
  held_ = true;
  held_until_ = now + backoff_.next();
  retried_.Increment();
}

void PublishQueue::flush(std::chrono::milliseconds limit) {
  held_ = false;
  drain();
  producer_.flush(limit);
  count_written();
  if (!waiting_.empty())
    throw Fault{Fault::Kind::transient,
                "the broker took no more: " + std::to_string(waiting_.size()) + " received records are not written"};
}

void PublishQueue::count_written() {
  auto const written = producer_.written_total();
  written_.Increment(static_cast<double>(written - std::exchange(written_before_, written)));
}

}  // namespace penstock
