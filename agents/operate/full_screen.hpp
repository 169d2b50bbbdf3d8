/// A terminal that is drawn on as a whole: plain ANSI, so that it works over ssh. One thread.
#pragma once

#include <termios.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace penstock {

class FullScreen {
 public:
  /// Whether stdout is a terminal.
  static bool is_possible();

  /// Takes the screen, and the keys where stdin is the terminal. A process of its own waits for this one to end and then
  /// gives the terminal back as it was, whatever ended it: a return, a signal, SIGKILL.
  FullScreen();
  ~FullScreen();
  FullScreen(FullScreen const&) = delete;
  FullScreen& operator=(FullScreen const&) = delete;

  /// Lines that are longer than the screen is wide, and those below it, are cut. False: the terminal is gone.
  bool draw(std::string_view text);
  /// The next key, waiting so long for it; Ctrl-C is one, too.
  std::optional<char> key(std::chrono::milliseconds wait);
  /// Since draw().
  bool was_resized() const { return size() != drawn_; }

 private:
  struct Size {
    std::size_t columns = 80, lines = 24;
    friend bool operator==(Size const&, Size const&) = default;
  };
  static Size size();

  termios before_{};
  bool has_keys_ = false;
  int guard_ = -1;  ///< pipe to the process that gives the terminal back
  int guard_pid_ = -1;
  Size drawn_;
};

}  // namespace penstock
