/// Was this record already among the last W input records of the partition? State is a function of those W alone: what
/// was seen at offset o counts for offsets o+1 … o+W-1, and seeing it again begins that anew. One thread.
///
/// Memory: an identity takes 12 bytes in a ring of sightings and 8 to 16 in a table of buckets, which is at most half full;
/// both grow by doubling. At most `sightings_max` are kept; frames of many records can so shorten the window.
#pragma once

#include "streaming/record.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace penstock {

/// Hashes seen within a window of offsets. With `contents`, each also keeps the hash of its latest content.
class Window {
 public:
  Window(std::int64_t records, std::size_t sightings_max, bool contents = false);

  /// Moves the window on; offsets only grow.
  void advance(Offset now);
  /// Fetches from memory what seen() of this hash will look at.
  void expect(std::uint64_t hash) const { __builtin_prefetch(&buckets_[home(hash)], 1); }
  /// True where `hash` (with `contents`: and as its latest one this content) is in the window already. Remembers it as seen now.
  bool seen(std::uint64_t hash, std::uint64_t content = 0);

  std::size_t sightings() const { return sightings_; }  ///< in the window; a hash may have several
  std::size_t memory_bytes() const;

 private:
  // Sightings are numbered. An entry holds the low bits of its hash's latest number; above them as many bits of the hash as there
  // is room for, so that another's is passed by without a look into the ring; and on top that it is one. Nobody takes out what
  // falls out of the window: an old entry counts as room. With twice as many numbers as the ring has places it is known for old
  // until the ring is filled once more, and by then all buckets were looked through for old ones.
  using Entry = std::uint32_t;
  /// A line of the cache: one look into memory for most hashes. The last entry is no hash's: up to its number, there are some
  /// that found no room here and went on to the next bucket.
  struct alignas(64) Bucket {
    std::array<Entry, 16> entries;
  };
  static constexpr std::size_t room = 15;
  static constexpr std::uint32_t room_bits = (1U << room) - 1;
  static constexpr std::size_t sightings_per_bucket = 8;

  std::size_t home(std::uint64_t hash) const { return hash & (buckets_.size() - 1); }
  std::size_t place(std::uint64_t number) const { return number & (hashes_.size() - 1); }
  std::size_t after(std::size_t bucket) const { return (bucket + 1) & (buckets_.size() - 1); }
  Entry number_mask() const { return static_cast<Entry>(hashes_.size() * 2 - 1); }
  Entry entry(std::uint64_t hash, std::uint64_t number) const;
  std::uint64_t number_of(Entry entry) const;
  bool is_in_window(Entry entry) const;
  std::uint32_t in_window(Bucket const& bucket) const;
  std::uint32_t free_in(Bucket const& bucket) const { return ~in_window(bucket) & room_bits; }
  Entry* find(std::uint64_t hash);
  void insert(std::uint64_t hash);
  void forget_old(Bucket& bucket) const;
  void grow();
  void clear();
  void make_buckets();

  std::int64_t const records_;
  std::size_t const sightings_max_;
  bool const with_contents_;

  // A ring by numbers. Offsets keep their low 32 bits; the window is far shorter.
  std::vector<std::uint64_t> hashes_, contents_;
  std::vector<std::uint32_t> offsets_;
  std::uint64_t next_ = 0;     ///< number of the next sighting
  std::size_t sightings_ = 0;  ///< those before it that are in the window
  std::vector<Bucket> buckets_;
  std::int64_t now_ = 0;
};

}  // namespace penstock
