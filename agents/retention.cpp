#include "agents/retention.hpp"

#include "streaming/log.hpp"
#include "streaming/postgres/migrations.hpp"

#include <condition_variable>
#include <mutex>

namespace penstock {

using namespace std::chrono_literals;

Retention::Retention(postgres::Settings database, Days days) : database_{std::move(database)}, days_{std::move(days)} {
  postgres::check_url(database_);
  std::erase_if(days_, [](auto const& limit) { return limit.second <= 0; });
  if (!days_.empty()) thread_ = std::jthread{[this](std::stop_token const& stop) { run(stop); }};
}

void Retention::run(std::stop_token const& stop) const {
  std::mutex mutex;
  std::unique_lock lock{mutex};
  std::condition_variable_any hour_is_over;
  while (!stop.stop_requested()) {
    drop(stop);
    hour_is_over.wait_for(lock, stop, 1h, [] { return false; });
  }
}

void Retention::drop(std::stop_token const& stop) const try {
  postgres::Connection connection{database_, stop};
  // A chunk that somebody reads would hold the end up until lock_max is over.
  std::stop_callback const interrupt{stop, [&connection] { connection.interrupt(1s); }};
  for (auto const& [kind, days] : days_) {
    auto const dropped = postgres::drop_old_chunks(connection, kind, days);
    if (!dropped.chunks.empty())
      log::info("retention dropped chunks",
                {{"kind", kind}, {"days", std::to_string(days)}, {"chunks", std::to_string(dropped.chunks.size())}});
  }
} catch (std::exception const& error) {
  if (!stop.stop_requested()) log::warning("retention could not run; it is tried again in an hour", {{"why", error.what()}});
}

}  // namespace penstock
