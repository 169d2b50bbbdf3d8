/// Recorded traffic: the payloads of a provider's websocket with their times, and answers of its REST side. Payloads go
/// out byte for byte as they stand in the file. Read once, then only read from; any thread.
#pragma once

#include "agents/simulate/subscriptions.hpp"
#include "agents/simulate/venue.hpp"

#include <deque>
#include <functional>
#include <map>

namespace penstock::simulate {

struct RecordedFrame {
  std::chrono::nanoseconds at{};  ///< since the recording's first line
  std::uint32_t stream = 0;       ///< into Recording::streams()
  std::string_view payload;
  std::string_view data;  ///< the part below "data", for venues that can send it bare
};

struct RecordedAnswer {
  std::string_view body;
  std::size_t frame = 0;  ///< number of websocket frames recorded before it
};

class Recording {
 public:
  /// Words of one provider.
  struct Dialect {
    std::string_view provider;
    std::string (*stream_of)(std::string_view frame);  ///< "" for a control frame
    /// Endpoints that a file of REST bodies answers, from its name without folder; "" for a file that is not known.
    std::string (*endpoint_of_file)(std::string_view name);
    /// The endpoint of a recorded line with a URL or without (`stream`: of the nearest websocket line); "" for none.
    std::string (*endpoint_of_line)(std::string_view url, std::string_view stream, std::string_view body);
    /// True where frames like these are another provider's although they look alike.
    bool (*foreign)(std::string_view frame);
  };

  /// `words`: files, folders, ENDPOINT=FILE. Throws UsageError where one cannot be read or holds nothing for the provider.
  Recording(Dialect const& dialect, std::vector<std::string> const& words);
  Recording(Recording const&) = delete;

  std::vector<RecordedFrame> const& frames() const { return frames_; }
  std::vector<std::string> const& streams() const { return streams_; }
  /// The latest answer recorded before frame number `frame`, else the first one; nothing where there is none.
  std::optional<std::string_view> answer(std::string_view endpoint, std::size_t frame) const;
  std::chrono::nanoseconds length() const { return frames_.empty() ? std::chrono::nanoseconds{} : frames_.back().at; }
  std::string summary() const;

  double speed = 1;  ///< 0: as fast as the client reads
  bool loop = false;

  /// Where the furthest connection is; told by players.
  mutable std::size_t furthest = 0;
  /// Names an endpoint that nothing answers, the first time.
  void say_unanswered(std::string_view endpoint) const;

 private:
  void read_word(std::string const& word);
  void read_folder(std::string const& folder);
  bool read_file(std::string const& path, std::string const& endpoint);
  bool read_lines(std::string const& path, std::string_view text, std::size_t capacity);
  std::uint32_t stream_number(std::string const& name);
  void put_in_order();

  Dialect dialect_;
  std::deque<std::string> texts_;  // Whole files; the views below look into them.
  std::vector<RecordedFrame> frames_;
  std::vector<std::string> streams_;
  std::map<std::string, std::uint32_t, std::less<>> stream_numbers_;
  std::map<std::string, std::vector<RecordedAnswer>, std::less<>> answers_;
  mutable std::vector<std::string> unanswered_;
};

/// One connection's way through a recording: from its beginning, when it has subscribed.
class Player {
 public:
  explicit Player(Recording const& recording) : recording_{recording}, wanted_(recording.streams().size(), false) {}
  /// The client's subscriptions changed. `same`: stream names as the recording has them.
  void want(std::vector<std::string> const& streams);
  Session::Feed produce(Now const& now, bool settled, bool bare, std::size_t bytes, Frames& out);

 private:
  Recording const& recording_;
  std::vector<bool> wanted_;
  std::optional<std::chrono::steady_clock::time_point> began_;
  std::size_t next_ = 0;
};

}  // namespace penstock::simulate
