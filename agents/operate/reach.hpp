/// How commands and agents come to the broker and the database when they start: one clear line where that fails.
#pragma once

#include "streaming/config.hpp"
#include "streaming/kafka/kafka.hpp"
#include "streaming/postgres/connection.hpp"

#include <chrono>
#include <memory>
#include <stop_token>

namespace penstock {

/// False where it was asked to stop while it waited. Throws Fault that says which setting to change when no broker
/// answered within `limit`, or at once when one does not let us in; 0: waits without end, and logs now and then that it does.
bool wait_for_broker(kafka::Connection const& connection, std::stop_token const& stop, std::chrono::milliseconds limit);

/// Throws Fault or UsageError that says which setting to change.
/// `limit`: for the whole way in; 0: the usual one.
std::unique_ptr<postgres::Connection> open_database(Config const& config, std::stop_token const& stop,
                                                    std::chrono::milliseconds limit = {});

/// Throws Fault where the database lacks tables of this version of penstock, or is of another.
void require_schema(postgres::Connection& connection);

}  // namespace penstock
