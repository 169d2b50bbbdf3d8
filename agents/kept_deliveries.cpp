#include "agents/kept_deliveries.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace penstock {
namespace {

constexpr std::size_t block_bytes = 1 << 20;

using HeaderSizes = std::array<std::uint32_t, 2>;  // Of name and value.

std::size_t bytes_of(Delivery const& delivery) {
  auto bytes = delivery.key.size() + delivery.value.size();
  for (auto const& [name, value] : delivery.headers) bytes += sizeof(HeaderSizes) + name.size() + value.size();
  return bytes;
}

char* put(char* to, std::string_view bytes) { return std::ranges::copy(bytes, to).out; }

std::uint32_t size_of(std::string_view bytes) { return static_cast<std::uint32_t>(bytes.size()); }

}  // namespace

void KeptDeliveries::keep(Delivery const& delivery) {
  auto const bytes = bytes_of(delivery);
  auto* to = room_for(bytes);
  bytes_ += bytes + sizeof(Kept);
  kept_.push_back({.bytes = to,
                   .key_bytes = size_of(delivery.key),
                   .value_bytes = size_of(delivery.value),
                   .header_count = static_cast<std::uint32_t>(delivery.headers.size()),
                   .position = delivery.position,
                   .timestamp = delivery.timestamp});
  to = put(put(to, delivery.key), delivery.value);
  for (auto const& [name, value] : delivery.headers) {
    HeaderSizes const sizes{size_of(name), size_of(value)};
    std::memcpy(to, sizes.data(), sizeof sizes);
    to = put(put(to + sizeof sizes, name), value);
  }
}

Delivery KeptDeliveries::at(std::size_t index) const {
  auto const& kept = kept_[index];
  Delivery delivery;
  delivery.position = kept.position;
  delivery.timestamp = kept.timestamp;
  auto const* from = kept.bytes;
  auto const take = [&](std::uint32_t size) { return std::string_view{std::exchange(from, from + size), size}; };
  delivery.key = take(kept.key_bytes);
  delivery.value = take(kept.value_bytes);
  for (std::uint32_t i = 0; i < kept.header_count; ++i) {
    HeaderSizes sizes;
    std::memcpy(sizes.data(), take(sizeof sizes).data(), sizeof sizes);
    auto const name = take(sizes[0]);
    delivery.headers.emplace_back(name, take(sizes[1]));
  }
  return delivery;
}

void KeptDeliveries::clear() {
  kept_.clear();
  blocks_.clear();
  free_ = nullptr;
  left_ = bytes_ = 0;
}

char* KeptDeliveries::room_for(std::size_t bytes) {
  if (bytes > left_) {
    left_ = std::max(bytes, block_bytes);
    free_ = blocks_.emplace_back(std::make_unique_for_overwrite<char[]>(left_)).get();
  }
  left_ -= bytes;
  return std::exchange(free_, free_ + bytes);
}

}  // namespace penstock
