/// SIGHUP: "read your configuration again", or "your terminal is closed". While one of these lives it does not end the process.
#pragma once

#include <cstdint>

namespace penstock {

class Hangup {
 public:
  Hangup();
  ~Hangup();
  Hangup(Hangup const&) = delete;
  Hangup& operator=(Hangup const&) = delete;

  /// What has come since the last call. closed: the terminal that this process was started on is gone, unless it was started to
  /// outlive that (nohup).
  enum class Asked : std::uint8_t { nothing, reload, closed };
  Asked take();

 private:
  bool on_terminal_;
  void (*before_)(int);
};

}  // namespace penstock
