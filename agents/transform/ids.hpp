/// Continuity of one symbol's trades whose ids are strictly +1: finds holes and sees them filled. One thread.
///
/// Only live records move the last id on; back-filled ones fill holes, and may overtake the stream without harm. The
/// first id ever seen makes no hole.
/// A hole is one gap record, its identity the time of the last trade before it. It is
///   filled      when every missing id has come, in any order;
///   unfillable  when answers of the provider covered it (from the least to the greatest id of an answer) and some ids
///               were not there, or when it was asked for `asks_max` times without progress. Then each run of missing ids
///               is one unfillable record and each run of filled ones one filled record, beginning at the trade before
///               it; runs that begin at the same time share one record, unfillable where any of them is.
/// While it is open it is asked for again, then shrunk to what is still missing. Within its grace (OpenGap) it is no gap yet.
#pragma once

#include "agents/transform/open_gap.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace penstock {

class Ids {
 public:
  /// Of one symbol; the oldest is given up as unfillable when there is one more.
  static constexpr std::size_t gaps_max = 256;
  /// Of one gap; a trade that would split it further passes, but stays among the missing.
  static constexpr std::size_t runs_max = 1024;

  /// The number in 123 or a123; nothing in an id that is none.
  static std::optional<std::int64_t> number_of(std::string_view id);

  /// Before the first trade that is seen, `first`: goes on with the gaps that were left open before it. `again`: it was
  /// handled by somebody before, and only makes state.
  void resume(std::vector<Gap> const& open, Trade const& first, bool again);
  /// Every trade, also one that was seen before.
  void see(Trade const& trade, Frame const& frame, Time now, Downstream& out);
  /// After the last trade of a frame.
  void end(Frame const& frame, Time now, Downstream& out);
  /// When due(): asks again or gives up.
  void tick(Time now, Downstream& out);
  /// Asks for what is open, after state was made from the log again. `left_open`: what md.gaps leaves open.
  void restate(std::vector<Gap> const& left_open, Time now, Downstream& out);
  Time due() const;

 private:
  struct Run {
    std::int64_t from, to;
    Time from_time, to_time;  ///< of the trades around it
    bool denied = false;      ///< an answer covered it, and it was not there
  };
  struct Hole {
    OpenGap open;
    std::vector<Run> missing;  ///< ascending
  };

  void open(std::int64_t from, std::int64_t to, Trade const& after, Frame const& frame, Time now, Downstream& out);
  void fill(std::int64_t id, Time time, Time now, Downstream& out);
  static void deny(Hole& hole, std::int64_t least, std::int64_t most);
  static bool is_answered(Hole const& hole);
  static Gap still_missing(Hole const& hole);
  static void give_up(Hole& hole, Time now, Downstream& out);

  std::optional<std::int64_t> last_;
  Time last_time_{};
  std::string connection_;
  std::vector<Hole> holes_;
  std::optional<std::int64_t> answer_least_, answer_most_;  ///< of the back-filled frame in hand
};

}  // namespace penstock
