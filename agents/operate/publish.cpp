/// penstock publish PROVIDER: the agent that brings one provider's bytes into the log.
#include "agents/publish.hpp"

#include "agents/connections.hpp"
#include "agents/health/reporting.hpp"
#include "agents/operate/commands.hpp"
#include "agents/operate/reach.hpp"
#include "agents/spool_folder.hpp"
#include "agents/subscription.hpp"
#include "streaming/fault.hpp"
#include "streaming/kafka/kafka.hpp"

#include <future>
#include <optional>
#include <thread>

namespace penstock {
namespace {

using namespace std::chrono_literals;

/// How far md.gaps is read back for lost connections that nobody told to be back.
constexpr auto gaps_from = 24h * 7;

/// Made in a thread of its own, which waits for the broker without end: the publisher has a spool and does not.
class Follower {
 public:
  explicit Follower(kafka::Connection connection)
      : thread_{[connection = std::move(connection), made = std::move(promise_)](std::stop_token const& stop) mutable {
          try {
            made.set_value(follow(connection, stop));
          } catch (...) {
            made.set_exception(std::current_exception());
          }
        }} {}

  /// nullptr: not yet. Throws the Fault that waiting cannot help.
  Consumer* get() {
    if (made_.valid() && made_.wait_for(0s) == std::future_status::ready) consumer_ = made_.get();
    return consumer_.get();
  }

 private:
  static std::unique_ptr<Consumer> follow(kafka::Connection const& connection, std::stop_token const& stop) {
    while (wait_for_broker(connection, stop, 0s)) try {
        return kafka::make_follower(connection, {"md.gaps"}, {.from_time = system_clock().now() - gaps_from});
      } catch (Fault const& fault) {
        if (fault.kind() != Fault::Kind::transient) throw;
        system_clock().sleep(500ms, stop);
      }
    return nullptr;
  }

  std::promise<std::unique_ptr<Consumer>> promise_;
  std::future<std::unique_ptr<Consumer>> made_ = promise_.get_future();
  std::unique_ptr<Consumer> consumer_;
  std::jthread thread_;
};

int run(Invocation const& invocation) {
  auto const& config = invocation.config;
  auto const& provider = provider_named(invocation.arguments.at(0));
  auto const subscription = subscription_of(provider, config);
  auto const name = std::string{provider.name()};
  auto const kafka = connection_of(config);
  auto const spool = open_spool(config, name);
  kafka::ProducerOptions producing{.pacing = {.bytes_max = static_cast<std::size_t>(config.integer("kafka.pace_bytes_max")),
                                              .readers = {{"raw." + name, config.text("transform.group")}}}};
  PublishOptions options{.publisher = agent_instance("publish-" + name)};
  if (spool) {
    producing.queue_bytes_max /= 2;  // What is in it is in memory a second time, for the spool.
    options.flush_max = 1s;
  }

  Metrics metrics{"publish"};
  Health health;
  Reporting const reporting{config, kafka, metrics, health};
  if (!spool && !wait_for_broker(kafka, invocation.stop, config.milliseconds("kafka.wait_ms_max"))) return stopped_as_asked;
  auto const client = http::make_client(config.text(publish_key(provider, "ca_file")));
  auto const producer = kafka::make_producer(kafka, producing);
  Follower gaps{kafka};
  run_publish(
      provider, subscription, options, *client, *producer, spool.get(), [&] { return gaps.get(); }, system_clock(), metrics,
      health, invocation.stop);
  return stopped_as_asked;
}

}  // namespace

Command const publish_command{
    .name = "publish",
    .summary = "Bring what a provider sends, byte for byte, to raw.<provider>",
    .arguments = "PROVIDER",
    .arguments_least = 1,
    .arguments_most = 1,
    .sections = {"publish.*", "kafka", "spool", "http", "health", "status"},
    .flags = {},
    .example = "penstock publish binance --symbols BTC/USDT,ETH/USDT --channels trade,depth   trades and books of two symbols",
    .run = run,
};

}  // namespace penstock
