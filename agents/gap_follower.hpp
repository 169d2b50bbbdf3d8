/// Follows md.gaps: an open gap of this provider is a request to fetch what is missing. One thread.
#pragma once

#include "agents/fetcher.hpp"
#include "agents/poll_schedule.hpp"
#include "streaming/consumer.hpp"

#include <chrono>
#include <functional>
#include <list>
#include <string>
#include <vector>

namespace penstock {

/// What delivers md.gaps; nullptr: not yet, the broker is away.
using GapsTopic = std::function<Consumer*()>;

class GapFollower {
 public:
  GapFollower(Publishing& publishing, Fetcher& fetcher, GapsTopic const& gaps);

  /// Reads what is new.
  void follow();
  /// Starts what may start: one request at a time for each gap.
  void start_due();
  /// Closes what an earlier publisher lost and ended before it could close: connections are filled when all are back, what a poll
  /// did not ask for is unfillable when it is answered again.
  void close_left_open(bool connections_are_back, PollSchedule const& polls);

 private:
  using Instant = std::chrono::steady_clock::time_point;
  /// One gap that is open. Told as open again after it was asked for, it is asked for again, after a wait that grows.
  struct Wanted {
    Gap gap;
    std::vector<Request> requests;  ///< still to be made, in order
    Instant not_before{};
    bool running = false;
    bool gone = false;  ///< filled meanwhile, or dropped: goes when its request has ended
    Backoff backoff{std::chrono::seconds{1}, std::chrono::minutes{1}};
  };

  void learn(Gap gap);
  void learn_left_open(Gap gap);
  void ask_again(Wanted& wanted, Gap gap);
  void drop(std::list<Wanted>::iterator wanted);
  void make_room();
  void finish(Wanted& wanted, Answer const& answer);
  bool is_ours(Gap const& gap) const;

  // Set once.
  Publishing& publishing_;
  Fetcher& fetcher_;
  GapsTopic const& gaps_;
  Time began_;
  // Changes.
  std::list<Wanted> wanted_;    ///< oldest first; a list, since requests that run refer to them
  std::vector<Gap> left_open_;  ///< of whole connections and polls of earlier publishers, oldest first
  bool caught_up_ = false;      ///< nothing came last time
  Instant follow_at_{}, tell_at_{};
  std::int64_t dropped_ = 0;
  std::vector<Delivery> deliveries_;
};

}  // namespace penstock
