/// What a dead letter would become now: with this version's decoder, the instruments that are known now, and validation; a
/// canonical record is only read and validated, the database is not asked. One thread.
#pragma once

#include "agents/transform/catalogue.hpp"
#include "streaming/record.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock {

struct DecodedNow {
  std::vector<std::pair<std::string, std::string>> records;  ///< kind, JSON
  std::vector<std::pair<std::size_t, Reject>> rejected;      ///< index in the frame
  std::vector<Reject> frame;                                 ///< at most one: it is bad as a whole
  bool ignored = false;                                      ///< a control frame
  std::string impossible;                                    ///< why this version cannot say; "": it can
};

/// `source`: the topic that the letter came from; impossible is one that is neither raw.<known provider> nor md.<kind>.
DecodedNow decode_now(Delivery const& letter, std::string_view source, Catalogue& catalogue);

}  // namespace penstock
