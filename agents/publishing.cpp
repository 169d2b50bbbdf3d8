#include "agents/publishing.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <algorithm>

namespace penstock {

Publishing::Publishing(Provider const& provider_, Subscription const& subscription_, std::string publisher, http::Client& client_,
                       Clock& clock_, Metrics& metrics_, PublishQueue& queue_)
    : provider{provider_},
      subscription{subscription_},
      client{client_},
      clock{clock_},
      metrics{metrics_},
      queue{queue_},
      publisher_{std::move(publisher)},
      connection_prefix_{publisher_ + '/' + to_text(clock_.now()) + '/'},
      raw_{"raw." + std::string{provider_.name()}},
      received_{metrics_.received(labels())} {
  for (auto const& channel : subscription.channels) add_channel(channel);
  for (auto const& poll : provider.polls(subscription)) add_channel(poll.request.channel);
  // What alerts look at is there before it happens.
  for (auto const* reason : {"lost", "connect", "refused", "throttled", "broken", "gap"}) retried(reason);
  for (auto const cause : {GapCause::reconnect, GapCause::stale, GapCause::refused, GapCause::spool_full}) gaps(cause);
}

void Publishing::add_channel(std::string const& name) {
  if (std::ranges::contains(channels_, name, &Channel::name)) return;
  auto with_channel = labels();
  with_channel["channel"] = name;
  channels_.push_back({name, clock.steady(), &metrics.last_event_age(with_channel)});
}

void Publishing::show_ages() {
  auto const now = clock.steady();
  for (auto const& channel : channels_) channel.age->Set(std::chrono::duration<double>(now - channel.heard).count());
}

void Publishing::publish(RawFrame const& frame) {
  received_.Increment();
  if (auto const known = std::ranges::find(channels_, frame.channel, &Channel::name); known != channels_.end())
    known->heard = clock.steady();
  Record record{
      .key = std::string{frame.symbol.empty() ? frame.channel : frame.symbol}, .value = std::string{frame.value}, .headers = {}};
  record.headers.reserve(8);
  auto const header = [&](char const* name, std::string_view value) { record.headers.emplace_back(name, value); };
  header("channel", frame.channel);
  header("symbol", frame.symbol);
  header("request", frame.request);
  header("received_at", to_text(frame.received_at));
  header("origin", to_text(frame.origin));
  header("publisher", publisher_);
  header("connection", frame.connection);
  header("ordinal", std::to_string(frame.ordinal));
  queue.put(raw_, std::move(record));
}

void Publishing::publish(Gap gap) {
  gap.source = provider.name();
  // The later record wins, also over one of a publisher whose clock is ahead.
  gap.time = gap.received_at = std::max(clock.now(), gap.received_at);
  MarketRecord const market{std::move(gap)};
  Record record{.headers = {{"schema", std::string{schema_of(market)}}, {"origin", std::string{to_text(Origin::live)}}}};
  append_key(record.key, common_of(market));
  append_json(record.value, market);
  queue.put("md.gaps", std::move(record));
}

std::string Publishing::next_connection() { return connection_prefix_ + std::to_string(connections_++); }

prometheus::Counter& Publishing::retried(std::string const& reason) {
  return metrics.retried({{"provider", std::string{provider.name()}}, {"reason", reason}});
}

prometheus::Counter& Publishing::gaps(GapCause cause) {
  return metrics.gaps({{"provider", std::string{provider.name()}}, {"cause", std::string{to_text(cause)}}});
}

}  // namespace penstock
