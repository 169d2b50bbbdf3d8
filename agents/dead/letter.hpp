/// A record set aside with its why: original key, bytes and headers untouched, plus headers that say what is wrong; and the
/// way back. Pure; any thread.
#pragma once

#include "streaming/record.hpp"
#include "streaming/reject.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace penstock {

/// <topic>.dead
Topic dead_letter_topic(std::string_view topic);

/// `stage`: transform, store. `record`: index from 0 of the bad record in a frame of many, where only that one is bad.
/// A letter that was replayed and failed again carries its `attempt` on, counted up; the first one is 1.
Record dead_letter(Delivery const& delivery, Reject const& reject, std::string_view stage, Time failed_at,
                   std::optional<std::size_t> record = {});

/// What a dead letter says of itself. Views live as long as its delivery.
struct Letter {
  Position source;  ///< of the record that is dead
  std::string_view reason, detail, stage;
  int attempt = 1;
  Time failed_at{};
};

/// Nothing: it is no letter about the topic that this dead-letter topic belongs to.
std::optional<Letter> read_letter(Delivery const& delivery);

/// The record as it was when it failed, plus `attempt`, so that a new failure counts on.
Record original_record(Delivery const& letter);

}  // namespace penstock
