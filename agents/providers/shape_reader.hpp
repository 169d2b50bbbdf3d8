/// Reads a frame whose spelling is known, from its first byte to its last, without a look for its structure first: the frames
/// that come most often, in half the time or less. A step that does not find what it wants answers false, and the frame is for
/// read_frame() (decode.hpp), which reads every spelling, and knows what to say of a bad one. What is read here reads the
/// same there. Any thread. Views are into the frame.
#pragma once

#include "streaming/decimal.hpp"
#include "streaming/time.hpp"

#include <cstring>
#include <string_view>

namespace penstock::decoding {

class ShapeReader {
 public:
  explicit ShapeReader(std::string_view frame) : at_{frame.data()}, end_{at_ + frame.size()} {}

  template <std::size_t size>
  bool literal(char const (&expected)[size]) {
    auto const length = static_cast<std::ptrdiff_t>(size) - 1;
    if (end_ - at_ < length || std::memcmp(at_, expected, size - 1) != 0) return false;
    at_ += length;
    return true;
  }

  /// What stands before the next quote: one character at least, all of them plain.
  bool text(std::string_view& into) {
    auto const *at = at_, *const end = end_;
    while (at != end && is_plain(*at)) ++at;
    return take(into, at) && at != end;
  }

  /// An integer of less than 19 digits that is not negative.
  bool digits(std::string_view& into) {
    auto const *at = at_, *const end = end_;
    while (at != end && *at >= '0' && *at <= '9') ++at;
    if (at - at_ > 18 || (at != end_ && *at_ == '0' && at - at_ > 1)) return false;
    return take(into, at);
  }
  bool digits(std::int64_t& into) {
    std::string_view spelled;
    if (!digits(spelled)) return false;
    into = 0;
    for (char const digit : spelled) into = into * 10 + (digit - '0');
    return true;
  }

  bool milliseconds(Time& into) {
    std::int64_t given = 0;
    if (!digits(given)) return false;
    auto const time = from_milliseconds(given);
    if (time) into = *time;
    return time.has_value();
  }

  /// What stands before the next quote.
  bool decimal(Decimal& into) {
    auto const *at = at_, *const end = end_;
    while (at != end && *at != '"') ++at;
    std::string_view spelled;
    return take(spelled, at) && into.assign(spelled);
  }

  bool boolean(bool& into) {
    into = literal("true");
    return into || literal("false");
  }

  bool at_end() const { return at_ == end_; }

 private:
  /// Bytes beyond ASCII are negative.
  static bool is_plain(char c) { return c != '"' && c != '\\' && c >= ' '; }
  bool take(std::string_view& into, char const* to) {
    into = {at_, static_cast<std::size_t>(to - at_)};
    at_ = to;
    return !into.empty();
  }

  char const* at_;
  char const* end_;
};

}  // namespace penstock::decoding
