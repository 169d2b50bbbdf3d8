/// penstock publish PROVIDER: the agent that brings one provider's bytes into the log.
#include "agents/publish.hpp"

#include "agents/connections.hpp"
#include "agents/operate/commands.hpp"
#include "agents/settings.hpp"
#include "agents/status.hpp"
#include "streaming/fault.hpp"
#include "streaming/kafka/kafka.hpp"
#include "streaming/log.hpp"

namespace penstock {
namespace {

using namespace std::chrono_literals;

/// Gaps opened longer ago than this are not asked for again after a restart.
constexpr auto gaps_from = 1h;

Provider const& provider_named(std::string const& name) {
  if (auto const* provider = find_provider(name)) return *provider;
  auto const near = nearest(name, provider_names());
  throw UsageError{"there is no provider \"" + name + "\"" + (near.empty() ? "" : "; did you mean \"" + near + "\"?") +
                   " (`penstock list` shows them all)"};
}

std::string without_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

std::vector<std::string> default_channels(Provider const& provider) {
  std::vector<std::string> names;
  for (auto const& channel : provider.channels())
    if (channel.by_default) names.emplace_back(channel.name);
  return names;
}

Subscription subscription_of(Provider const& provider, Config const& config) {
  auto const key = [prefix = "publish." + std::string{provider.name()} + '.'](char const* name) { return prefix + name; };
  Subscription subscription{.symbols = config.list(key("symbols")),
                            .channels = config.list(key("channels")),
                            .intervals = config.list(key("intervals")),
                            .poll_interval = config.milliseconds(key("poll_interval_ms")),
                            .http_url = without_slash(config.text(key("http_url"))),
                            .websocket_url = without_slash(config.text(key("websocket_url"))),
                            .api_key = config.text(key("api_key"))};
  if (subscription.symbols.empty()) subscription.symbols = provider.default_symbols();
  if (subscription.channels.empty()) subscription.channels = default_channels(provider);
  provider.check(subscription);
  return subscription;
}

int run(Invocation const& invocation) {
  auto const& config = invocation.config;
  auto const& provider = provider_named(invocation.arguments.at(0));
  auto const subscription = subscription_of(provider, config);
  auto const name = std::string{provider.name()};
  auto const kafka = connection_of(config);
  kafka::ProducerOptions const producing{.pacing = {.bytes_max = static_cast<std::size_t>(config.integer("kafka.pace_bytes_max")),
                                                    .readers = {{"raw." + name, config.text("transform.group")}}}};

  Metrics metrics{"publish"};
  StatusWriter const status{metrics, static_cast<int>(config.integer("status.fd"))};
  auto const client = http::make_client(config.text("publish." + name + ".ca_file"));
  auto const producer = kafka::make_producer(kafka, producing);
  auto const gaps = kafka::make_follower(kafka, {"md.gaps"}, {.from_time = system_clock().now() - gaps_from});
  run_publish(provider, subscription, {.publisher = agent_instance("publish-" + name)}, *client, *producer, *gaps, system_clock(),
              metrics, invocation.stop);
  return stopped_as_asked;
}

}  // namespace

Command const publish_command{
    .name = "publish",
    .summary = "Brings what a provider sends, byte for byte, to raw.<provider>",
    .arguments = "PROVIDER",
    .arguments_least = 1,
    .arguments_most = 1,
    .sections = {"publish.*", "kafka", "status"},
    .flags = {},
    .example = "penstock publish binance --symbols BTC/USDT,ETH/USDT --channels trade,depth   trades and books of two symbols",
    .run = run,
};

}  // namespace penstock
