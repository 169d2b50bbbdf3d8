#include "agents/version.hpp"

namespace penstock {

std::string_view const penstock_version = PENSTOCK_VERSION;

}  // namespace penstock
