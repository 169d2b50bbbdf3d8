/// The version of this build, as CMakeLists.txt says it.
#pragma once

#include <string_view>

namespace penstock {

extern std::string_view const penstock_version;

}  // namespace penstock
