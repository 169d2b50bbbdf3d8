/// Whether a file has changed: its place, size or time of writing, looked at once a second. One thread.
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

namespace penstock {

class FileWatch {
 public:
  explicit FileWatch(std::string path) : path_{std::move(path)}, known_{look()}, last_{known_} {}

  /// True once for each change, when the file has then stayed as it is from one look to the next (an editor may write in pieces).
  /// A file that is away has not changed.
  bool changed(std::chrono::steady_clock::time_point now) {
    if (now < look_at_) return false;
    look_at_ = now + every;
    auto const found = look();
    bool const settled = found && found == std::exchange(last_, found);
    return settled && std::exchange(known_, found) != found;
  }

  static constexpr std::chrono::seconds every{1};

 private:
  using Look = std::tuple<dev_t, ino_t, off_t, time_t, long>;
  std::optional<Look> look() const {
    struct stat found{};
    if (::stat(path_.c_str(), &found) != 0) return {};
    return Look{found.st_dev, found.st_ino, found.st_size, found.st_mtim.tv_sec, found.st_mtim.tv_nsec};
  }

  std::string path_;
  std::optional<Look> known_, last_;
  std::chrono::steady_clock::time_point look_at_{};
};

}  // namespace penstock
