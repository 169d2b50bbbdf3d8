/// Continuity of one symbol's trades that have no sequence: after a reconnect, was anything missed? One thread.
///
/// Several connections may take turns, as those of two publishers of one feed do: only one's first frame is looked at.
/// No gap where the first frame of the new connection repeats a trade that was seen, or reaches back before the last one.
/// Else from the last trade before to the first one after is a gap. It is filled when a connection that was there before it
/// comes to its end: that one is only late. The answer to it fills it where it overlaps what was seen before; where it does
/// not, the gap is unfillable and ends at the answer's first trade.
#pragma once

#include "agents/transform/open_gap.hpp"

#include <optional>
#include <string>
#include <vector>

namespace penstock {

class Reconnect {
 public:
  static constexpr std::size_t gaps_max = 64;
  static constexpr std::size_t connections_max = 8;

  /// Before the first trade that is seen, `first`: goes on with the gaps that were left open before it.
  void resume(std::vector<Gap> const& open, Trade const& first, bool again);
  /// Every trade; `repeated`: it was seen before.
  void see(Trade const& trade, bool repeated, Frame const& frame);
  void end(Frame const& frame, Time now, Downstream& out);
  void tick(Time now, Downstream& out);
  void restate(std::vector<Gap> const& left_open, Time now, Downstream& out);
  Time due() const;

 private:
  /// What the frame in hand says.
  struct Seen {
    Common first;                       ///< the earliest trade
    Time last{};                        ///< time of the latest one
    std::optional<Time> repeated_from;  ///< earliest one that was seen before
  };

  struct Hole {
    OpenGap open;
    std::vector<std::string> before;  ///< connections that were heard before it
  };

  void open(Frame const& frame, Time now, Downstream& out);
  void pass(std::string_view connection, Time now, Downstream& out);
  void answer(Time now, Downstream& out);
  bool is_new(std::string_view connection);

  std::vector<std::string> connections_;  ///< those heard last, the latest in front
  bool known_ = false;                    ///< there was a live frame before
  Time last_time_{};
  std::optional<Seen> seen_;
  std::vector<Hole> holes_;
};

}  // namespace penstock
