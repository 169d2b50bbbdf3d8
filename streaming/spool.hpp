/// Records on disk, first in first out, within a limit: where they go while the log does not take them. One thread; one
/// process at a time has a folder.
///
/// A record that append() took outlives the process, however that ends. It outlives the machine, too, when sync() came after
/// it: append() itself syncs (fdatasync) only what fills a segment, whoever uses the spool calls sync() for the rest.
/// What next() gives stays on disk until forget(): whoever opens the folder before that is given it again. Forgotten records
/// free their disk a segment at a time; a spool without records has no segments.
/// Damage is never given out and never fatal: records that cannot be read are passed over, counted and logged, and the
/// damaged end that a loss of power leaves is cut off when the folder is opened.
#pragma once

#include "streaming/descriptor.hpp"
#include "streaming/spool_segment.hpp"

#include <cstdint>
#include <deque>
#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace penstock {

struct SpoolOptions {
  std::filesystem::path folder;               ///< made where it is missing; nothing else may be kept in it
  std::uint64_t bytes_max;                    ///< of all its segments
  std::uint64_t segment_bytes_max = 8 << 20;  ///< a larger record has a segment of its own
};

class Spool {
 public:
  /// nullptr: another process has this folder. Throws Fault where the folder cannot be used: a transient one where the disk
  /// is full.
  static std::unique_ptr<Spool> open(SpoolOptions const& options);
  /// False where a process has this folder now.
  static bool is_free(std::filesystem::path const& folder);

  /// Puts the record behind all others. An error says why there is no room: the limit is reached, or the disk takes no more
  /// (full, over quota, broken); the record is then not in the spool, and asking again later is fine.
  /// `given`: it counts as passed already; only while nothing is unread().
  std::expected<void, std::string> append(std::string_view topic, Record const& record, bool given = false);

  /// The oldest record that was not passed; nullptr: none. Valid until pass(). Throws a transient Fault where its file is
  /// there and cannot be opened now.
  Spooled const* next();
  void pass();
  /// The oldest `count` of the given ones are not needed any more.
  void forget(std::size_t count);
  /// What was appended outlives a loss of power from here on. A disk that fails to do so is logged.
  void sync();

  std::size_t unread() const { return unread_; }            ///< not passed
  std::size_t given() const { return given_; }              ///< passed and not forgotten
  std::size_t records() const { return unread_ + given_; }  ///< not forgotten
  std::uint64_t bytes() const { return bytes_; }            ///< of its files
  std::size_t damaged_total() const { return damaged_; }    ///< could not be read, since open()
  std::uint64_t bytes_max() const { return options_.bytes_max; }
  std::filesystem::path const& folder() const { return options_.folder; }

 private:
  struct Segment {
    SpoolSegmentName name;
    std::uint64_t bytes = spool_header_bytes;  ///< up to the end of the last record
    std::uint64_t records = 0;
    std::uint64_t read = 0;   ///< of them: passed, or found to be damaged
    std::uint64_t given = 0;  ///< passed and not forgotten
    bool drained() const { return read == records && given == 0; }
  };

  Spool(SpoolOptions options, Descriptor lock);
  void recover();
  Segment recovered_last(SpoolSegmentName const& name) const;
  std::filesystem::path path_of(Segment const& segment) const { return options_.folder / to_text(segment.name); }

  std::expected<void, std::string> begin_segment();
  std::expected<void, std::string> write(std::string_view bytes);
  void seal();
  void take_back();
  void pass_damaged(Segment& segment, std::uint64_t up_to);
  void go_to(std::size_t segment, std::uint64_t at);
  void drop_drained();
  void remove(Segment const& segment);

  // Set once.
  SpoolOptions options_;
  Descriptor lock_;
  // Changes.
  std::deque<Segment> segments_;  ///< oldest first
  Descriptor writing_;            ///< the last segment, while records may be appended to it
  bool unsynced_ = false, folder_unsynced_ = false;
  std::size_t reading_ = 0;            ///< index of the segment that next() looks at
  std::uint64_t reading_at_ = 0;       ///< where in it
  std::optional<SpoolReader> reader_;  ///< of it, once it is needed
  std::optional<SpoolReader::Found> next_;
  std::uint64_t next_number_ = 1;
  std::size_t unread_ = 0, given_ = 0, damaged_ = 0;
  std::uint64_t bytes_ = 0;
  std::string encoded_;
};

}  // namespace penstock
