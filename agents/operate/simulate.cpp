/// penstock simulate: providers on loopback, from a made-up market or from recordings (agents/simulate/).
#include "agents/command.hpp"
#include "agents/operate/commands.hpp"
#include "agents/simulate/binance.hpp"
#include "agents/simulate/coingecko.hpp"
#include "agents/simulate/hyperliquid.hpp"
#include "agents/simulate/server.hpp"
#include "streaming/fault.hpp"
#include "streaming/log.hpp"

#include <algorithm>
#include <charconv>
#include <iostream>
#include <set>

namespace penstock {
namespace {

using namespace simulate;
using namespace std::chrono_literals;

struct Provider {
  std::string_view name;
  std::vector<std::string_view> default_symbols;
  std::optional<MarketSymbol> (*symbol)(std::string_view word);
  std::unique_ptr<Venue> (*market)(Source&, VenueOptions const&);
  std::unique_ptr<Venue> (*replay)(Recording const&, VenueOptions const&);
  Recording::Dialect (*dialect)();
};

std::vector<Provider> const& providers() {
  static std::vector<Provider> const all{
      {"binance", {"BTC", "ETH", "SOL", "XRP", "DOGE"}, binance_symbol, make_binance, make_binance, binance_dialect},
      {"hyperliquid", {"BTC", "ETH", "SOL"}, hyperliquid_symbol, make_hyperliquid, make_hyperliquid, hyperliquid_dialect},
      {"coingecko", {"bitcoin", "ethereum", "solana"}, coingecko_symbol, make_coingecko, make_coingecko, coingecko_dialect}};
  return all;
}

[[noreturn]] void wrong(std::string const& flag, std::string const& found, std::string const& allowed) {
  throw UsageError{"--" + flag + (flag.contains(' ') ? "=" : " ") + found + ": must be " + allowed};
}

template <class Number>
Number number_of(std::string const& flag, std::string const& text, Number least, Number most, std::string const& allowed) {
  Number value{};
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most) wrong(flag, text, allowed);
  return value;
}

std::int64_t integer_flag(Invocation const& invocation, std::string const& flag, std::int64_t fallback, std::int64_t least,
                          std::int64_t most) {
  if (!invocation.has(flag)) return fallback;
  return number_of<std::int64_t>(flag, invocation.flag(flag), least, most,
                                 "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
}

/// 250ms, 20s, 5m, 2h; a number alone is `unit`.
std::chrono::microseconds duration_of(std::string const& flag, std::string const& text, std::chrono::microseconds unit) {
  std::int64_t value = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string_view const word{end, static_cast<std::size_t>(text.data() + text.size() - end)};
  auto const scale = word.empty() ? unit : word == "ms" ? 1ms : word == "s" ? 1s : word == "m" ? 1min : word == "h" ? 1h : 0us;
  if (error != std::errc{} || value < 0 || value > 1'000'000'000 || scale == 0us)
    wrong(flag, text, "a number with ms, s, m or h: 250ms, 20s");
  return value * scale;
}

Faults faults_of(Invocation const& invocation) {
  static std::vector<std::string> const names{"drop",     "malformed", "duplicate", "reorder", "disconnect", "close",
                                              "shutdown", "silence",   "throttle",  "error",   "delay"};
  Faults faults;
  for (auto const& word : split(invocation.flag("fault"), '\n')) {
    auto const equals = word.find('=');
    auto const name = word.substr(0, equals);
    auto const value = equals == std::string::npos ? "" : word.substr(equals + 1);
    auto const flag = "fault " + name;
    auto const milliseconds = [&](std::chrono::microseconds unit) {
      return std::chrono::duration_cast<std::chrono::milliseconds>(duration_of(flag, value, unit));
    };
    auto const part = [&] { return number_of<double>(flag, value, 0.0, 1.0, "a part from 0 to 1, like 0.01"); };
    auto const nth = [&] { return number_of<int>(flag, value, 1, 1'000'000, "a whole number from 1: each how many-th request"); };
    if (name == "drop")
      faults.drop = part();
    else if (name == "malformed")
      faults.malformed = part();
    else if (name == "duplicate")
      faults.duplicate = part();
    else if (name == "reorder")
      faults.reorder = part();
    else if (name == "disconnect")
      faults.disconnect = milliseconds(1s);
    else if (name == "close")
      faults.close = milliseconds(1s);
    else if (name == "shutdown")
      faults.shutdown = milliseconds(1s);
    else if (name == "silence")
      faults.silence = milliseconds(1s);
    else if (name == "delay")
      faults.delay = milliseconds(1ms);
    else if (name == "throttle")
      faults.throttle = nth();
    else if (name == "error")
      faults.error = nth();
    else {
      auto const near = nearest(name, names);
      wrong("fault", word,
            "one of drop, malformed, duplicate, reorder, disconnect, close, shutdown, silence, throttle, error, delay, as "
            "NAME=VALUE" +
                (near.empty() ? "" : "; did you mean " + near + "?"));
    }
  }
  return faults;
}

/// What a made-up market is made of, read from the flags.
struct MarketFlags {
  bool as_fast_as_read = false;
  std::int64_t step_ns = 0, length = 0, history = 0;
  std::optional<Time> start;
};

MarketFlags market_flags(Invocation const& invocation) {
  MarketFlags flags;
  auto const rate = invocation.flag("rate", "1000");
  flags.as_fast_as_read = rate == "max";
  flags.step_ns = flags.as_fast_as_read ? 20'000
                                        : 1'000'000'000 / number_of<std::int64_t>("rate", rate, 1, 10'000'000,
                                                                                  "events a second from 1 to 10000000, or max");
  if (invocation.has("step")) flags.step_ns = duration_of("step", invocation.flag("step"), 1us).count() * 1000;
  if (flags.step_ns == 0) wrong("step", invocation.flag("step"), "at least 1 (microsecond)");
  if (flags.as_fast_as_read == false && invocation.has("step"))
    throw UsageError{"--step goes with --rate max: at another rate a second of market time is a second"};
  if (invocation.has("length")) {
    auto const text = invocation.flag("length");
    auto const is_events = std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
    flags.length = is_events ? number_of<std::int64_t>("length", text, 1, 1'000'000'000'000,
                                                       "a number of events from 1, or a duration like 30s")
                             : duration_of("length", text, 1s).count() * 1000 / flags.step_ns;
    if (flags.length == 0) wrong("length", text, "long enough for one event");
  }
  if (invocation.has("start")) {
    flags.start = parse_time(invocation.flag("start"));
    if (!flags.start || *flags.start < Time{} + std::chrono::days{1})
      wrong("start", invocation.flag("start"), "a time like 2024-08-08T23:54:13Z");
  }
  flags.history = integer_flag(invocation, "history", -1, 0, 100'000'000);
  return flags;
}

std::vector<MarketSymbol> symbols_of(Provider const& provider, std::string const& words) {
  std::vector<MarketSymbol> symbols;
  std::set<std::string> seen;
  std::vector<std::string> chosen = split(words, ',');
  if (chosen.empty()) chosen.assign(provider.default_symbols.begin(), provider.default_symbols.end());
  for (auto const& word : chosen)
    if (auto symbol = provider.symbol(word); symbol && seen.insert(symbol->native).second) symbols.push_back(std::move(*symbol));
  if (symbols.empty())
    throw UsageError{"--symbols " + words + ": none of them is a symbol of " + std::string{provider.name} + "; it has such as " +
                     std::string{provider.default_symbols.front()}};
  return symbols;
}

// Each provider leaves out what it cannot have; what none of them can have is a mistake.
void check_symbols(std::vector<Provider const*> const& chosen, std::string const& words) {
  for (auto const& word : split(words, ','))
    if (std::ranges::none_of(chosen, [&](auto const* provider) { return provider->symbol(word).has_value(); }))
      throw UsageError{"--symbols: \"" + word +
                       "\" is a symbol of no provider that is named here; write BTC, BTC/USDT (binance), " +
                       "BTC/USDC:USDC (hyperliquid), bitcoin/USD (coingecko)"};
}

Provider const& find(std::string const& name) {
  std::vector<std::string> names;
  for (auto const& provider : providers()) {
    if (provider.name == name) return provider;
    names.emplace_back(provider.name);
  }
  auto const near = nearest(name, names);
  throw UsageError{"there is no simulator of " + name + (near.empty() ? "" : "; did you mean " + near + "?") +
                   (near.empty() ? "; it can be" : " It can be") + " binance, hyperliquid, coingecko"};
}

void only_with(Invocation const& invocation, std::vector<std::string> const& flags, bool recording) {
  for (auto const& flag : flags)
    if (invocation.has(flag))
      throw UsageError{"--" + flag +
                       (recording ? " is for a made-up market: leave it out, or leave out --recording"
                                  : " is for a recording: name one with --recording, or leave it out")};
}

/// The server and everything that it speaks from.
struct Simulator {
  std::unique_ptr<Truth> truth;
  std::vector<std::unique_ptr<Source>> sources;
  std::vector<std::unique_ptr<Recording>> recordings;
  std::vector<std::unique_ptr<Venue>> venues;

  std::vector<Venue*> pointers() const {
    std::vector<Venue*> all;
    for (auto const& venue : venues) all.push_back(venue.get());
    return all;
  }
};

void add_market(Simulator& simulator, Provider const& provider, Invocation const& invocation, VenueOptions const& options) {
  auto const flags = market_flags(invocation);
  SourceOptions source{
      .seed = static_cast<std::uint64_t>(integer_flag(invocation, "seed", 1, 0, std::numeric_limits<std::int64_t>::max())),
      .symbols = symbols_of(provider, invocation.flag("symbols")),
      .start = flags.start,
      .step_ns = flags.step_ns,
      .as_fast_as_read = flags.as_fast_as_read,
      .length = flags.length,
      .history = flags.history,
      .from_start = invocation.has("from-start")};
  // Every provider has a market of its own.
  for (char const letter : provider.name) source.seed = source.seed * 131 + static_cast<unsigned char>(letter);
  if (source.history < 0) source.history = static_cast<std::int64_t>(source.symbols.size()) * 500;
  simulator.sources.push_back(std::make_unique<Source>(std::move(source)));
  simulator.venues.push_back(provider.market(*simulator.sources.back(), options));
}

void add_recording(Simulator& simulator, Provider const& provider, Invocation const& invocation, VenueOptions const& options) {
  auto recording = std::make_unique<Recording>(provider.dialect(), split(invocation.flag("recording"), '\n'));
  auto const speed = invocation.flag("speed", "1");
  recording->speed = speed == "max" ? 0 : number_of<double>("speed", speed, 0.001, 1'000'000.0, "a factor like 1 or 10, or max");
  recording->loop = invocation.has("loop");
  log::info("recording read", {{"provider", std::string{provider.name}}, {"holds", recording->summary()}});
  simulator.recordings.push_back(std::move(recording));
  simulator.venues.push_back(provider.replay(*simulator.recordings.back(), options));
}

void print_settings(Simulator const& simulator, std::uint16_t port) {
  auto const address = "127.0.0.1:" + std::to_string(port) + '/';
  for (auto const& venue : simulator.venues) {
    auto const name = std::string{venue->name()};
    std::cout << "[publish." << name << "]\nhttp_url = \"http://" << address << name << venue->http_base() << "\"\n";
    if (auto const base = venue->websocket_base()) std::cout << "websocket_url = \"ws://" << address << name << *base << "\"\n";
  }
  std::cout << std::flush;
}

int run(Invocation const& invocation) {
  Simulator simulator;
  auto const recorded = invocation.has("recording");
  only_with(invocation,
            recorded
                ? std::vector<std::string>{"seed", "symbols", "rate", "step", "length", "start", "history", "from-start", "truth"}
                : std::vector<std::string>{"speed", "loop"},
            recorded);
  ServerOptions const options{
      .port = static_cast<std::uint16_t>(integer_flag(invocation, "port", 0, 0, 65535)),
      .faults = faults_of(invocation),
      .seed = static_cast<std::uint64_t>(integer_flag(invocation, "seed", 1, 0, std::numeric_limits<std::int64_t>::max())),
      .ping_every = std::chrono::duration_cast<std::chrono::milliseconds>(duration_of("ping", invocation.flag("ping", "0"), 1s)),
      .exit_after_end = invocation.has("exit-after-end")};
  VenueOptions venue{.weight_per_minute = static_cast<int>(integer_flag(invocation, "weight-limit", 0, 1, 1'000'000'000))};
  std::vector<Provider const*> chosen;
  for (auto const& name : invocation.arguments) {
    if (std::ranges::contains(chosen, &find(name))) throw UsageError{name + " is named twice"};
    chosen.push_back(&find(name));
  }
  check_symbols(chosen, invocation.flag("symbols"));
  if (invocation.has("truth")) {
    simulator.truth = std::make_unique<Truth>(invocation.flag("truth"));
    venue.truth = simulator.truth.get();
  }
  for (auto const* provider : chosen)
    recorded ? add_recording(simulator, *provider, invocation, venue) : add_market(simulator, *provider, invocation, venue);
  Server server{options, simulator.pointers(), simulator.truth.get()};
  if (simulator.truth) simulator.truth->clear();
  print_settings(simulator, server.port());
  log::info("listening", {{"address", "127.0.0.1:" + std::to_string(server.port())}});
  server.run(invocation.stop);
  log::info("stopped",
            {{"frames", std::to_string(server.frames_sent())}, {"requests", std::to_string(server.requests_answered())}});
  return Exit::stopped_as_asked;
}

}  // namespace

Command const simulate_command{
    .name = "simulate",
    .summary = "Speak a provider's protocol on loopback: a made-up market, or recorded traffic; with faults on request",
    .arguments = "PROVIDER...",
    .arguments_least = 1,
    .arguments_most = 8,
    .sections = {""},
    .flags = {{"port", "N", "Listen there on 127.0.0.1; 0: the system chooses, and the address is printed", "0"},
              {"symbols", "LIST",
               "Of the made-up market: BTC,ETH or BTC/USDT,BTC/USDC:USDC,bitcoin/USD; each provider takes those it can have"},
              {"seed", "N", "Same seed and start, same market, byte for byte", "1"},
              {"start", "TIME", "Market time of the first event (RFC 3339); else the clock's at the first question"},
              {"rate", "N|max", "Events a second over all symbols of a provider; max: as fast as the client reads", "1000"},
              {"step", "US", "With --rate max: market time between two events, in microseconds", "20"},
              {"length", "N|TIME", "Events, or a duration like 30s; then the sockets stay open and quiet. Default: no end"},
              {"history", "N", "Events before the start, for REST questions about the past; default 500 a symbol"},
              {"from-start", "",
               "Every connection gets the market from its start; else a client misses what happens while it is away, and may "
               "fetch it"},
              {"truth", "FILE",
               "What was sent, as canonical records, one JSON line each: {\"kind\":…,\"record\":{…}} without received_at; equal "
               "to what "
               "must arrive when the server is quiet. Keys that the provider does not say are left out. Books compare by (type, "
               "sequence): "
               "updates older than a snapshot need not arrive"},
              {"recording", "FILE|DIR",
               "Recorded traffic instead of a made-up market: .jsonl lines {\"dir\",\"ts\",\"raw\"}, .json bodies known by name "
               "(rest-exchangeInfo-…, info-meta.json, …) or as ENDPOINT=FILE, or a folder of them (its subfolder PROVIDER, where "
               "there is one)",
               "", true},
              {"speed", "N|max", "Of a recording: times its own pace; max: as fast as the client reads", "1"},
              {"loop", "", "A recording begins again when it is over"},
              {"exit-after-end", "", "End when every open websocket has had everything"},
              {"ping", "TIME", "A ping frame that often, like 500ms; default: as the provider does (binance: 20s)"},
              {"weight-limit", "N", "Request weight a minute before 429 (default: the provider's)"},
              {"fault", "NAME=VALUE",
               "Damage, the same for the same seed, and to a frame each time that it is sent. drop=PART of the data frames is "
               "not sent, and is no line of the truth unless it is fetched later; "
               "malformed=PART is cut short: the truth says {\"malformed\":…} with the bytes, one line each, and holds the "
               "record only if it was sent whole as well; "
               "duplicate=PART is sent twice, reorder=PART is overtaken by frames of other streams: the truth is the same; "
               "disconnect=TIME after it opened the socket is cut without a close frame, close=TIME closed in good form, "
               "shutdown=TIME announced, then closed, silence=TIME left open without another data frame: "
               "what was sent before arrives and is in the truth, what happens until the client is back is not sent, so is in "
               "the truth only when fetched; "
               "throttle=N each N-th request gets 429, error=N gets 500: no line; delay=TIME answers and frames come that late: "
               "the truth is the same",
               "", true}},
    .example =
        "penstock simulate binance hyperliquid --port 8900 --rate 5000 --truth sent.jsonl   prints the addresses to paste into "
        "penstock.toml",
    .run = run};

}  // namespace penstock
