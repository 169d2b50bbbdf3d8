/// penstock publish PROVIDER: the agent that brings one provider's bytes into the log.
#include "agents/publish.hpp"

#include "agents/connections.hpp"
#include "agents/operate/commands.hpp"
#include "agents/operate/reach.hpp"
#include "agents/status.hpp"
#include "agents/subscription.hpp"
#include "streaming/kafka/kafka.hpp"

namespace penstock {
namespace {

using namespace std::chrono_literals;

/// How far md.gaps is read back for lost connections that nobody told to be back.
constexpr auto gaps_from = 24h * 7;

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
  if (!wait_for_broker(kafka, invocation.stop)) return stopped_as_asked;
  auto const client = http::make_client(config.text(publish_key(provider, "ca_file")));
  auto const producer = kafka::make_producer(kafka, producing);
  auto const gaps = kafka::make_follower(kafka, {"md.gaps"}, {.from_time = system_clock().now() - gaps_from});
  run_publish(provider, subscription, {.publisher = agent_instance("publish-" + name)}, *client, *producer, *gaps, system_clock(),
              metrics, invocation.stop);
  return stopped_as_asked;
}

}  // namespace

Command const publish_command{
    .name = "publish",
    .summary = "Bring what a provider sends, byte for byte, to raw.<provider>",
    .arguments = "PROVIDER",
    .arguments_least = 1,
    .arguments_most = 1,
    .sections = {"publish.*", "kafka", "status"},
    .flags = {},
    .example = "penstock publish binance --symbols BTC/USDT,ETH/USDT --channels trade,depth   trades and books of two symbols",
    .run = run,
};

}  // namespace penstock
