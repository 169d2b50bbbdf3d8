#include "agents/provider.hpp"

#include <algorithm>

namespace penstock {
namespace {

// A function's own: the first Register may run before this file's globals are made.
std::vector<Provider const*>& registered() {
  static std::vector<Provider const*> providers;
  return providers;
}

}  // namespace

Register::Register(Provider const& provider) {
  auto& all = registered();
  all.insert(std::ranges::upper_bound(all, provider.name(), {}, &Provider::name), &provider);
}

Provider const* find_provider(std::string_view name) {
  auto const found = std::ranges::find(registered(), name, &Provider::name);
  return found == registered().end() ? nullptr : *found;
}

std::vector<Provider const*> all_providers() { return registered(); }

}  // namespace penstock
