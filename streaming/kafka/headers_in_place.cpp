#include "streaming/kafka/headers_in_place.hpp"

#include <cstddef>
#include <cstdint>

namespace penstock::kafka {
namespace {

// length | attributes: 0 | time | offset | key's length | key | value's length | value | headers' count | for each header: name's
// length | name | value's length, -1: none | value. The length is that of all behind it. Attributes are a byte, all others
// numbers: 2n for n, 2n - 1 for -n, in groups of seven bits, the lowest first; in each byte but the last the eighth bit is set.

constexpr bool ends_number(char byte) { return (static_cast<unsigned char>(byte) & 0x80) == 0; }

/// Room for their views is made before they are read.
constexpr std::int64_t headers_max = 1'000;
/// A number of 32 bits takes at most so many bytes.
constexpr std::size_t number_bytes_max = 5;

/// Where the number begins that ends before `end`. A byte that ends another one is somewhere before it.
char const* begin_of_number(char const* end) {
  auto const* at = end - 1;
  while (!ends_number(at[-1])) --at;
  return at;
}

class Reader {
 public:
  Reader(char const* from, char const* end) : at_{from}, end_{end} {}

  std::int64_t number() {
    if (at_ != end_ && ends_number(*at_)) return signed_of(static_cast<unsigned char>(*at_++));
    return long_number();
  }

  std::string_view bytes(std::int64_t size) {
    if (static_cast<std::uint64_t>(size) > static_cast<std::uint64_t>(end_ - at_)) {
      is_good_ = false;
      return {};
    }
    std::string_view const taken{at_, static_cast<std::size_t>(size)};
    at_ += size;
    return taken;
  }

  bool is_good() const { return is_good_; }
  /// Everything was read, and nothing more was asked for.
  bool is_done() const { return is_good_ && at_ == end_; }

 private:
  static std::int64_t signed_of(std::uint64_t bits) {
    return static_cast<std::int64_t>(bits >> 1) ^ -static_cast<std::int64_t>(bits & 1);
  }

  std::int64_t long_number() {
    std::uint64_t bits = 0;
    for (int shift = 0; at_ != end_ && shift < 64; shift += 7) {
      auto const byte = *at_++;
      bits |= std::uint64_t{static_cast<unsigned char>(byte) & 0x7fU} << shift;
      if (ends_number(byte)) return signed_of(bits);
    }
    is_good_ = false;
    return 0;
  }

  char const* at_;
  char const* end_;
  bool is_good_ = true;
};

/// Nothing but a number that says `number`.
bool says(char const* from, char const* end, std::size_t number) {
  Reader reader{from, end};
  return reader.number() == static_cast<std::int64_t>(number) && reader.is_done();
}

/// The value comes right behind the key, but for its length.
bool lie_together(std::string_view key, std::string_view value) {
  auto const gap = reinterpret_cast<std::uintptr_t>(value.data()) - reinterpret_cast<std::uintptr_t>(key.data()) - key.size();
  return !key.empty() && !value.empty() && gap > 0 && gap <= number_bytes_max &&
         says(key.data() + key.size(), value.data(), value.size());
}

/// Behind the whole record; nullptr: this is none.
char const* end_of_record(std::string_view key, std::string_view value) {
  auto const* const key_length = begin_of_number(&key.front());
  auto const* const attributes = begin_of_number(begin_of_number(key_length)) - 1;
  if (*attributes != 0 || !says(key_length, key.data(), key.size())) return nullptr;
  // Where the length begins nobody says, and nothing before it may be read. But as long as its last bytes say less than
  // what is known to be there, it has one more.
  auto const known = value.data() + value.size() - attributes;
  for (std::size_t size = 1; size <= number_bytes_max; ++size) {
    Reader reader{attributes - size, attributes};
    auto const length = reader.number();
    if (!reader.is_done()) return nullptr;
    if (length >= known) return attributes + length;
  }
  return nullptr;
}

}  // namespace

[[gnu::flatten]] bool read_headers_in_place(std::string_view key, std::string_view value, HeaderViews& into) {
  into.clear();
  if (!lie_together(key, value)) return false;
  auto const* const end = end_of_record(key, value);
  if (end == nullptr) return false;
  Reader reader{value.data() + value.size(), end};
  auto const count = reader.number();
  if (count < 0 || count > headers_max) return false;
  into.resize(static_cast<std::size_t>(count));
  for (auto& [name, text] : into) {
    name = reader.bytes(reader.number());
    auto const size = reader.number();
    if (size != -1) text = reader.bytes(size);
  }
  if (reader.is_done()) return true;
  into.clear();
  return false;
}

}  // namespace penstock::kafka
