#include "agents/publish.hpp"

#include "agents/fetcher.hpp"
#include "agents/gap_follower.hpp"
#include "agents/poll_schedule.hpp"
#include "agents/publish_queue.hpp"
#include "agents/stream_connection.hpp"
#include "streaming/fault.hpp"

#include <algorithm>
#include <list>

namespace penstock {
namespace {

using Streams = std::list<StreamConnection>;

Streams streams_of(Publishing& publishing, RateWindow& attempts) {
  Streams streams;
  for (auto const& stream : publishing.provider.streams(publishing.subscription))
    streams.emplace_back(publishing, attempts, stream);
  return streams;
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
                 Producer& producer, Spool* spool, GapsTopic const& gaps, Clock& clock, Metrics& metrics,
                 std::stop_token const& stop) {
  PublishQueue queue{producer, spool, clock, metrics, provider.name()};
  Publishing publishing{provider, subscription, options.publisher, client, clock, metrics, queue};
  Fetcher fetcher{publishing};
  PollSchedule polls{publishing, fetcher};
  GapFollower gap_follower{publishing, fetcher, gaps};
  RateWindow attempts{provider.limits().connections_per_5_minutes, std::chrono::minutes{5}};
  auto streams = streams_of(publishing, attempts);

  while (!stop.stop_requested()) try {
      queue.drain();  // What the broker would not take before goes first.
      polls.start_due();
      if (polls.catalogue_is_in_the_log()) {
        gap_follower.follow();
        gap_follower.start_due();
        for (auto& stream : streams) stream.step();
        if (std::ranges::all_of(streams, &StreamConnection::was_open)) gap_follower.close_left_open();
      }
      // A full queue leaves everything outside where it is: TCP then tells the provider to wait.
      client.run(queue.open() ? options.turn : options.turn / 4, queue.open());
      queue.poll();
    } catch (Fault const& fault) {
      queue.hold(fault);  // Throws a fatal one.
    }
  shut_down(streams, queue, clock, options.flush_max);
}

}  // namespace penstock
