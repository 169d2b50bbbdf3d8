#include "agents/transform/catalogue.hpp"

namespace penstock {

void Catalogue::add(Instrument const& instrument) {
  auto& unified = symbols_[instrument.source][instrument.native_symbol];
  if (unified == instrument.symbol) return;
  unified = instrument.symbol;
  ++version_;
}

std::string const* Catalogue::unified(std::string_view source, std::string_view native) const {
  auto const of_source = symbols_.find(source);
  if (of_source == symbols_.end()) return nullptr;
  auto const found = of_source->second.find(native);
  return found == of_source->second.end() ? nullptr : &found->second;
}

bool Catalogue::empty(std::string_view source) const { return !symbols_.contains(source); }

}  // namespace penstock
