#include "agents/store.hpp"

#include "agents/connections.hpp"
#include "agents/operate/commands.hpp"
#include "agents/status.hpp"
#include "schemas/kinds.hpp"
#include "schemas/table_shapes.hpp"
#include "streaming/fault.hpp"
#include "streaming/kafka/kafka.hpp"
#include "streaming/log.hpp"
#include "streaming/postgres/migrations.hpp"
#include "streaming/postgres/sink.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace penstock {
namespace {

using std::chrono::hours;

std::vector<std::string> kinds_of(Config const& config) {
  auto kinds = config.list("store.kinds");
  if (kinds.empty()) kinds.assign(kind_names.begin(), kind_names.end());
  return kinds;
}

/// Drops what is older than retention.<kind>_days, at start and once an hour, on a connection and thread of its own.
class Retention {
 public:
  Retention(Config const& config, std::vector<std::string> const& kinds) : database_{database_of(config)} {
    for (auto const& kind : kinds)
      if (auto const days = config.integer("retention." + kind + "_days"); days > 0) days_.emplace_back(kind, days);
    if (!days_.empty()) thread_ = std::jthread{[this](std::stop_token const& stop) { run(stop); }};
  }

 private:
  void run(std::stop_token const& stop) {
    std::mutex mutex;
    std::unique_lock lock{mutex};
    std::condition_variable_any hour_is_over;
    while (!stop.stop_requested()) {
      drop(stop);
      hour_is_over.wait_for(lock, stop, hours{1}, [] { return false; });
    }
  }

  void drop(std::stop_token const& stop) try {
    postgres::Connection connection{database_, stop};
    for (auto const& [kind, days] : days_) {
      auto const dropped = postgres::drop_old_chunks(connection, kind, days);
      if (!dropped.chunks.empty())
        log::info("retention dropped chunks",
                  {{"kind", kind}, {"days", std::to_string(days)}, {"chunks", std::to_string(dropped.chunks.size())}});
    }
  } catch (Fault const& fault) {
    log::warning("retention could not run; it is tried again in an hour", {{"error", fault.what()}});
  }

  postgres::Settings database_;
  std::vector<std::pair<std::string, std::int64_t>> days_;
  std::jthread thread_;
};

int run(Invocation const& invocation) {
  auto const& config = invocation.config;
  auto const kinds = kinds_of(config);
  auto const kafka = connection_of(config);
  auto const instance = agent_instance("store");
  StoreOptions options{.topics = {},
                       .batch_count_max = static_cast<std::size_t>(config.integer("store.batch_count_max")),
                       .batch_bytes_max = static_cast<std::size_t>(config.integer("store.batch_bytes_max")),
                       .batch_age_max = config.milliseconds("store.batch_age_ms_max")};
  for (auto const& kind : kinds) options.topics.push_back("md." + kind);

  Metrics metrics{"store"};
  StatusWriter const status{metrics, static_cast<int>(config.integer("status.fd"))};
  Retention const retention{config, kinds};
  auto const consumer = kafka::make_consumer(kafka, {.group = config.text("store.group")});
  auto const dead_letters = kafka::make_producer(kafka, {});
  postgres::PostgresSink sink{{.database = database_of(config), .group = config.text("store.group"), .instance = instance, .shape_of = table_shape_of}};
  run_store(*consumer, sink, *dead_letters, system_clock(), options, metrics, invocation.stop);
  return stopped_as_asked;
}

}  // namespace

Command const store_command{
    .name = "store",
    .summary = "Writes md.<kind> topics to the tables, rows and offsets in one transaction",
    .arguments = "",
    .sections = {"store", "kafka", "database", "retention", "status"},
    .flags = {},
    .example = "penstock store --kinds trades,candles --batch-age-ms-max 200   writes two kinds, in batches of up to 200 ms",
    .run = run,
};

}  // namespace penstock
