/// One provider as the server offers it: its REST side and its websocket's conversation, from requests, control frames
/// and the market to bytes. No sockets here. One thread: the server's.
#pragma once

#include "agents/simulate/source.hpp"
#include "agents/simulate/truth.hpp"
#include "streaming/http/frame.hpp"
#include "streaming/record.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock::simulate {

struct Question {
  bool post = false;
  std::string_view path;   ///< below the provider's prefix, with its slash: /api/v3/depth
  std::string_view query;  ///< without its question mark
  std::string_view body;
};

struct Reply {
  int status = 200;
  std::string body;
  std::string type = "application/json";
  std::vector<Header> headers;
};

/// Damage done on purpose; each is off at 0. What it means for the truth file is in `penstock simulate --help`.
struct Faults {
  double drop = 0;       ///< part of the data frames that are not sent
  double malformed = 0;  ///< part of the data frames that are cut short
  double duplicate = 0;  ///< part of the data frames that are sent twice
  double reorder = 0;    ///< part of the data frames that frames of other streams overtake
  std::chrono::milliseconds disconnect{}, close{}, shutdown{}, silence{}, delay{};
  int throttle = 0, error = 0;  ///< each how many-th request
};

/// Encoded websocket frames on their way to one client; does the frame faults. What happens to a frame follows from its
/// bytes and the seed alone: the same on every connection that it is sent on.
class Frames {
 public:
  enum class Fate : std::uint8_t { sent, dropped, cut };

  Frames(Faults const& faults, std::uint64_t seed)
      : seed_{seed},
        drop_{to_limit(faults.drop)},
        malformed_{to_limit(faults.malformed)},
        duplicate_{to_limit(faults.duplicate)},
        reorder_{to_limit(faults.reorder)} {}

  void control(std::string_view payload) { add(http::Opcode::text, payload); }
  /// `stream`: any number of its own; the frames of one stream stay in their order.
  Fate data(std::size_t stream, std::string_view payload);
  /// Bytes that were left of the frame that was cut last.
  std::size_t kept() const { return kept_; }
  /// The frame that is being overtaken goes out now. To be called before bytes() are sent.
  void send_late();
  void ping(std::string_view payload) { add(http::Opcode::ping, payload); }
  void pong(std::string_view payload) { add(http::Opcode::pong, payload); }
  void close(std::uint16_t code, std::string_view reason);

  std::string& bytes() { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  /// Frames since it was asked last.
  std::uint64_t take_count() { return std::exchange(count_, 0); }

 private:
  static std::uint64_t to_limit(double part) { return static_cast<std::uint64_t>(part * 4294967296.0); }
  void add(http::Opcode opcode, std::string_view payload);

  struct Late {
    std::size_t stream = 0;
    std::string payload;
    int overtaken_by = 0;
  };
  std::uint64_t seed_, drop_, malformed_, duplicate_, reorder_, count_ = 0;
  std::size_t kept_ = 0;
  std::optional<Late> late_;
  std::string bytes_;
};

/// One websocket.
class Session {
 public:
  enum class Feed : std::uint8_t {
    flowing,  ///< there is more
    waiting,  ///< for the clock, or for subscriptions
    ended,    ///< for good
  };
  virtual ~Session() = default;
  /// What the venue says first.
  virtual void open(Frames&) {}
  /// A text frame came. False: the venue closes the connection (`why`).
  virtual bool receive(std::string_view text, Now const& now, Frames& out, std::string& why) = 0;
  /// Appends data until `out` holds about `bytes`.
  virtual Feed produce(Now const& now, std::size_t bytes, Frames& out) = 0;
  /// Says that it is going to close, where the protocol has words for it.
  virtual void announce_shutdown(Now const&, Frames&) {}
};

class Venue {
 public:
  virtual ~Venue() = default;
  virtual std::string_view name() const = 0;
  virtual Reply ask(Question const& question, Now const& now) = 0;
  /// Nothing: there is no websocket at that path.
  virtual std::unique_ptr<Session> connect(std::string_view path, std::string_view query, Now const& now) = 0;
  /// Ping frames of its own; 0: it sends none.
  virtual std::chrono::milliseconds ping_every() const { return {}; }
  virtual Reply throttled(std::chrono::seconds wait) const = 0;
  virtual Reply failed() const = 0;
  /// What follows the prefix in publish.<name>.http_url; "" and nothing for a provider without websockets.
  virtual std::string_view http_base() const { return {}; }
  virtual std::optional<std::string_view> websocket_base() const = 0;
};

/// Value of `name` in a query, percent-decoded; nothing where it is not there.
std::optional<std::string> query_value(std::string_view query, std::string_view name);
std::optional<std::int64_t> to_integer(std::string_view text);
std::vector<std::string> split(std::string_view text, char separator);

/// Weight used in the running minute of the wall clock.
class Budget {
 public:
  explicit Budget(int per_minute) : per_minute_{per_minute} {}
  /// False: over the limit.
  bool take(int weight, Now const& now);
  int used() const { return used_; }
  std::chrono::seconds until_next_minute(Now const& now) const;

 private:
  int per_minute_, used_ = 0;
  std::int64_t minute_ = 0;
};

struct VenueOptions {
  std::string name;
  Truth* truth = nullptr;
  int weight_per_minute = 0;  ///< 0: the provider's own
};

/// Data that flow as fast as they are read begin this long after the latest subscription, so that a client that
/// subscribes step by step misses nothing.
inline constexpr std::chrono::milliseconds settle{250};

}  // namespace penstock::simulate
