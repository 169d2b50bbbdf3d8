/// Where `penstock top` gets its snapshots from. One thread.
#pragma once

#include "agents/operate/top_snapshot.hpp"

#include <memory>
#include <stop_token>
#include <string>

namespace penstock {

class SnapshotSource {
 public:
  virtual ~SnapshotSource() = default;
  /// The newest one. Throws a Fault that says what to do where there is none; at most 5 s.
  virtual Snapshot fetch(std::stop_token const& stop) = 0;
};

/// What `penstock up --status-file` writes. One that has not been written for 10 s is none.
std::unique_ptr<SnapshotSource> file_source(std::string path);
/// What `penstock up` serves at <url>/agents.
std::unique_ptr<SnapshotSource> http_source(std::string const& url);

}  // namespace penstock
