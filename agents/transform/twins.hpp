/// The publishers that bring the same channel: what one of them jumps over, another one may be about to bring. One thread.
#pragma once

#include "streaming/time.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

class Twins {
 public:
  /// One that was quiet for longer is not waited for.
  static constexpr std::chrono::seconds heard_within{10};
  static constexpr std::size_t publishers_max = 16;

  /// A live frame of `publisher` came, at `now`. True: another one was heard lately.
  bool hear(std::string_view publisher, Time now);

 private:
  struct Heard {
    std::string publisher;
    Time at;
  };
  std::vector<Heard> heard_;
};

}  // namespace penstock
