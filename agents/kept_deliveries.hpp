/// Copies of deliveries, packed: what a batch holds until its rows are written, in case one of them becomes a dead letter.
/// A delivery itself holds on to the consumer's buffers, about four times its own size. One thread.
#pragma once

#include "streaming/record.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace penstock {

class KeptDeliveries {
 public:
  void keep(Delivery const& delivery);
  std::size_t size() const { return kept_.size(); }
  std::size_t bytes() const { return bytes_; }  ///< of memory
  /// The one that was kept as number `index`, from 0. Valid until clear().
  Delivery at(std::size_t index) const;
  void clear();

 private:
  /// Its bytes stand one after the other: key, value, then of each header two sizes, name and value.
  struct Kept {
    char const* bytes;
    std::uint32_t key_bytes, value_bytes, header_count;
    Position position;
    Time timestamp;
  };
  char* room_for(std::size_t bytes);

  std::vector<Kept> kept_;
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* free_ = nullptr;  ///< in the last block
  std::size_t left_ = 0;  ///< bytes from there
  std::size_t bytes_ = 0;
};

}  // namespace penstock
