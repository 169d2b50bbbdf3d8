#include "agents/publishing.hpp"

#include <prometheus/counter.h>

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
      received_{metrics_.received({{"provider", std::string{provider_.name()}}})} {}

void Publishing::publish(RawFrame const& frame) {
  received_.Increment();
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
  gap.time = gap.received_at = clock.now();
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

}  // namespace penstock
