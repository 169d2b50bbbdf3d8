/// Tells whoever started this process how it goes: Metrics::status_line() each second.
#pragma once

#include "streaming/metrics.hpp"

#include <thread>

namespace penstock {

class StatusWriter {
 public:
  /// Writes one line at once, one each second and one at the end, from a thread of its own; nothing where `fd` < 0.
  /// A reader that went away ends it silently. `metrics` must outlive it; `fd` stays open.
  StatusWriter(Metrics const& metrics, int fd);
  ~StatusWriter() = default;

 private:
  std::jthread thread_;
};

}  // namespace penstock
