#include "agents/transform/dedupe.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace penstock {
namespace {

constexpr std::size_t first_size = 1024;
/// The top bit: this is an entry.
constexpr std::uint32_t taken = 1U << 31;

/// A quarter of a bucket.
using Four [[gnu::vector_size(16)]] = std::uint32_t;
/// The bits of its entries, in the bucket.
using Bits [[gnu::vector_size(16)]] = std::int32_t;
constexpr std::array<Bits, 4> bits{Bits{1 << 0, 1 << 1, 1 << 2, 1 << 3}, Bits{1 << 4, 1 << 5, 1 << 6, 1 << 7},
                                   Bits{1 << 8, 1 << 9, 1 << 10, 1 << 11}, Bits{1 << 12, 1 << 13, 1 << 14, 1 << 15}};

/// The bits of those that `picks` picks.
std::uint32_t pick(auto const& entries, auto picks) {
  Bits picked{};
  for (std::size_t quarter = 0; quarter < bits.size(); ++quarter) {
    Four four;
    std::memcpy(&four, &entries[quarter * 4], sizeof four);
    picked |= picks(four) & bits[quarter];
  }
  return static_cast<std::uint32_t>(picked[0] | picked[1] | picked[2] | picked[3]);
}

std::size_t first_of(std::uint32_t picked) { return static_cast<std::size_t>(std::countr_zero(picked)); }

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
  auto const age = [&] { return static_cast<std::uint32_t>(to) - offsets_[place(next_ - sightings_)]; };
  while (sightings_ > 0 && age() >= static_cast<std::uint32_t>(records_)) --sightings_;
}

bool Window::seen(std::uint64_t hash, std::uint64_t content) {
  auto* const known = find(hash);
  bool const same = known != nullptr && (!with_contents_ || contents_[place(number_of(*known))] == content);
  if (known != nullptr) *known = 0;
  // Room is made after the look-up: what falls out now was still in the window.
  if (sightings_ == hashes_.size() && hashes_.size() < sightings_max_)
    grow();
  else if (sightings_ >= std::min(sightings_max_, hashes_.size()))
    --sightings_;
  auto const at = place(next_);
  hashes_[at] = hash;
  offsets_[at] = static_cast<std::uint32_t>(now_);
  if (with_contents_) contents_[at] = content;
  insert(hash);
  return same;
}

std::size_t Window::memory_bytes() const {
  return (hashes_.capacity() + contents_.capacity()) * sizeof(std::uint64_t) + offsets_.capacity() * sizeof(std::uint32_t) +
         buckets_.capacity() * sizeof(Bucket);
}

Window::Entry Window::entry(std::uint64_t hash, std::uint64_t number) const {
  auto const mask = number_mask();
  return taken | (static_cast<Entry>(hash >> 32U) & ~mask) | (static_cast<Entry>(number) & mask);
}

// Of one in the window: the last that ends like this.
std::uint64_t Window::number_of(Entry entry) const {
  auto const last = next_ - 1;
  return last - ((last - entry) & number_mask());
}

bool Window::is_in_window(Entry entry) const { return (entry & taken) != 0 && next_ - number_of(entry) <= sightings_; }

std::uint32_t Window::in_window(Bucket const& bucket) const {
  auto const last = static_cast<Entry>(next_ - 1), count = static_cast<Entry>(sightings_), mask = number_mask();
  return pick(bucket.entries, [&](Four four) { return ((four & taken) != 0) & (((last - four) & mask) < count); });
}

// The latest sighting's entry; nullptr: there is none in the window.
Window::Entry* Window::find(std::uint64_t hash) {
  auto const wanted = entry(hash, 0), mask = ~number_mask();
  auto at = home(hash);
  for (std::size_t passed = 0; passed < buckets_.size(); ++passed, at = after(at)) {
    auto& entries = buckets_[at].entries;
    auto alike = pick(entries, [&](Four four) { return (four & mask) == wanted; }) & room_bits;
    for (; alike != 0; alike &= alike - 1) {
      auto& found = entries[first_of(alike)];
      if (is_in_window(found) && hashes_[place(number_of(found))] == hash) return &found;
    }
    if (!is_in_window(entries[room])) return nullptr;
  }
  return nullptr;
}

// As the next sighting.
void Window::insert(std::uint64_t hash) {
  if (next_ % sightings_per_bucket == 0) forget_old(buckets_[next_ / sightings_per_bucket & (buckets_.size() - 1)]);
  auto at = home(hash);
  auto free = free_in(buckets_[at]);
  for (; free == 0; at = after(at), free = free_in(buckets_[at])) buckets_[at].entries[room] = entry(0, next_);
  buckets_[at].entries[first_of(free)] = entry(hash, next_);
  ++next_;
  ++sightings_;
}

void Window::forget_old(Bucket& bucket) const {
  for (auto& entry : bucket.entries)
    if (!is_in_window(entry)) entry = 0;
}

void Window::grow() {
  auto const old_size = hashes_.size();
  auto const unroll = [&](auto& ring) {
    if (ring.empty()) return;
    std::ranges::rotate(ring, ring.begin() + static_cast<std::ptrdiff_t>(place(next_ - sightings_)));
    ring.resize(old_size * 2);
  };
  // hashes_ last: its size says where a ring begins.
  unroll(contents_), unroll(offsets_), unroll(hashes_);
  make_buckets();
  for (std::size_t at = 0; at < old_size; ++at) {
    if (auto* const known = find(hashes_[at])) *known = 0;
    insert(hashes_[at]);
  }
}

void Window::clear() {
  hashes_.assign(first_size, 0);
  offsets_.assign(first_size, 0);
  if (with_contents_) contents_.assign(first_size, 0);
  make_buckets();
}

void Window::make_buckets() {
  buckets_.assign(hashes_.size() / sightings_per_bucket, {});
  next_ = sightings_ = 0;
}

}  // namespace penstock
