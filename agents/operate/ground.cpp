#include "agents/operate/ground.hpp"

#include "agents/connections.hpp"
#include "agents/operate/reach.hpp"
#include "agents/topic_plan.hpp"
#include "schemas/texts.hpp"
#include "streaming/backoff.hpp"
#include "streaming/fault.hpp"
#include "streaming/kafka/topics.hpp"
#include "streaming/log.hpp"
#include "streaming/postgres/migrations.hpp"
#include "streaming/time.hpp"

#include <future>
#include <vector>

namespace penstock {
namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;
constexpr seconds tell_again{30};

}  // namespace

void apply_topic_plan(Config const& config, std::stop_token const& stop) {
  auto const connection = connection_of(config);
  auto differences = kafka::plan_topics(connection, topic_plan(config));
  for (auto const& difference : differences)
    if (!difference.risk.empty())
      log::warning("a topic differs from its plan and is left as it is; see `penstock topics plan`",
                   {{"topic", difference.spec.name}, {"why", difference.detail}, {"risk", difference.risk}});
  std::erase_if(differences, [](auto const& difference) { return !difference.can_be_made() || !difference.risk.empty(); });
  if (stop.stop_requested()) throw Fault{Fault::Kind::transient, "stopped before the topics were made"};
  kafka::apply_topics(connection, differences);
  if (!differences.empty()) log::info("topics applied", {{"changes", std::to_string(differences.size())}});
}

void prepare_database(Config const& config, bool apply, std::stop_token const& stop) {
  auto const opened = open_database(config, stop);
  if (!apply) return require_schema(*opened);
  postgres::apply_migrations(*opened, schema_texts(), [](postgres::MigrationState const& state) {
    if (state.kind == postgres::MigrationState::Kind::applied) log::info("migration applied", {{"file", state.name}});
  });
}

bool until_there(std::string const& what, milliseconds limit, std::stop_token const& stop, std::function<void()> const& attempt) {
  auto const until = Steady::now() + limit;
  Steady::time_point told{};
  Backoff backoff{milliseconds{250}, seconds{5}};
  while (!stop.stop_requested()) try {
      attempt();
      if (told != Steady::time_point{}) log::info(what + " is there");
      return true;
    } catch (Fault const& fault) {
      if (stop.stop_requested()) break;
      auto const now = Steady::now();
      if (fault.kind() != Fault::Kind::transient || (limit.count() > 0 && now >= until)) throw;
      if (now >= told + tell_again) {
        log::warning(what + " is away; it is waited for", {{"why", fault.what()}});
        told = now;
      }
      system_clock().sleep(backoff.next(), stop);
    }
  return false;
}

void EmbeddedGround::make_topics(Config const& config) {
  // librdkafka's mock cluster looks at such requests a few times a second, at all that are there: asked one after the
  // other they take seconds.
  std::vector<std::future<void>> made;
  for (auto const& topic : topic_plan(config))
    if (made_.insert(topic.name).second)
      made.push_back(std::async(std::launch::async, [this, topic] { broker_.create_topic(topic.name, topic.partitions); }));
  for (auto& one : made) one.get();
}

}  // namespace penstock
