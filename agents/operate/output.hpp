/// What commands print, and the one place that notices when it does not arrive. One thread.
#pragma once

#include <string_view>

namespace penstock {

/// One line on stdout, at once. False: stdout takes nothing any more; there is no use in going on, and output_checked()
/// says why.
bool put_line(std::string_view line);

/// False: the reader went away, and nothing more need be looked for.
bool output_is_wanted();

/// Called by main with a command's exit code, when it has printed all: that code where everything arrived, or where the
/// reader went away (`| head`) and so has what it wanted. Throws a fatal Fault otherwise: a full disk, a closed descriptor.
int output_checked(int code);

}  // namespace penstock
