/// What penstock knows of one outside world. A provider does no I/O and keeps no state: it says what to ask, and
/// reads bytes; agents/publish.cpp does sockets, clocks, retries and budgets, agents/transform.cpp uses decode().
/// All functions are pure and may be called from any thread.
#pragma once

#include "schemas/kinds.hpp"
#include "streaming/record.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

/// What one publisher is asked to bring in. From [publish.<provider>] of the configuration.
struct Subscription {
  std::vector<std::string> symbols;           ///< unified: BTC/USDT, BTC/USDC:USDC, bitcoin/USD
  std::vector<std::string> channels;          ///< the provider's words, see Provider::channels()
  std::vector<std::string> intervals;         ///< of candle channels; canonical words: 1m, 5m, 1h, 1d, 1w, 1M
  std::chrono::milliseconds poll_interval{};  ///< 0: the provider's default of each poll
  std::chrono::milliseconds silence_max{};    ///< of each stream; 0: Stream::silence_max as the provider has it
  std::string http_url;                       ///< base without trailing slash; "": the provider's own
  std::string websocket_url;                  ///< the same
  std::string api_key;                        ///< secret; "": none
};

/// Something to fetch over HTTP. url is absolute. For a POST `body` is JSON.
struct Request {
  enum class Method : std::uint8_t { get, post };
  Method method = Method::get;
  std::string url;
  std::string body;
  std::vector<Header> headers;
  std::string channel;  ///< raw header
  std::string symbol;   ///< native; "" where the answer is about many
  Origin origin = Origin::live;
  int weight = 1;  ///< of the provider's budget

  /// Raw header `request`: the URL with its query; for a POST a space and the body.
  std::string text() const { return body.empty() ? url : url + ' ' + body; }
};

struct Poll {
  Request request;
  std::chrono::milliseconds every{};
  bool before_stream = false;  ///< its first answer must be in the log before the stream is opened (catalogues)
};

struct Response {
  int status = 0;               ///< HTTP; 0: no answer (detail in body)
  std::vector<Header> headers;  ///< names in lower case
  std::string body;
};

/// What an HTTP answer means. Success has many forms, so each provider says itself.
struct Answer {
  enum class Kind : std::uint8_t {
    ok,         ///< publish it
    empty,      ///< a good answer that holds nothing; not published
    throttled,  ///< wait `wait` (or back off where it is 0), then ask again; all requests of this provider wait
    refused,    ///< asking the same again cannot help: wrong symbol, wrong key; `detail` says what to change
    broken,     ///< ask again with backoff
  };
  Kind kind = Kind::ok;
  std::chrono::milliseconds wait{};
  std::string detail;
  std::optional<std::int64_t> budget_used;  ///< weight used in the running window, where the answer says so
};

/// A websocket to hold open.
struct Stream {
  std::string url;
  std::vector<std::string> subscribe;            ///< frames to send after opening, in order
  std::chrono::milliseconds subscribe_pause{};   ///< between two of them (message limits)
  std::string keep_alive;                        ///< text frame to send; "": none
  std::chrono::milliseconds keep_alive_every{};  ///< two of them without a frame of any kind: reconnect
  std::vector<std::string> unsubscribe;          ///< frames that take `subscribe` back, before it is sent once more
  std::chrono::milliseconds silence_max{};       ///< no data for longer: stale; subscribe anew, then reconnect; 0: no limit
  std::chrono::milliseconds lifetime_max{};      ///< reconnect before the provider does; 0: no limit
};

/// What a frame is and what it asks of the connection. Cheap: called for every frame, reads only as far as needed.
struct Reaction {
  enum class Action : std::uint8_t { none, answer, reconnect, refused };
  Action action = Action::none;
  std::string answer;        ///< to send back; or, for refused, what was refused and what to change
  std::string_view channel;  ///< raw header; "control" for acks, heartbeats and what is not data. Views into the frame or static
  std::string symbol;        ///< native; "" where there is none
};

/// A record of raw.<provider>, with its headers read. Views live as long as its delivery.
struct RawRecord {
  std::string_view key, value;
  std::string_view channel, symbol, request, publisher, connection;
  Origin origin = Origin::live;
  Time received_at{};
  std::int64_t ordinal = 0;  ///< of the frame on its connection, from 0
  bool replayed = false;     ///< it was a dead letter: long after its time, and some of it may be known already
};

/// What one raw record holds. Reused from record to record so that memory is, too.
struct Decoded {
  struct Item {
    std::size_t index;  ///< from 0 in the provider's order
    MarketRecord record;
  };
  struct Bad {
    std::size_t index;
    Reject reject;
  };
  std::vector<Item> items;
  std::vector<Bad> rejected;    ///< single bad records of a frame of many
  std::optional<Reject> frame;  ///< the frame as a whole is bad: items and rejected are empty
  bool ignored = false;         ///< control frame

  void clear() {
    items.clear();
    rejected.clear();
    frame.reset();
    ignored = false;
  }
};

/// How a provider's budget is counted. Requests wait for it.
struct Limits {
  int weight_per_minute = 60;
  int connections_per_5_minutes = 300;
};

/// How the transformer sees holes of a channel.
struct Continuity {
  enum class Kind : std::uint8_t {
    none,
    ids,        ///< trade ids are strictly +1 per symbol
    book,       ///< updates chain by previous_sequence and start from a snapshot
    reconnect,  ///< no sequence: a changed connection is a gap unless the first frame repeats a record already seen
  };
  Kind kind = Kind::none;
};

class Provider {
 public:
  virtual ~Provider() = default;

  virtual std::string_view name() const = 0;         ///< CCXT's id
  virtual std::string_view description() const = 0;  ///< one line for `penstock list`
  virtual Limits limits() const = 0;
  /// Channels that may be subscribed, the default ones first.
  struct Channel {
    std::string_view name;
    std::string_view help;
    bool by_default = true;
  };
  virtual std::span<Channel const> channels() const = 0;
  virtual std::vector<std::string> default_symbols() const = 0;
  virtual std::string_view default_http_url() const = 0;
  virtual std::string_view default_websocket_url() const { return {}; }  ///< "": polls only

  /// Throws UsageError for a symbol or channel that this provider cannot have; says which and what is allowed.
  virtual void check(Subscription const& subscription) const = 0;
  virtual std::vector<Poll> polls(Subscription const& subscription) const = 0;
  virtual std::vector<Stream> streams(Subscription const& subscription) const = 0;
  virtual Reaction react(std::string_view frame) const = 0;
  virtual Answer classify(Request const& request, Response const& response) const = 0;
  /// Clears `into` first. Never throws. Items' symbols are native where symbols_from_catalogue().
  virtual void decode(RawRecord const& raw, Decoded& into) const = 0;
  /// Symbols of items must be looked up in the instrument catalogue (native -> unified) before they go on.
  virtual bool symbols_from_catalogue() const = 0;
  virtual Continuity continuity(std::string_view channel) const = 0;
  /// Requests that close a gap (gap.symbol is unified); none: the provider has no such history.
  virtual std::vector<Request> backfill(Gap const& gap, Subscription const& subscription) const = 0;
  /// BTC/USDT -> BTCUSDT. "" where the provider cannot spell it.
  virtual std::string native_symbol(std::string_view symbol) const = 0;
};

/// All of them, by name. A provider file ends with its `Register` line.
Provider const* find_provider(std::string_view name);
std::vector<Provider const*> all_providers();

struct Register {
  explicit Register(Provider const& provider);
};

}  // namespace penstock
