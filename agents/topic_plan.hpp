/// The topics that penstock needs, and how they are kept. Pure.
#pragma once

#include "streaming/config.hpp"
#include "streaming/kafka/topics.hpp"

#include <vector>

namespace penstock {

/// raw.<provider> of the configured providers (all known ones where none is configured), md.<kind> of all kinds, a .dead
/// beside each, penstock.ledger and penstock.dead; partitions and replication as configured.
std::vector<kafka::TopicSpec> topic_plan(Config const& config);

}  // namespace penstock
