/// The provider's polls: which is due, and when it is asked again. One thread.
#pragma once

#include "agents/fetcher.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

class PollSchedule {
 public:
  PollSchedule(Publishing& publishing, Fetcher& fetcher);

  /// Starts what is due and may start. Until the catalogue is in the log nothing else is asked for.
  void start_due();
  /// Looks which polls have brought nothing for longer than they should, and tells md.gaps. For people: what is the matter with
  /// each, and what to do.
  std::vector<std::string> troubles(std::chrono::steady_clock::time_point now);
  /// True from when the first answers of all polls marked before_stream are acknowledged by the broker.
  bool catalogue_is_in_the_log();
  /// True from when all polls of the channel have had a good answer.
  bool answers(std::string_view channel) const;

 private:
  using Instant = std::chrono::steady_clock::time_point;
  struct Entry {
    Poll poll;
    Instant next_at{};
    bool running = false;
    bool answered = false;
    bool refused = false;            ///< and said so
    std::string why;                 ///< its last answer was not good
    std::optional<Instant> good_at;  ///< or, before the first good answer, when it was due first
    Time good_time{};                ///< the same, wall clock
    bool stale = false;
    std::optional<Gap> gap;  ///< while it is stale, or nobody asks
    Backoff backoff{std::chrono::seconds{1}, std::chrono::minutes{1}};
  };

  void finish(Entry& entry, Instant started, Answer const& answer);
  void refuse(Entry& entry, Answer const& answer);
  void good(Entry& entry);
  static std::chrono::milliseconds silence_max(Entry const& entry);
  static bool is_quiet(Entry const& entry, Instant now);
  void miss(Entry& entry, Instant now);
  void open_gap(Entry& entry, GapCause cause);
  void become_stale(Entry& entry, Instant now);

  Publishing& publishing_;
  Fetcher& fetcher_;
  std::vector<Entry> entries_;  ///< never grows: requests that run refer to them
  bool catalogue_in_the_log_ = false;
};

}  // namespace penstock
