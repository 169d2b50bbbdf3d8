/// How each source spells its symbols: (source, native) -> unified. Made of instrument records, the later one wins.
/// One thread.
#pragma once

#include "agents/transform/stage.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace penstock {

class Catalogue {
 public:
  void add(Instrument const& instrument);

  /// Nothing known: nullptr. Valid until the next add() of the same instrument. Allocates nothing.
  std::string const* unified(std::string_view source, std::string_view native) const;
  bool empty(std::string_view source) const;

  /// Grows with every change, so that who waits for a symbol knows when to look again.
  std::uint64_t version() const { return version_; }

 private:
  ByText<ByText<std::string>> symbols_;
  std::uint64_t version_ = 0;
};

}  // namespace penstock
