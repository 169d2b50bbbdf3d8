/// Where publishers keep what the broker does not take.
#pragma once

#include "streaming/config.hpp"
#include "streaming/spool.hpp"

#include <memory>
#include <string>

namespace penstock {

/// The spool of one publisher: <spool.folder>/<kafka.brokers>/<provider>-<number>, with the lowest number that no running
/// publisher has; one that holds records first. Warns of records that only another publisher would send. nullptr: there is
/// to be none, or the disk has no room for one (logged). Throws UsageError where the folder cannot be used.
std::unique_ptr<Spool> open_spool(Config const& config, std::string const& provider);

/// Whether publishers may keep records there, in words. Makes the folder. Throws UsageError where they may not, a transient
/// Fault where there is no room now.
std::string check_spool(Config const& config);

}  // namespace penstock
