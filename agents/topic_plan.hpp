/// The topics that penstock needs, and how they are kept. Pure.
#pragma once

#include "streaming/config.hpp"
#include "streaming/kafka/topics.hpp"

#include <string_view>
#include <vector>

namespace penstock {

/// raw.<provider> of the configured providers (all known ones where none is configured), md.<kind> of all kinds, a .dead
/// beside each, penstock.ledger and penstock.dead; kept as [kafka] and [topics."NAME"] say. Throws UsageError for what does
/// not go together.
std::vector<kafka::TopicSpec> topic_plan(Config const& config);

/// Whether md.<kind> keeps the last record of each key for ever, and of the older ones those of the last days alone.
bool is_kept_by_key(std::string_view kind);

/// Whether a topic has a name of ours: raw.…, md.…, penstock.….
bool is_our_topic(Topic const& topic);

}  // namespace penstock
