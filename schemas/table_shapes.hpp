/// The tables of the kinds, as a sink must know them. Pure.
#pragma once

#include "streaming/table.hpp"

#include <string_view>

namespace penstock {

/// Throws a fatal Fault for an unknown kind.
TableShape table_shape_of(std::string_view kind);

}  // namespace penstock
