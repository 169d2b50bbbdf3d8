#include "agents/connections.hpp"
#include "agents/operate/check_world.hpp"
#include "agents/operate/counted.hpp"
#include "agents/topic_plan.hpp"
#include "streaming/fault.hpp"
#include "streaming/kafka/cluster.hpp"
#include "streaming/kafka/topics.hpp"

#include <algorithm>

namespace penstock {

namespace {

using State = Found::State;
using Difference = kafka::TopicDifference;

constexpr std::chrono::seconds wait{5};

Found look_at_topics(Config const& config) {
  auto const plan = topic_plan(config);
  auto const [differences, configs_known] = kafka::compare_topics(connection_of(config), plan, wait);
  std::string text;
  constexpr std::size_t shown = 3;
  for (std::size_t i = 0; i < std::min(shown, differences.size()); ++i)
    text += (i == 0 ? "" : ", ") + differences[i].spec.name +
            (differences[i].kind == Difference::Kind::create ? " is missing" : " (" + differences[i].detail + ')');
  if (differences.size() > shown) text += " and " + std::to_string(differences.size() - shown) + " more";
  if (std::ranges::contains(differences, Difference::Kind::create, &Difference::kind))
    return {State::wrong, text + ": run `penstock topics apply`"};
  if (!differences.empty())
    return {State::warning, text + ": `penstock topics plan` shows all, `penstock topics apply` sets what can be"};
  if (!configs_known)
    return {State::warning,
            "all are there, but the broker does not tell how they are kept (the embedded one cannot): look at "
            "retention and compaction there"};
  return counted(plan.size(), "topic") + ", as planned";
}

Found look_at_transactions(Config const& config) {
  auto const connection = connection_of(config);
  if (!connection.transactions)
    return {State::warning,
            "off (kafka.transactions = false): after a crash some outputs of transformers come twice, and the "
            "dedupe window takes them out; true where the broker has transactions"};
  kafka::try_transactions(connection, config.text("transform.group") + "-check", wait);
  return std::string{"can be opened"};
}

}  // namespace

std::vector<Finding> check_broker(Config const& config) {
  std::vector<Finding> findings;
  auto const connection = [&] { return connection_of(config); };
  findings.push_back(finding("broker " + config.text("kafka.brokers"), [&] {
    kafka::check_reachable(connection(), wait);
    auto const cluster = kafka::look_at_cluster(connection(), wait);
    return Found{counted(static_cast<std::size_t>(cluster.brokers), "broker") +
                 (cluster.id.empty() ? "" : ", cluster " + cluster.id)};
  }));
  if (findings.back().found.state == State::wrong) {
    for (auto const* what : {"transactions", "topics"})
      findings.push_back({what, {State::wrong, "not looked at: the broker is away"}});
    return findings;
  }
  findings.push_back(finding("transactions", [&] { return look_at_transactions(config); }));
  findings.push_back(finding("topics", [&] { return look_at_topics(config); }));
  return findings;
}

}  // namespace penstock
