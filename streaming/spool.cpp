#include "streaming/spool.hpp"

#include "streaming/fault.hpp"
#include "streaming/log.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <random>
#include <utility>
#include <vector>

namespace penstock {
namespace {

Fault unusable(std::filesystem::path const& folder, int error) {
  bool const is_full = error == ENOSPC || error == EDQUOT;
  return {is_full ? Fault::Kind::transient : Fault::Kind::fatal,
          "cannot keep records in " + folder.string() + ": " + std::strerror(error)};
}

Descriptor lock_of(std::filesystem::path const& folder, int flags) {
  return Descriptor{::open((folder / "lock").c_str(), O_RDWR | O_CLOEXEC | flags, 0600)};
}

std::uint64_t new_salt() {
  std::random_device random;
  return std::uint64_t{random()} << 32 | random();
}

std::expected<void, std::string> refused(int error) {
  return std::unexpected{std::string{"the disk takes no more: "} + std::strerror(error)};
}

std::vector<SpoolSegmentName> segments_in(std::filesystem::path const& folder) {
  std::vector<SpoolSegmentName> names;
  for (auto const& entry : std::filesystem::directory_iterator{folder})
    if (auto const name = parse_spool_segment(entry.path().filename().string())) names.push_back(*name);
  std::ranges::sort(names, {}, &SpoolSegmentName::first);
  return names;
}

}  // namespace

std::unique_ptr<Spool> Spool::open(SpoolOptions const& options) try {
  std::filesystem::create_directories(options.folder);
  auto lock = lock_of(options.folder, O_CREAT);
  if (!lock) throw unusable(options.folder, errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return nullptr;
    throw unusable(options.folder, errno);
  }
  std::unique_ptr<Spool> spool{new Spool{options, std::move(lock)}};
  spool->recover();
  return spool;
} catch (std::filesystem::filesystem_error const& error) {
  throw unusable(options.folder, error.code().value());
}

bool Spool::is_free(std::filesystem::path const& folder) {
  auto const lock = lock_of(folder, 0);
  return !lock || ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0;
}

Spool::Spool(SpoolOptions options, Descriptor lock) : options_{std::move(options)}, lock_{std::move(lock)} {}

// ---- What an earlier process left.

// Numbers go on from file to file, so all but the last need not be read to know what they hold.
void Spool::recover() {
  auto const names = segments_in(options_.folder);
  for (std::size_t at = 0; at < names.size(); ++at) {
    bool const is_last = at + 1 == names.size();
    Segment segment{.name = names[at]};
    if (is_last) {
      segment = recovered_last(names[at]);
    } else {
      SpoolReader const of_a_known_version{path_of(segment), segment.name.salt};
      segment.bytes = std::filesystem::file_size(path_of(segment));
      segment.records = names[at + 1].first - names[at].first;
    }
    next_number_ = segment.name.first + segment.records;
    unread_ += segment.records;
    bytes_ += segment.bytes;
    segments_.push_back(segment);
  }
  go_to(0, spool_header_bytes);
  drop_drained();
}

Spool::Segment Spool::recovered_last(SpoolSegmentName const& name) const {
  Segment segment{.name = name};
  auto const file = path_of(segment);
  auto const size = std::filesystem::file_size(file);
  SpoolReader reader{file, name.salt};
  while (auto const found = reader.read(segment.bytes, size, static_cast<std::uint32_t>(segment.records),
                                        std::numeric_limits<std::uint32_t>::max())) {
    segment.bytes = found->end;
    segment.records = found->index + 1;
  }
  if (size == segment.bytes) return segment;
  if (size > segment.bytes && ::truncate(file.c_str(), static_cast<off_t>(segment.bytes)) != 0)
    throw unusable(options_.folder, errno);
  log::warning("the end of a spool was damaged and is cut off",
               {{"file", file.string()}, {"records_kept", std::to_string(segment.records)}, {"bytes", std::to_string(size)}});
  return segment;
}

// ---- In.

std::expected<void, std::string> Spool::append(std::string_view topic, Record const& record, bool given) {
  encode_spooled(topic, record, encoded_);
  auto const new_bytes = bytes_ + encoded_.size() + spool_header_bytes;
  if (new_bytes > options_.bytes_max)
    return std::unexpected{"its limit of " + std::to_string(options_.bytes_max) + " bytes is reached"};
  if (writing_ && segments_.back().bytes + encoded_.size() > options_.segment_bytes_max) seal();
  if (!writing_)
    if (auto begun = begin_segment(); !begun) return begun;
  auto& segment = segments_.back();
  frame_spooled(encoded_, static_cast<std::uint32_t>(segment.records), segment.name.salt);
  if (auto written = write(encoded_); !written) return take_back(), written;
  segment.bytes += encoded_.size();
  bytes_ += encoded_.size();
  ++segment.records;
  ++next_number_;
  unsynced_ = true;
  if (!given) return ++unread_, std::expected<void, std::string>{};
  go_to(segments_.size() - 1, segment.bytes);
  ++segment.read;
  ++segment.given;
  ++given_;
  return {};
}

std::expected<void, std::string> Spool::begin_segment() {
  Segment const segment{.name = {.first = next_number_, .salt = new_salt()}};
  writing_.reset(::open(path_of(segment).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!writing_) return refused(errno);
  segments_.push_back(segment);
  segments_.back().bytes = 0;
  folder_unsynced_ = true;
  auto written = write(spool_header());
  segments_.back().bytes = spool_header_bytes;
  bytes_ += spool_header_bytes;
  if (!written) take_back();
  return written;
}

// At the end of the last segment.
std::expected<void, std::string> Spool::write(std::string_view bytes) {
  auto at = static_cast<off_t>(segments_.back().bytes);
  while (!bytes.empty()) {
    auto const count = ::pwrite(writing_.get(), bytes.data(), bytes.size(), at);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return refused(count < 0 ? errno : ENOSPC);
    bytes.remove_prefix(static_cast<std::size_t>(count));
    at += count;
  }
  return {};
}

// A write failed: what it left is no part of the segment.
void Spool::take_back() {
  auto const& segment = segments_.back();
  if (segment.records > 0) {
    if (::ftruncate(writing_.get(), static_cast<off_t>(segment.bytes)) != 0) seal();
    return;
  }
  remove(segment);
  segments_.pop_back();
  writing_.reset();
}

void Spool::seal() {
  sync();
  writing_.reset();
}

void Spool::sync() {
  bool const file_failed = std::exchange(unsynced_, false) && ::fdatasync(writing_.get()) != 0;
  bool folder_failed = false;
  if (std::exchange(folder_unsynced_, false)) {
    Descriptor const folder{::open(options_.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    folder_failed = !folder || ::fsync(folder.get()) != 0;
  }
  if (!file_failed && !folder_failed) return;
  log::error("the spool could not be synced: a loss of power may cost records",
             {{"folder", options_.folder.string()},
              {"why", std::strerror(errno)},
              {"do", "look at the disk (dmesg); set spool.folder to a sound one"}});
  writing_.reset();  // What such a file holds is uncertain; what comes goes into another.
}

// ---- Out.

Spooled const* Spool::next() {
  while (!next_ && unread_ > 0) {
    auto& segment = segments_[reading_];
    if (segment.read == segment.records) {
      go_to(reading_ + 1, spool_header_bytes);
      drop_drained();
      continue;
    }
    if (!reader_) reader_.emplace(path_of(segment), segment.name.salt);
    next_ = reader_->read(reading_at_, segment.bytes, static_cast<std::uint32_t>(segment.read), segment.records);
    if (!next_) reading_at_ = segment.bytes;
    pass_damaged(segment, next_ ? next_->index : segment.records);
  }
  return next_ ? &next_->spooled : nullptr;
}

void Spool::pass() {
  auto& segment = segments_[reading_];
  reading_at_ = next_->end;
  next_.reset();
  ++segment.read;
  ++segment.given;
  --unread_;
  ++given_;
}

void Spool::pass_damaged(Segment& segment, std::uint64_t up_to) {
  auto const count = up_to - segment.read;
  if (count == 0) return;
  segment.read = up_to;
  unread_ -= count;
  damaged_ += count;
  log::error("records in the spool are damaged and lost",
             {{"file", path_of(segment).string()},
              {"records", std::to_string(count)},
              {"do", "look at the disk (dmesg); gaps show what is missing, and are fetched again"}});
  if (unread_ == 0) drop_drained();
}

void Spool::go_to(std::size_t segment, std::uint64_t at) {
  if (segment != reading_) reader_.reset();
  reading_ = segment;
  reading_at_ = at;
}

void Spool::forget(std::size_t count) {
  for (auto& segment : segments_) {
    auto const here = std::min<std::uint64_t>(count, segment.given);
    segment.given -= here;
    given_ -= here;
    count -= here;
    if (count == 0) break;
  }
  drop_drained();
}

void Spool::drop_drained() {
  while (!segments_.empty() && segments_.front().drained()) {
    remove(segments_.front());
    segments_.pop_front();
    if (reading_ > 0) {
      --reading_;
    } else {
      reader_.reset();
      reading_at_ = spool_header_bytes;
    }
  }
  if (!segments_.empty()) return;
  writing_.reset();
  unsynced_ = false;
}

void Spool::remove(Segment const& segment) {
  bytes_ -= segment.bytes;
  std::error_code error;
  if (!std::filesystem::remove(path_of(segment), error))
    log::warning("a drained segment of the spool could not be removed; its records may be sent again",
                 {{"file", path_of(segment).string()}, {"why", error.message()}});
}

}  // namespace penstock
