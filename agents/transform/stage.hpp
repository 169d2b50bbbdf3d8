/// What the stages of one partition share: where a record came from, and where it goes.
#pragma once

#include "schemas/kinds.hpp"
#include "streaming/record.hpp"

#include <boost/unordered/unordered_node_map.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace penstock {

/// The raw record that is being transformed. Views live as long as its delivery.
struct Frame {
  std::string_view channel, connection, publisher{};
  Origin origin = Origin::live;
  Time received_at{};
  Offset offset{};
  bool replayed = false;  ///< from the dead letters: out of its time, it says nothing about what is missing
  Duration grace{};       ///< that what is missing before it may still come from another publisher; 0: there is none
};

/// Takes what the stages give out. A record that was decoded comes out exactly once: written, dropped or rejected.
class Downstream {
 public:
  virtual ~Downstream() = default;
  virtual void write(MarketRecord const& record, Origin origin) = 0;
  virtual void drop(MarketRecord const& record) = 0;              ///< a duplicate, or older than the book it belongs to
  virtual void reject(std::size_t index, Reject const& why) = 0;  ///< of the frame in hand
  virtual void gap(Gap const& gap, bool is_new) = 0;  ///< found by a stage, not decoded; not new: told again, or closed
};

/// Maps that are looked up by a view, without making a string. Values stay where they are.
struct TextHash {
  using is_transparent = void;
  using is_avalanching = void;  ///< a good hash: the map needs not mix it once more
  std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
};
template <class Value>
using ByText = boost::unordered_node_map<std::string, Value, TextHash, std::equal_to<>>;

}  // namespace penstock
