/// What the two kinds of a venue's session (made-up market, recording) have in common: the set of streams that the
/// client asked for, in the venue's own words.
#pragma once

#include "agents/simulate/venue.hpp"

#include <algorithm>

namespace penstock::simulate {

class Subscriptions {
 public:
  /// False: it was there.
  bool add(std::string const& stream, Now const& now) {
    latest_ = now.steady;
    if (std::ranges::contains(names_, stream)) return false;
    names_.push_back(stream);
    return true;
  }
  bool remove(std::string const& stream) { return std::erase(names_, stream) > 0; }

  std::vector<std::string> const& names() const { return names_; }
  bool settled(Now const& now) const { return !names_.empty() && now.steady - latest_ >= settle; }

 private:
  std::vector<std::string> names_;
  std::chrono::steady_clock::time_point latest_;
};

/// More than `most` in the running second: the venue hangs up.
class MessageLimit {
 public:
  explicit MessageLimit(int most) : most_{most} {}
  bool take(Now const& now) {
    if (now.steady - since_ >= std::chrono::seconds{1}) {
      since_ = now.steady;
      count_ = 0;
    }
    return ++count_ <= most_;
  }

 private:
  int most_, count_ = 0;
  std::chrono::steady_clock::time_point since_;
};

}  // namespace penstock::simulate
