/// Reads JSON whose spelling is known, from its first byte to its last, without a look for its structure first: what comes most
/// often, in half the time or less. A step that does not find what it wants answers false, and the text is for a parser, which
/// reads every spelling and knows what to say of a bad one. What is read here reads the same there. Any thread. Views are
/// into the text. Whoever reads with it is [[gnu::flatten]]: in one function the reader's place stays in a register, while each
/// call would put it into memory and take it back.
#pragma once

#include "streaming/decimal.hpp"
#include "streaming/time.hpp"
#include "streaming/words.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace penstock {

class ShapeReader {
 public:
  explicit ShapeReader(std::string_view text) : at_{text.data()}, end_{at_ + text.size()} {}

  template <std::size_t size>
  bool literal(char const (&expected)[size]) {
    return take<size - 1>(expected);
  }
  template <std::size_t size>
  bool literal(std::array<char, size> const& expected) {
    return take<size>(expected.data());
  }

  /// What stands before the next quote: one character at least, all of them plain.
  bool text(std::string_view& into) {
    auto const* const from = at_;
    auto const found = skip_text();
    into = {from, at_};
    return found && !into.empty();
  }
  /// The same, but it may be empty.
  bool skip_text() {
    pass<is_plain, not_plain>();
    return at_ != end_;
  }

  /// Exactly so many plain characters.
  template <std::size_t size>
    requires(size >= 16)
  bool skip_text() {
    if (end_ - at_ < static_cast<std::ptrdiff_t>(size)) return false;
    auto other = other_than_plain(load<Sixteen>({at_ + size - 16, 16}));  // The last ones overlap.
    for (std::size_t i = 0; i + 16 < size; i += 16) other |= other_than_plain(load<Sixteen>({at_ + i, 16}));
    at_ += size;
    return is_zero(other);
  }

  /// An integer of less than 19 digits that is not negative.
  bool digits(std::string_view& into) {
    auto const *at = at_, *const end = end_;
    while (end - at >= 8 && are_digits(load<std::uint64_t>({at, 8}))) at += 8;
    while (at != end && *at >= '0' && *at <= '9') ++at;
    into = {at_, at};
    return take_digits(at);
  }
  bool digits(std::int64_t& into) {
    auto const *at = at_, *const end = end_;
    std::uint64_t value = 0;  // What overflows has too many digits.
    for (; end - at >= 8; at += 8) {
      auto const eight = load<std::uint64_t>({at, 8});
      if (!are_digits(eight)) break;
      value = value * 100'000'000 + number_of(eight);
    }
    for (; at != end && *at >= '0' && *at <= '9'; ++at) value = value * 10 + static_cast<std::uint64_t>(*at - '0');
    into = static_cast<std::int64_t>(value);
    return take_digits(at);
  }

  bool milliseconds(Time& into) {
    std::int64_t given = 0;
    if (!digits(given)) return false;
    auto const time = from_milliseconds(given);
    if (time) into = *time;
    return time.has_value();
  }

  /// A time as to_text() writes it, before a quote.
  bool time(Time& into) {
    if (static_cast<std::size_t>(end_ - at_) <= time_text_bytes || at_[time_text_bytes] != '"') return false;
    auto const time = parse_time({at_, time_text_bytes});
    if (!time) return false;
    into = *time;
    at_ += time_text_bytes;
    return true;
  }

  /// A number without an exponent.
  bool decimal(Decimal& into) {
    auto const size = into.assign_front({at_, end_});
    at_ += size;
    return size > 0;
  }

  /// A number, with an exponent or without, or null: absent.
  bool number(Decimal& into) {
    auto const* const from = at_;
    if (decimal(into) && at_ != end_ && !is_exponent(*at_)) return true;
    at_ = from;
    if (!skip_number()) return false;
    if (*from != 'n') return into.assign({from, at_});
    into = {};
    return true;
  }
  /// What looks like a number, or null.
  bool skip_number() {
    auto const* const from = at_;
    pass<is_of_number, not_of_number>();
    while (at_ != end_ && is_exponent(*at_)) {
      ++at_;
      literal("+");
      pass<is_of_number, not_of_number>();
    }
    return at_ != from || literal("null");
  }

  bool boolean(bool& into) {
    into = literal("true");
    return into || literal("false");
  }

  bool at_end() const { return at_ == end_; }

 private:
  template <std::ptrdiff_t size>
  bool take(char const* expected) {
    if (end_ - at_ < size || !is_same<size>(expected)) return false;
    at_ += size;
    return true;
  }
  /// Eight at a time, where there are as many; the last ones may be looked at twice.
  template <std::ptrdiff_t size>
  bool is_same(char const* expected) const {
    if constexpr (size < 8) {
      return std::memcmp(at_, expected, size) == 0;
    } else {
      auto const other = [&](std::ptrdiff_t at) {
        return load<std::uint64_t>({at_ + at, 8}) ^ load<std::uint64_t>({expected + at, 8});
      };
      auto others = other(size - 8);
      for (std::ptrdiff_t at = 0; at + 8 < size; at += 8) others |= other(at);
      return others == 0;
    }
  }
  /// Goes on to the first character that is not of that kind; `others` marks those.
  template <auto is, auto others>
  void pass() {
    while (end_ - at_ >= 8) {
      auto const marks = others(load<std::uint64_t>({at_, 8}));
      at_ += before_mark(marks);
      if (marks != 0) return;
    }
    while (at_ != end_ && is(*at_)) ++at_;
  }
  bool take_digits(char const* to) {
    auto const count = to - at_;
    if (count == 0 || count > 18 || (count > 1 && *at_ == '0')) return false;
    at_ = to;
    return true;
  }

  static bool is_exponent(char c) { return c == 'e' || c == 'E'; }

  char const* at_;
  char const* end_;
};

}  // namespace penstock
