#include "agents/topic_plan.hpp"

#include "agents/settings.hpp"
#include "streaming/fault.hpp"

#include "test/folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace penstock;
using penstock::test::File;

namespace {

Config config_of(std::string const& toml) { return load_config(File{toml}.path); }

kafka::TopicSpec spec(std::string const& toml, std::string const& name) {
  for (auto const& topic : topic_plan(config_of(toml)))
    if (topic.name == name) return topic;
  FAIL("there is no topic " << name);
  return {};
}

}  // namespace

TEST_CASE("topic plan: each class is kept as its setting says, and gaps never shorter than 30 days") {
  auto const toml = "[kafka]\nraw_retention_hours = 1\nmd_retention_hours = 2\ndead_retention_hours = 3\n[publish.binance]\n";
  auto const kept = [&](std::string const& name) { return spec(toml, name).config.at("retention.ms"); };
  CHECK(kept("raw.binance") == "3600000");
  CHECK(kept("md.trades") == "7200000");
  CHECK(kept("md.trades.dead") == "10800000");
  CHECK(kept("raw.binance.dead") == "10800000");
  CHECK(kept("penstock.dead") == "21600000");
  CHECK(kept("md.gaps") == "2592000000");
  CHECK(spec("[kafka]\nmd_retention_hours = -1\n", "md.gaps").config.at("retention.ms") == "-1");
  for (auto const* name : {"md.instruments", "md.venues", "penstock.ledger"}) {
    CHECK(spec(toml, name).config.at("cleanup.policy") == "compact");
    CHECK_FALSE(spec(toml, name).config.contains("retention.ms"));
  }
}

TEST_CASE("topic plan: a topic's own section wins over what [kafka] says of all") {
  auto const toml =
      "[kafka]\npartitions = 2\nreplication = 3\nmin_insync_replicas = 2\ncompression = \"zstd\"\n"
      "[topics.\"md.trades\"]\npartitions = 12\nreplication = 2\nretention_hours = -1\ncompression = \"lz4\"\n";
  auto const own = spec(toml, "md.trades"), other = spec(toml, "md.books");
  CHECK(own.partitions == 12);
  CHECK(own.replication == 2);
  CHECK(own.config.at("retention.ms") == "-1");
  CHECK(own.config.at("compression.type") == "lz4");
  CHECK(other.partitions == 2);
  CHECK(other.replication == 3);
  CHECK(other.config.at("compression.type") == "zstd");
  CHECK(other.config.at("min.insync.replicas") == "2");
  CHECK_FALSE(spec("", "md.trades").config.contains("min.insync.replicas"));
}

TEST_CASE("topic plan: what cannot work is refused with the setting") {
  CHECK_THROWS_WITH_AS(topic_plan(config_of("[kafka]\nmin_insync_replicas = 2\n")), doctest::Contains("raise kafka.replication"),
                       UsageError);
  CHECK_THROWS_WITH_AS(topic_plan(config_of("[topics.\"md.instruments\"]\nretention_hours = 5\n")),
                       doctest::Contains("keeps the last record of each key for ever"), UsageError);
  CHECK_THROWS_WITH_AS(config_of("[topics.\"md.trdes\"]\npartitions = 5\n"), doctest::Contains("did you mean md.trades?"),
                       UsageError);
}

TEST_CASE("topic plan: ours are those with our names") {
  for (auto const* name : {"raw.nasdaq", "md.trades", "md.old.dead", "penstock.ledger"}) CHECK(is_our_topic(name));
  for (auto const* name : {"orders", "__consumer_offsets", "rawhide", "mdx.trades"}) CHECK_FALSE(is_our_topic(name));
}
