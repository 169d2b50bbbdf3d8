#include "agents/transform/dedupe.hpp"

#include <algorithm>
#include <bit>

namespace penstock {
namespace {
constexpr std::size_t first_size = 1024;
/// Sightings; what falls out next is fetched from memory by then.
constexpr std::size_t look_ahead = 8;
}  // namespace

Window::Window(std::int64_t records, std::size_t sightings_max, bool contents)
    : records_{std::clamp<std::int64_t>(records, 1, 1LL << 30)},
      sightings_max_{std::clamp<std::size_t>(sightings_max, 1, std::size_t{1} << 30)},
      with_contents_{contents} {
  clear();
}

void Window::advance(Offset now) {
  auto const to = to_integer(now);
  if (to - now_ >= records_ || to < now_) clear();
  now_ = to;
  auto const age = [&] { return static_cast<std::uint32_t>(to) - offsets_[begin_]; };
  while (sightings_ > 0 && age() >= static_cast<std::uint32_t>(records_)) forget_oldest();
}

bool Window::seen(std::uint64_t hash, std::uint64_t content) {
  auto slot = slot_of(hash);
  bool const known = slots_[slot] != none;
  bool const same = known && (!with_contents_ || contents_[place_in(slot)] == content);
  // Room is made after the look-up: what falls out now was still in the window.
  if (sightings_ == hashes_.size() && hashes_.size() < sightings_max_) {
    grow();
    slot = slot_of(hash);
  } else if (sightings_ >= std::min(sightings_max_, hashes_.size())) {
    forget_oldest();
    slot = slot_of(hash);
  }
  if (slots_[slot] != none) ++refreshed_;
  remember(slot, hash, content);
  return same;
}

std::size_t Window::memory_bytes() const {
  return (hashes_.capacity() + contents_.capacity()) * sizeof(std::uint64_t) +
         (offsets_.capacity() + slots_.capacity()) * sizeof(std::uint32_t);
}

// Where the hash is, else the free slot where it would go.
std::size_t Window::slot_of(std::uint64_t hash) const {
  auto slot = home(hash);
  auto const wanted = tag(hash);
  while (slots_[slot] != none && (!has_tag(slot, wanted) || hashes_[place_in(slot)] != hash))
    slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

void Window::remember(std::size_t slot, std::uint64_t hash, std::uint64_t content) {
  auto const place = ring_place(begin_ + sightings_++);
  hashes_[place] = hash;
  offsets_[place] = static_cast<std::uint32_t>(now_);
  if (with_contents_) contents_[place] = content;
  slots_[slot] = entry(hash, place);
}

void Window::forget_oldest() {
  auto const wanted = entry(hashes_[begin_], begin_);
  auto slot = home(hashes_[begin_]);
  while (slots_[slot] != none && slots_[slot] != wanted) slot = (slot + 1) & (slots_.size() - 1);
  // No slot points to it: the hash was seen again since.
  if (slots_[slot] == wanted)
    erase(slot);
  else
    --refreshed_;
  begin_ = ring_place(begin_ + 1);
  --sightings_;
  __builtin_prefetch(&slots_[home(hashes_[ring_place(begin_ + look_ahead)])]);
}

// Those that follow move up, so that no chain of slots is broken.
void Window::erase(std::size_t slot) {
  auto const mask = slots_.size() - 1;
  for (auto next = (slot + 1) & mask; slots_[next] != none; next = (next + 1) & mask) {
    auto const wanted = home(hashes_[place_in(next)]);
    if (((next - wanted) & mask) < ((next - slot) & mask)) continue;
    slots_[slot] = slots_[next];
    slot = next;
  }
  slots_[slot] = none;
}

void Window::grow() {
  auto const old_size = hashes_.size();
  auto const unroll = [&](auto& ring) {
    if (ring.empty()) return;
    std::ranges::rotate(ring, ring.begin() + static_cast<std::ptrdiff_t>(begin_));
    ring.resize(old_size * 2);
  };
  unroll(hashes_), unroll(contents_), unroll(offsets_);
  begin_ = 0;
  make_slots();
  for (std::size_t place = 0; place < sightings_; ++place) slots_[slot_of(hashes_[place])] = entry(hashes_[place], place);
}

void Window::clear() {
  hashes_.assign(first_size, 0);
  offsets_.assign(first_size, 0);
  if (with_contents_) contents_.assign(first_size, 0);
  make_slots();
  begin_ = sightings_ = refreshed_ = 0;
}

void Window::make_slots() {
  slots_.assign(hashes_.size() * 2, none);
  place_mask_ = static_cast<std::uint32_t>(std::bit_ceil(hashes_.size() + 1) - 1);
}

}  // namespace penstock
