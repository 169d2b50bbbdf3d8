/// Was this record already among the last W input records of the partition? State is a function of those W alone: what
/// was seen at offset o counts for offsets o+1 … o+W-1, and seeing it again begins that anew. One thread.
///
/// Memory: an identity takes 12 bytes in a ring of sightings and 8 to 16 in a table of slots (open addressing, at most
/// half full); both grow by doubling. At most `sightings_max` are kept; frames of many records can so shorten the window.
#pragma once

#include "streaming/record.hpp"

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
  /// True where `hash` (with `contents`: and as its latest one this content) is in the window already. Remembers it as seen now.
  bool seen(std::uint64_t hash, std::uint64_t content = 0);

  std::size_t size() const { return sightings_ - refreshed_; }  ///< different hashes
  std::size_t memory_bytes() const;

 private:
  // A slot holds a place in the ring + 1, and above it as many bits of the hash as there is room for: what is in another's slot
  // is passed by without a look into the ring.
  static constexpr std::uint32_t none = 0;

  std::uint32_t tag(std::uint64_t hash) const { return static_cast<std::uint32_t>(hash >> 32U) & ~place_mask_; }
  std::uint32_t entry(std::uint64_t hash, std::size_t place) const { return tag(hash) | (static_cast<std::uint32_t>(place) + 1); }
  bool has_tag(std::size_t slot, std::uint32_t wanted) const { return (slots_[slot] & ~place_mask_) == wanted; }
  std::size_t place_in(std::size_t slot) const { return (slots_[slot] & place_mask_) - 1; }
  std::size_t ring_place(std::size_t index) const { return index & (hashes_.size() - 1); }
  std::size_t home(std::uint64_t hash) const { return hash & (slots_.size() - 1); }
  std::size_t slot_of(std::uint64_t hash) const;
  void remember(std::size_t slot, std::uint64_t hash, std::uint64_t content);
  void forget_oldest();
  void erase(std::size_t slot);
  void grow();
  void clear();
  void make_slots();

  std::int64_t const records_;
  std::size_t const sightings_max_;
  bool const with_contents_;

  // A ring: the oldest sighting is at begin_. Offsets keep their low 32 bits; the window is far shorter.
  std::vector<std::uint64_t> hashes_, contents_;
  std::vector<std::uint32_t> offsets_;
  std::size_t begin_ = 0, sightings_ = 0, refreshed_ = 0;
  std::vector<std::uint32_t> slots_;
  std::uint32_t place_mask_ = 0;
  std::int64_t now_ = 0;
};

}  // namespace penstock
