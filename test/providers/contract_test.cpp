// What every provider promises, over all that are registered.
#include "streaming/fault.hpp"
#include "support.hpp"

#include <algorithm>
#include <random>
#include <thread>

using namespace penstock;
using namespace penstock::test;

namespace {

/// Everything in it can be written as JSON and read back unchanged: numbers are numbers, times are times.
void check_valid(Decoded const& decoded) {
  if (decoded.frame) {
    CHECK(decoded.items.empty());
    CHECK(decoded.rejected.empty());
    CHECK(std::ranges::find(reason::all, decoded.frame->reason) != reason::all.end());
    CHECK(decoded.frame->detail.size() < 500);
  }
  for (auto const& [index, reject] : decoded.rejected) CHECK(std::ranges::find(reason::all, reject.reason) != reason::all.end());
  for (auto const& [index, record] : decoded.items) {
    std::string json;
    append_json(json, record);
    auto const again = parse_record(kind_of(record), json);
    CAPTURE(json);
    REQUIRE_MESSAGE(again.has_value(), (again ? "" : again.error().detail));
    CHECK(*again == record);
  }
}

/// Whatever a frame says, the connection's side of it holds.
void check_reaction(Provider const& of, std::string const& bytes) {
  auto const reaction = of.react(bytes);
  CHECK(!reaction.channel.empty());
  CHECK(reaction.symbol.size() <= bytes.size());
}

Subscription defaults(Provider const& of) {
  Subscription result{.symbols = of.default_symbols(), .intervals = {"1m", "1d"}};
  for (auto const& channel : of.channels())
    if (channel.by_default) result.channels.emplace_back(channel.name);
  return result;
}

Subscription everything(Provider const& of) {
  auto result = defaults(of);
  result.channels.clear();
  for (auto const& channel : of.channels()) result.channels.emplace_back(channel.name);
  return result;
}

}  // namespace

TEST_CASE("providers: all are found by name, in the order of their names") {
  auto const all = all_providers();
  REQUIRE(all.size() >= 3);
  CHECK(std::ranges::is_sorted(all, {}, &Provider::name));
  for (auto const* each : all) CHECK(find_provider(each->name()) == each);
  CHECK(find_provider("nosuch") == nullptr);
  CHECK(find_provider("") == nullptr);
}

TEST_CASE("providers: each describes itself, and what it subscribes to by default it can have") {
  for (auto const* each : all_providers()) {
    CAPTURE(each->name());
    CHECK(!each->description().empty());
    CHECK(each->limits().weight_per_minute > 0);
    CHECK(!each->default_symbols().empty());
    CHECK(each->default_http_url().starts_with("https://"));
    CHECK(!each->default_http_url().ends_with('/'));
    CHECK(std::ranges::any_of(each->channels(), &Provider::Channel::by_default));
    CHECK(std::ranges::is_partitioned(each->channels(), &Provider::Channel::by_default));
    for (auto const& channel : each->channels()) CHECK(!channel.help.empty());
    CHECK_NOTHROW(each->check(defaults(*each)));
    CHECK_NOTHROW(each->check(everything(*each)));
    for (auto const& symbol : each->default_symbols()) CHECK(!each->native_symbol(symbol).empty());
  }
}

TEST_CASE("providers: a wrong channel is answered with all that there are") {
  for (auto const* each : all_providers()) {
    CAPTURE(each->name());
    auto wrong = defaults(*each);
    wrong.channels = {"nosuchchannel"};
    try {
      each->check(wrong);
      FAIL_CHECK("not refused");
    } catch (UsageError const& error) {
      std::string const said = error.what();
      CHECK(said.find("nosuchchannel") != said.npos);
      for (auto const& channel : each->channels()) CHECK(said.find(channel.name) != said.npos);
    }
    wrong = defaults(*each);
    wrong.symbols = {"no such symbol"};
    CHECK_THROWS_AS(each->check(wrong), UsageError);
  }
}

TEST_CASE("providers: polls and streams go where the subscription says") {
  for (auto const* each : all_providers()) {
    CAPTURE(each->name());
    auto subscription = everything(*each);
    for (auto const* base : {"", "http://127.0.0.1:7000/base"}) {
      subscription.http_url = base;
      subscription.websocket_url = *base ? "ws://127.0.0.1:7000/base" : "";
      for (auto const& [request, every, before] : each->polls(subscription)) {
        CHECK(request.url.starts_with(*base ? std::string_view{base} : each->default_http_url()));
        CHECK(request.url.find(' ') == request.url.npos);
        CHECK(!request.channel.empty());
        CHECK(request.weight > 0);
        CHECK(every.count() > 0);
        CHECK((request.method == Request::Method::post) == !request.body.empty());
      }
      for (auto const& stream : each->streams(subscription)) {
        CHECK(stream.url.starts_with(*base ? std::string_view{subscription.websocket_url} : each->default_websocket_url()));
        CHECK(stream.silence_max.count() > 0);
        CHECK(stream.keep_alive.empty() == (stream.keep_alive_every.count() == 0));
      }
    }
    auto twice = subscription;
    twice.symbols.insert(twice.symbols.end(), subscription.symbols.begin(), subscription.symbols.end());
    twice.channels.insert(twice.channels.end(), subscription.channels.begin(), subscription.channels.end());
    twice.intervals.insert(twice.intervals.end(), subscription.intervals.begin(), subscription.intervals.end());
    CHECK(each->polls(twice).size() == each->polls(subscription).size());
    REQUIRE(each->streams(twice).size() == each->streams(subscription).size());
    for (std::size_t at = 0; at < each->streams(twice).size(); ++at) {
      CHECK(each->streams(twice)[at].url == each->streams(subscription)[at].url);
      CHECK(each->streams(twice)[at].subscribe == each->streams(subscription)[at].subscribe);
    }
    if (each->symbols_from_catalogue()) {
      auto const polls = each->polls(defaults(*each));
      CHECK(std::ranges::any_of(polls, &Poll::before_stream));
    }
    Gap whole;
    whole.symbol = whole.channel = "*";
    CHECK(each->backfill(whole, subscription).empty());
  }
}

TEST_CASE("providers: each documented frame is decoded whole, and the same each time") {
  for (auto const* each : all_providers()) {
    CAPTURE(each->name());
    auto const frames = documented_frames(each->name());
    CHECK_MESSAGE(!frames.empty(), "write documented frames for it in frames.cpp");
    std::vector<std::string> first;
    for (auto const& frame : frames) {
      CAPTURE(frame.bytes);
      auto const decoded = decode(*each, frame);
      CHECK(!decoded.frame);
      CHECK(decoded.rejected.empty());
      CHECK(decoded.items.empty() == decoded.ignored);
      for (auto const& item : decoded.items) CHECK(common_of(item.record).source == each->name());
      check_valid(decoded);
      if (frame.request.empty()) {
        auto const reaction = each->react(frame.bytes);
        CHECK(reaction.channel == frame.channel);
        CHECK(reaction.symbol == frame.symbol);
        CHECK(reaction.action == Reaction::Action::none);
      }
      first.push_back(shown(decoded));
    }
    // In another order, into memory that holds another frame's records.
    Decoded reused;
    for (std::size_t at = frames.size(); at-- > 0;) {
      each->decode(frames[at].raw(), reused);
      CHECK(shown(reused) == first[at]);
    }
  }
}

TEST_CASE("providers: a frame that is cut off anywhere is rejected as a whole") {
  for (auto const* each : all_providers())
    for (auto const& frame : documented_frames(each->name())) {
      if (frame.channel == "control") continue;
      for (std::size_t length = 0; length < frame.bytes.size(); ++length) {
        auto cut = frame;
        cut.bytes.resize(length);
        auto const decoded = decode(*each, cut);
        CAPTURE(cut.bytes);
        REQUIRE(decoded.frame);
        CHECK(decoded.frame->reason == "malformed");
        check_valid(decoded);
        check_reaction(*each, cut.bytes);
      }
    }
}

TEST_CASE("providers: flipped bits give rejects or valid records, the same each time") {
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random{seed};
  for (auto const* each : all_providers())
    for (auto const& frame : documented_frames(each->name()))
      for (int round = 0; round < 3000; ++round) {
        auto damaged = frame;
        for (auto flips = 1 + random() % 3; flips > 0; --flips) {
          auto& byte = damaged.bytes[random() % damaged.bytes.size()];
          byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (1U << (random() % 8)));
        }
        CAPTURE(damaged.bytes);
        auto const decoded = decode(*each, damaged);
        check_valid(decoded);
        CHECK(shown(*each, damaged) == shown(decoded));
        check_reaction(*each, damaged.bytes);
      }
}

TEST_CASE("providers: what is read by its shape is what the parser reads, whatever stands in the frame") {
  for (auto const* each : all_providers())
    for (auto const& frame : documented_frames(each->name())) {
      if (frame.channel == "control") continue;
      auto const check = [&](std::string bytes) {
        auto same = frame, spaced = frame;
        spaced.bytes = ' ' + bytes;  // No shape begins so; to the parser it is nothing.
        same.bytes = std::move(bytes);
        CAPTURE(same.bytes);
        CHECK(shown(*each, same) == shown(*each, spaced));
      };
      check(frame.bytes);
      for (std::string_view const behind : {" ", "]", "}", "0", "null"}) check(std::string{frame.bytes}.append(behind));
      for (std::size_t at = 0; at < frame.bytes.size(); ++at) {
        auto const with = [&](std::size_t erased, std::string_view inserted) {
          return frame.bytes.substr(0, at).append(inserted).append(frame.bytes, at + erased);
        };
        // A thread of its own: the address sanitizer keeps stack frames that something was thrown through as long as their
        // thread.
        std::jthread{[&] {
          check(with(1, ""));
          for (std::string_view const other : {"\"", "\\", "0", "-", "+", ".", "/", "}", ",", ":", "a", "e", "\x01", "\xC3"})
            check(with(1, other));
          for (std::string_view const more :
               {"0", "-", ".", "e5", " ", "00000000000000000000", "99999999999999999999", "\\u0041", "\xC3\xA9"})
            check(with(0, more));
        }}.join();
      }
    }
}

TEST_CASE("providers: bytes that are nothing at all are rejected") {
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random{seed};
  std::vector<std::string> nonsense{"",
                                    " ",
                                    "null",
                                    "true",
                                    "7",
                                    "\"text\"",
                                    "[]",
                                    "{}",
                                    "[[[[",
                                    "{{{{",
                                    "]",
                                    "}",
                                    "\xff\xfe",
                                    "\xef\xbb\xbf{}",
                                    std::string(3, '\0'),
                                    std::string(100'000, '['),
                                    std::string(100'000, '{'),
                                    "{\"a\":" + std::string(5000, '['),
                                    "Websocket connection established."};
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 200, ' ');
    for (char& byte : bytes) byte = round % 2 == 0 ? static_cast<char>(random()) : "{}[]\",:0a.-e"[random() % 12];
    nonsense.push_back(std::move(bytes));
  }
  for (auto const* each : all_providers())
    for (auto const& channel : each->channels())
      for (auto const& bytes : nonsense) {
        CAPTURE(bytes);
        Frame const frame{std::string{channel.name}, "BTC", "https://x/coins/y/ohlc?symbol=A&interval=1m&vs_currency=usd&days=1",
                          bytes};
        auto const decoded = decode(*each, frame);
        CHECK(decoded.items.empty());
        check_valid(decoded);
        check_reaction(*each, bytes);
      }
}

TEST_CASE("providers: a channel without a decoder is a reject that names it") {
  for (auto const* each : all_providers()) {
    CHECK(reject_of(*each, {"nosuch", "", "", "{}"}) == "unknown-channel nosuch");
    CHECK(decode(*each, {"control", "", "", "anything"}).ignored);
  }
}

TEST_CASE("providers: answers of the world that are nobody's data are never published") {
  for (auto const* each : all_providers()) {
    CAPTURE(each->name());
    auto const kind = [&](int status, std::string body, std::vector<Header> headers = {}) {
      return word(each->classify({}, {status, std::move(headers), std::move(body)}).kind);
    };
    CHECK(kind(0, "connection refused") == "broken");
    for (int const status : {500, 502, 503, 504, 520, 301, 408}) CHECK(kind(status, "oops") == "broken");
    for (int const status : {400, 401, 404, 422}) CHECK(kind(status, "no") == "refused");
    CHECK(kind(429, "slow down") == "throttled");
    CHECK(each->classify({}, {429, {{"retry-after", "3"}}, ""}).wait == std::chrono::seconds{3});
    CHECK(kind(200, "<html></html>") == "broken");
    CHECK(kind(200, "") == "broken");
    CHECK(kind(200, "[]") == "empty");
  }
}
