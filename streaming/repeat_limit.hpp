/// Holds back log lines that say the same again and again: the first passes, those after it are counted, and now and then
/// one of them is handed out with how many it stands for. No I/O, no lock. Lines that differ in digits only are the same.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock {

class RepeatLimit {
 public:
  using Instant = std::chrono::steady_clock::time_point;
  struct Line {
    std::string message;
    std::vector<std::pair<std::string, std::string>> fields;
  };
  struct Held {
    Line last;
    std::int64_t times = 0;  ///< how many were held back, this one among them
  };

  static constexpr std::chrono::seconds wait_first{10}, wait_most{300};  ///< doubles as long as it goes on
  static constexpr std::size_t lines_max = 1'000;                        ///< more different ones: they pass

  /// Whether this line is to be written.
  bool passes(Line line, Instant now);
  /// What was held back for its time, to be written now.
  std::vector<Held> due(Instant now);
  /// The same, whatever its time.
  std::vector<Held> all();

 private:
  struct Entry {
    Held held;
    Instant until{};
    std::chrono::seconds wait{};
  };
  static std::string key_of(Line const& line);

  std::map<std::string, Entry> entries_;
};

}  // namespace penstock
