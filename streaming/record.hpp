/// The log's own words: what is written to a topic and what is read from it.
#pragma once

#include "streaming/time.hpp"

#include <boost/container/small_vector.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock {

using Topic = std::string;
enum class Partition : std::int32_t {};
enum class Offset : std::int64_t {};

/// Where a partition starts; for assignments and seeks.
inline constexpr Offset beginning{-2};

constexpr Offset next(Offset offset) { return Offset{static_cast<std::int64_t>(offset) + 1}; }
constexpr std::int64_t to_integer(Offset offset) { return static_cast<std::int64_t>(offset); }
constexpr std::int32_t to_integer(Partition partition) { return static_cast<std::int32_t>(partition); }

struct TopicPartition {
  Topic topic;
  Partition partition{};
  friend auto operator<=>(TopicPartition const&, TopicPartition const&) = default;
};

/// Where a delivery stands in the log. `topic` lives as long as the consumer that delivered it.
struct Position {
  std::string_view topic;
  Partition partition{};
  Offset offset{};
  friend auto operator<=>(Position const&, Position const&) = default;
};

using Header = std::pair<std::string, std::string>;

/// To be written. Header order is kept.
struct Record {
  std::string key;
  std::string value;
  std::vector<Header> headers;
  std::optional<Partition> partition = {};  ///< none: the one that its key belongs to

  friend bool operator==(Record const&, Record const&) = default;
};

/// What many records have in common, said once.
struct Envelope {
  Topic topic;
  std::vector<Header> headers;
};

/// One whose bytes are kept elsewhere.
struct RecordView {
  std::string_view key;
  std::string_view value;
  std::span<Header const> headers;
  std::optional<Partition> partition = {};
};
inline RecordView view(Record const& record) { return {record.key, record.value, record.headers, record.partition}; }

/// Was read. Views are valid while this object lives; move-only; must die before its consumer.
struct Delivery {
  using Owner = std::unique_ptr<void, void (*)(void*)>;

  Position position;
  std::string_view key;
  std::string_view value;
  /// As many as raw records have need no memory of their own.
  boost::container::small_vector<std::pair<std::string_view, std::string_view>, 8> headers;
  Time timestamp{};  ///< the log's own, milliseconds
  Owner owner{nullptr, [](void*) {}};

  /// The first header of that name, or "".
  std::string_view header(std::string_view name) const {
    for (auto const& [key_of, value_of] : headers)
      if (key_of == name) return value_of;
    return {};
  }
};

}  // namespace penstock
