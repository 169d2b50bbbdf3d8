/// The stage that knows what should have come: by Provider::continuity(channel) each symbol of a channel is followed by
/// its ids (ids.hpp), as a book (books.hpp) or over reconnects (reconnect.hpp); what has no continuity passes.
/// One partition, one thread. State is made by the input alone; time is the input's too (the latest received_at), and the
/// clock only adds to it while the input is quiet.
/// A restart reads only the last W records again. What it does not find there it takes from md.gaps: a series that begins
/// in the middle goes on with the gaps that were left open, and a book without one is whole. A series that was quiet for
/// longer than W is remembered while the process lives and forgotten by a restart: that can miss a hole, never invent one.
#pragma once

#include "agents/provider.hpp"
#include "agents/transform/books.hpp"
#include "agents/transform/ids.hpp"
#include "agents/transform/open_gaps.hpp"
#include "agents/transform/reconnect.hpp"
#include "agents/transform/twins.hpp"

#include <memory>
#include <vector>

namespace penstock {

class Sequence {
 public:
  /// Followed at once in a partition; one more and those quiet for longest, a quarter, are forgotten.
  static constexpr std::size_t series_max = 50'000;

  /// Frames before `live_from` were handled by somebody before, and only make state.
  /// `grace`: that a hole waits where the feed has another publisher.
  Sequence(Provider const& provider, OpenGaps const& open_gaps, Offset live_from, Books::Limits const& limits, Duration grace);

  /// Every frame's received_at, also of those that hold nothing.
  void advance(Time received_at, Offset offset, Downstream& out);
  /// Around the records of one frame.
  void begin(Frame const& frame, Downstream& out);
  /// Writes, drops or holds the record; `repeated`: dedupe knows it already, it is dropped.
  void see(MarketRecord& record, bool repeated, Downstream& out);
  void end(Downstream& out);

  /// Nothing came for `quiet`, by the clock, since the last frame.
  void tick(Duration quiet, Downstream& out);
  /// After state was made from the log again, silently.
  void restate(Downstream& out);

  std::size_t held() const { return held_.records; }  ///< records

 private:
  template <class Series>
  struct Followed {
    template <class... Arguments>
    explicit Followed(Arguments&&... arguments) : series(std::forward<Arguments>(arguments)...) {}
    Series series;
    Offset seen{};
  };
  struct Channel {
    std::string name;
    Continuity::Kind kind;
    Twins twins;
    ByText<Followed<Ids>> ids;
    ByText<Followed<Books>> books;
    ByText<Followed<Reconnect>> reconnects;
  };

  Channel& channel_of(std::string_view name);
  void run_due(Downstream& out);
  void release_old(Offset offset, Downstream& out);
  template <class Series, class Record, class... Arguments>
  Series& series_of(ByText<Followed<Series>>& all, Record const& record, Arguments&&... arguments);
  void each_series(auto&& act);
  void forget_quiet();

  Provider const& provider_;
  OpenGaps const& open_gaps_;
  Offset const live_from_;
  Books::Limits const limits_;
  Duration const grace_;
  Books::Held held_;
  std::vector<std::unique_ptr<Channel>> channels_;
  std::size_t series_ = 0;

  Frame frame_;                 ///< in hand
  Channel* channel_ = nullptr;  ///< its channel
  std::vector<Ids*> ids_touched_;
  std::vector<Reconnect*> reconnects_touched_;
  std::string symbol_;  ///< of the series last looked up in this frame
  void* last_series_ = nullptr;
  Time input_time_{}, now_{};
  Time due_ = never;
  Offset due_offset_ = Books::no_offset;
};

}  // namespace penstock
