#include "agents/publish.hpp"

#include "agents/fetcher.hpp"
#include "agents/gap_follower.hpp"
#include "agents/poll_schedule.hpp"
#include "agents/publish_queue.hpp"
#include "agents/stream_connection.hpp"
#include "streaming/fault.hpp"

#include <prometheus/gauge.h>

#include <algorithm>
#include <list>

namespace penstock {
namespace {

using Streams = std::list<StreamConnection>;

Streams streams_of(Publishing& publishing, RateWindow& attempts) {
  Streams streams;
  for (auto& stream : publishing.provider.streams(publishing.subscription)) {
    if (auto const chosen = publishing.subscription.silence_max; chosen > std::chrono::milliseconds::zero())
      stream.silence_max = chosen;
    streams.emplace_back(publishing, attempts, std::move(stream));
  }
  return streams;
}

/// What does not come as it should, over all streams and polls.
void tell_staleness(Streams const& streams, PollSchedule& polls, Publishing& publishing, Health& health) {
  constexpr std::size_t told_most = 3;
  auto const now = publishing.clock.steady();
  auto troubles = polls.troubles(now);
  auto stale = troubles.size();
  for (auto const& stream : streams) {
    stale += stream.is_stale() ? 1 : 0;
    if (auto trouble = stream.trouble(now)) troubles.push_back(std::move(*trouble));
  }
  publishing.metrics.stale_streams(publishing.labels()).Set(static_cast<double>(stale));
  if (troubles.empty()) return health.good("streams", std::to_string(streams.size()) + " streams and all polls bring data");
  std::string why = std::to_string(troubles.size()) + " bring nothing: ";
  for (std::size_t at = 0; at < std::min(told_most, troubles.size()); ++at) why += (at == 0 ? "" : "; ") + troubles[at];
  health.bad("streams", why + (troubles.size() > told_most ? "; …" : ""));
}

/// Whatever was received is acknowledged or in the spool when this returns; otherwise it throws the Fault that says what is
/// not.
void shut_down(Streams& streams, PublishQueue& queue, Clock& clock, std::chrono::milliseconds limit) {
  streams.clear();  // Closes the sockets: nothing new comes in.
  auto const deadline = clock.steady() + limit;
  while (!queue.kept()) try {
      queue.flush(std::chrono::milliseconds{200});
    } catch (Fault const& fault) {
      if (fault.kind() != Fault::Kind::transient) throw;
      if (clock.steady() < deadline)
        clock.sleep(std::chrono::milliseconds{50}, {});
      else if (!queue.keep())
        throw;
    }
  queue.keep();
}

}  // namespace

void run_publish(Provider const& provider, Subscription const& subscription, PublishOptions const& options, http::Client& client,
                 Producer& producer, Spool* spool, GapsTopic const& gaps, Clock& clock, Metrics& metrics, Health& health,
                 std::stop_token const& stop) {
  PublishQueue queue{producer, spool, clock, metrics, provider.name()};
  Publishing publishing{provider, subscription, options.publisher, client, clock, metrics, queue};
  Fetcher fetcher{publishing};
  PollSchedule polls{publishing, fetcher};
  GapFollower gap_follower{publishing, fetcher, gaps};
  RateWindow attempts{provider.limits().connections_per_5_minutes, std::chrono::minutes{5}};
  auto streams = streams_of(publishing, attempts);
  auto tell_at = clock.steady();

  while (!stop.stop_requested()) try {
      health.turned();
      if (auto const now = clock.steady(); now >= tell_at) {
        tell_at = now + std::chrono::seconds{1};
        tell_staleness(streams, polls, publishing, health);
        publishing.show_ages();
        fetcher.show_budget();
        queue.tell(health);
      }
      queue.drain();  // What the broker would not take before goes first.
      polls.start_due();
      if (polls.catalogue_is_in_the_log()) {
        gap_follower.follow();
        gap_follower.start_due();
        for (auto& stream : streams) stream.step();
        gap_follower.close_left_open(std::ranges::all_of(streams, &StreamConnection::was_open), polls);
      }
      // A full queue leaves everything outside where it is: TCP then tells the provider to wait.
      client.run(queue.open() ? options.turn : options.turn / 4, queue.open());
      queue.poll();
    } catch (Fault const& fault) {
      // What was received outlives this process, where there is a spool.
      if (fault.kind() != Fault::Kind::transient) queue.keep();
      queue.hold(fault);  // Throws a fatal one.
    }
  shut_down(streams, queue, clock, options.flush_max);
}

}  // namespace penstock
