/// One file of a spool: how records look in it, and reading them back. Only for spool.cpp and its tests.
///   file    <number of its first record>-<salt>.spool, both 16 hex digits
///   bytes   header record*
///   header  "penspool" version:u32 check:u32, check: of the 12 bytes before it
///   record  length:u32 index:u32 check:u64 body, index: from 0 in this file; check: of length, index and body, with the salt
///   body    text(topic) text(key) text(value) headers:u32 (text(name) text(value))*, text: length:u32 bytes
/// Integers are little-endian, checks are XXH3. The salt is new for every file: bytes of another file, or of one that a
/// record holds, are no records of this one.
#pragma once

#include "streaming/descriptor.hpp"
#include "streaming/record.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace penstock {

struct Spooled {
  Topic topic;
  Record record;
  friend bool operator==(Spooled const&, Spooled const&) = default;
};

struct SpoolSegmentName {
  std::uint64_t first = 0;  ///< number of its first record
  std::uint64_t salt = 0;
};
std::string to_text(SpoolSegmentName const& name);
std::optional<SpoolSegmentName> parse_spool_segment(std::string_view file_name);

inline constexpr std::uint32_t spool_version = 1;
inline constexpr std::size_t spool_header_bytes = 16;
std::string spool_header();
/// Puts the record, as it stands in a file, into `into`; frame_spooled() then makes it one of a certain file.
void encode_spooled(std::string_view topic, Record const& record, std::string& into);
void frame_spooled(std::string& encoded, std::uint32_t index, std::uint64_t salt);

class SpoolReader {
 public:
  /// Throws a fatal Fault where the file was written by another version, a transient one where it is
  /// there and cannot be opened.
  SpoolReader(std::filesystem::path const& file, std::uint64_t salt);

  struct Found {
    Spooled spooled;
    std::uint32_t index = 0;
    std::uint64_t end = 0;  ///< where the next record begins
  };
  /// The first sound record from `at` on, before `end`, with an index from `least` on and below `limit`: what is damaged is
  /// passed over. Nothing: there is none, or the disk does not give it.
  std::optional<Found> read(std::uint64_t at, std::uint64_t end, std::uint32_t least, std::uint64_t limit);

 private:
  std::optional<Found> read_here(std::uint64_t at, std::uint64_t end, std::uint32_t least, std::uint64_t limit);
  std::string_view view(std::uint64_t at, std::size_t size, std::uint64_t end);

  Descriptor file_;
  std::uint64_t salt_;
  std::string buffer_;             ///< bytes of the file
  std::uint64_t buffer_from_ = 0;  ///< where they begin there
  bool unreadable_ = false;        ///< the disk did not give what it should hold
};

}  // namespace penstock
