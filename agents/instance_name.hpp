/// A name that no other running member of a consumer group has on this machine, and that the next one takes over at once when
/// this one ends, however it ends: the broker then knows it as the same member, gives it the same partitions without waiting for
/// the session timeout, and ends the transaction that it left open.
#pragma once

#include <cstdint>
#include <string>

namespace penstock {

class InstanceName {
 public:
  /// `instance`: which of several this is, from 1, so that each takes its own number where that is free; 0: the lowest that is.
  /// Throws a fatal Fault where the machine has no free one.
  explicit InstanceName(std::string const& group, std::int64_t instance = 0);
  ~InstanceName();
  InstanceName(InstanceName const&) = delete;
  InstanceName& operator=(InstanceName const&) = delete;

  /// <group>-<host>-<number>
  std::string const& text() const { return name_; }

 private:
  bool take(std::string const& name);

  std::string name_;
  int socket_ = -1;
};

}  // namespace penstock
