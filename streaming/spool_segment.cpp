#define XXH_INLINE_ALL
#include "streaming/spool_segment.hpp"

#include "streaming/fault.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <format>

namespace penstock {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is written as it lies in memory");

constexpr std::string_view magic = "penspool";
constexpr std::string_view extension = ".spool";
constexpr std::size_t frame_bytes = 16;
constexpr std::size_t read_ahead_bytes = 256 << 10;
constexpr std::size_t digits = 16;

template <class Integer>
void put(std::string& into, Integer value) {
  into.append(reinterpret_cast<char const*>(&value), sizeof value);
}

void put_text(std::string& into, std::string_view text) {
  put(into, static_cast<std::uint32_t>(text.size()));
  into += text;
}

template <class Integer>
Integer integer_at(std::string_view bytes, std::size_t at) {
  Integer value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::uint64_t check_of(std::string_view body, std::uint32_t index, std::uint64_t salt) {
  return XXH3_64bits_withSeed(body.data(), body.size(), salt ^ (std::uint64_t{index} << 32 | body.size()));
}

/// Takes a body apart; false where it is none.
class Body {
 public:
  explicit Body(std::string_view bytes) : bytes_{bytes} {}

  bool count(std::uint32_t& into) {
    if (bytes_.size() < sizeof into) return false;
    into = integer_at<std::uint32_t>(bytes_, 0);
    bytes_.remove_prefix(sizeof into);
    return true;
  }
  bool text(std::string& into) {
    std::uint32_t size = 0;
    if (!count(size) || size > bytes_.size()) return false;
    into = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return true;
  }
  bool at_end() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
};

bool decode(std::string_view bytes, Spooled& into) {
  Body body{bytes};
  std::uint32_t headers = 0;
  if (!body.text(into.topic) || !body.text(into.record.key) || !body.text(into.record.value) || !body.count(headers))
    return false;
  for (std::uint32_t header = 0; header < headers; ++header) {
    auto& [name, value] = into.record.headers.emplace_back();
    if (!body.text(name) || !body.text(value)) return false;
  }
  return body.at_end();
}

bool parse_hex(std::string_view text, std::uint64_t& into) {
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), into, 16);
  return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

std::string to_text(SpoolSegmentName const& name) { return std::format("{:016x}-{:016x}{}", name.first, name.salt, extension); }

std::optional<SpoolSegmentName> parse_spool_segment(std::string_view file_name) {
  SpoolSegmentName name;
  if (file_name.size() != 2 * digits + 1 + extension.size() || !file_name.ends_with(extension) || file_name[digits] != '-' ||
      !parse_hex(file_name.substr(0, digits), name.first) || !parse_hex(file_name.substr(digits + 1, digits), name.salt))
    return std::nullopt;
  return name;
}

std::string spool_header() {
  std::string header{magic};
  put(header, spool_version);
  put(header, static_cast<std::uint32_t>(XXH3_64bits(header.data(), header.size())));
  return header;
}

void encode_spooled(std::string_view topic, Record const& record, std::string& into) {
  into.assign(frame_bytes, '\0');
  put_text(into, topic);
  put_text(into, record.key);
  put_text(into, record.value);
  put(into, static_cast<std::uint32_t>(record.headers.size()));
  for (auto const& [name, value] : record.headers) {
    put_text(into, name);
    put_text(into, value);
  }
}

void frame_spooled(std::string& encoded, std::uint32_t index, std::uint64_t salt) {
  auto const body = std::string_view{encoded}.substr(frame_bytes);
  std::string frame;
  put(frame, static_cast<std::uint32_t>(body.size()));
  put(frame, index);
  put(frame, check_of(body, index, salt));
  std::ranges::copy(frame, encoded.begin());
}

SpoolReader::SpoolReader(std::filesystem::path const& file, std::uint64_t salt)
    : file_{::open(file.c_str(), O_RDONLY | O_CLOEXEC)}, salt_{salt} {
  if (!file_ && errno != ENOENT)
    throw Fault{Fault::Kind::transient, "cannot read " + file.string() + ": " + std::strerror(errno)};
  auto const header = view(0, spool_header_bytes, spool_header_bytes);
  // A damaged header says nothing; the records stand for themselves.
  if (header.size() != spool_header_bytes || !header.starts_with(magic)) return;
  if (integer_at<std::uint32_t>(header, 12) != static_cast<std::uint32_t>(XXH3_64bits(header.data(), 12))) return;
  if (auto const version = integer_at<std::uint32_t>(header, 8); version != spool_version)
    throw Fault{Fault::Kind::fatal, file.string() + " has version " + std::to_string(version) + ", this penstock knows version " +
                                        std::to_string(spool_version) +
                                        ": let the penstock that wrote it send it, or move it away"};
}

std::optional<SpoolReader::Found> SpoolReader::read(std::uint64_t at, std::uint64_t end, std::uint32_t least,
                                                    std::uint64_t limit) {
  unreadable_ = false;
  for (; at + frame_bytes <= end && !unreadable_; ++at)
    if (auto found = read_here(at, end, least, limit)) return found;
  return std::nullopt;
}

std::optional<SpoolReader::Found> SpoolReader::read_here(std::uint64_t at, std::uint64_t end, std::uint32_t least,
                                                         std::uint64_t limit) {
  auto const frame = view(at, frame_bytes, end);
  if (frame.empty()) return std::nullopt;
  auto const length = integer_at<std::uint32_t>(frame, 0), index = integer_at<std::uint32_t>(frame, 4);
  auto const check = integer_at<std::uint64_t>(frame, 8);
  auto const from = at + frame_bytes;
  if (index < least || index >= limit || length == 0 || length > end - from) return std::nullopt;
  auto const body = view(from, length, end);
  if (body.empty() || check_of(body, index, salt_) != check) return std::nullopt;
  Found found{.index = index, .end = from + length};
  if (!decode(body, found.spooled)) return std::nullopt;
  return found;
}

/// Empty where the disk does not give all of it.
std::string_view SpoolReader::view(std::uint64_t at, std::size_t size, std::uint64_t end) {
  if (at < buffer_from_ || at + size > buffer_from_ + buffer_.size()) {
    buffer_.resize(std::max(size, static_cast<std::size_t>(std::min<std::uint64_t>(read_ahead_bytes, end - at))));
    buffer_from_ = at;
    std::size_t have = 0;
    while (have < buffer_.size()) {
      auto const count = ::pread(file_.get(), buffer_.data() + have, buffer_.size() - have, static_cast<off_t>(at + have));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      have += static_cast<std::size_t>(count);
    }
    buffer_.resize(have);
    unreadable_ = have < size;
    if (unreadable_) return {};
  }
  return std::string_view{buffer_}.substr(at - buffer_from_, size);
}

}  // namespace penstock
