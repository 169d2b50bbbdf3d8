// Recorded traffic through all stages, with the real decoders, against what is known of it.
#include <doctest/doctest.h>

#include "agents/transform/pipeline.hpp"
#include "test/transform/support.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <fstream>
#include <map>
#include <set>

using namespace penstock;
using namespace penstock::test;

namespace {

/// What a publisher would have put into the log.
struct Recorded {
  std::string bytes, channel, symbol, url;
  Origin origin = Origin::live;
  Time received_at{};
};

std::string_view between(std::string_view line, std::string_view before, char after) {
  auto const from = line.find(before);
  if (from == line.npos) return {};
  auto const text = line.substr(from + before.size());
  return text.substr(0, text.find(after));
}

Recorded read_line(std::string_view line, Provider const& provider, std::string_view symbol_of_snapshots) {
  auto const raw = line.find(R"("raw":)");
  auto const head = line.substr(0, raw);
  Recorded recorded;
  recorded.bytes = line.substr(raw + 6, line.size() - raw - 7);
  recorded.url = between(head, R"("url":")", '"');
  auto const nanoseconds = between(head, R"("ts_ns":)", ',');
  auto const seconds = between(head, R"("ts":)", ',');
  recorded.received_at = Time{Duration{nanoseconds.empty() ? std::llround(std::stod(std::string{seconds}) * 1e6)
                                                           : static_cast<long>(std::stoll(std::string{nanoseconds}) / 1000)}};
  if (recorded.bytes.starts_with(R"({"lastUpdateId")")) {
    auto const asked = recorded.url.find("symbol=");
    recorded.channel = "depth";
    recorded.symbol = asked == std::string::npos ? std::string{symbol_of_snapshots}
                                                 : recorded.url.substr(asked + 7, recorded.url.find('&', asked) - asked - 7);
    recorded.origin = Origin::snapshot;
  } else {
    auto const reaction = provider.react(recorded.bytes);
    recorded.channel = reaction.channel;
    recorded.symbol = reaction.symbol;
  }
  return recorded;
}

std::vector<Recorded> recording(char const* name, Provider const& provider, std::string_view symbol_of_snapshots = {}) {
  std::vector<Recorded> all;
  auto const* folder = std::getenv("PENSTOCK_TEST_RECORDINGS");
  if (!folder || !std::filesystem::exists(std::filesystem::path{folder} / name)) {
    MESSAGE("skipped: PENSTOCK_TEST_RECORDINGS names no folder that holds " << name);
    return all;
  }
  std::ifstream file{std::filesystem::path{folder} / name};
  for (std::string line; std::getline(file, line);) {
    auto const direction = between(line, R"("dir":")", '"');
    if (direction == "recv" || direction == "http") all.push_back(read_line(line, provider, symbol_of_snapshots));
  }
  return all;
}

struct Kept final : Downstream {
  std::vector<MarketRecord> written;
  std::vector<Gap> gaps;
  std::size_t dropped = 0, rejected = 0;

  void write(MarketRecord const& record, Origin) override { written.push_back(record); }
  void drop(MarketRecord const&) override { ++dropped; }
  void reject(std::size_t, Reject const&) override { ++rejected; }
  void gap(Gap const& gap, bool) override { gaps.push_back(gap); }

  template <class Kind>
  std::vector<Kind const*> of() const {
    std::vector<Kind const*> found;
    for (auto const& record : written)
      if (auto const* one = std::get_if<Kind>(&record)) found.push_back(one);
    return found;
  }
  Names gap_names(std::string_view channel) const {
    Names names;
    for (auto const& gap : gaps)
      if (gap.channel == channel) names.push_back(name_of(gap));
    return names;
  }
};

struct Run {
  explicit Run(Provider const& of) : provider{of}, pipeline{of, catalogue, open_gaps, {}} {}

  Provider const& provider;
  Catalogue catalogue;
  OpenGaps open_gaps;
  Pipeline pipeline;
  Kept out;
  std::int64_t offset = 0;

  void know(std::string native, std::string symbol) {
    auto one = instrument(std::move(native), std::move(symbol));
    one.source = provider.name();
    catalogue.add(one);
  }
  void take(Recorded const& frame, std::string_view connection = "a") {
    RawRecord const raw{.value = frame.bytes,
                        .channel = frame.channel,
                        .symbol = frame.symbol,
                        .request = frame.url,
                        .connection = frame.origin == Origin::live ? connection : "",
                        .origin = frame.origin,
                        .received_at = frame.received_at};
    auto const verdict = pipeline.take(raw, Offset{offset++}, false, out);
    CAPTURE(frame.bytes.substr(0, 300));
    REQUIRE(verdict == Pipeline::Verdict::decoded);
  }
};

/// A book as a subscriber of md.books keeps it.
struct LocalBook {
  struct Less {
    bool operator()(Decimal const& left, Decimal const& right) const { return compare(left, right) < 0; }
  };
  std::map<Decimal, Decimal, Less> bids, asks;
  std::int64_t sequence = -1;

  /// Goes by what books.hpp promises.
  void apply(Book const& book) {
    if (book.type == BookType::snapshot) {
      bids.clear(), asks.clear();
    } else {
      REQUIRE(*book.previous_sequence <= sequence);
      REQUIRE(sequence < *book.sequence);
    }
    set(bids, book.bids), set(asks, book.asks);
    sequence = *book.sequence;
  }
  static void set(auto& side, Levels const& levels) {
    for (auto const& [price, amount] : levels)
      if (amount.is_zero())
        side.erase(price);
      else
        side[price] = amount;
  }
  std::string snapshot() const {
    std::string json = R"({"lastUpdateId":)" + std::to_string(sequence) + R"(,"bids":[)";
    auto const add = [&](auto const& level) { json += std::format(R"(["{}","{}"],)", level.first.text(), level.second.text()); };
    auto const close = [&] {
      if (json.back() == ',') json.pop_back();
    };
    for (auto level = bids.rbegin(); level != bids.rend(); ++level) add(*level);
    close();
    json += R"(],"asks":[)";
    for (auto const& level : asks) add(level);
    close();
    return json + "]}";
  }
};

constexpr auto spot = "binance/ws-spot-btcusdt-depth100ms-bookTicker-trade-1.jsonl";

std::int64_t id_in(Recorded const& frame) {
  std::int64_t id = 0;
  auto const text = between(frame.bytes, R"("t":)", ',');
  std::from_chars(text.data(), text.data() + text.size(), id);
  return id;
}
std::int64_t number_in(Recorded const& frame, std::string_view field) {
  std::int64_t number = 0;
  auto const text = between(frame.bytes, field, ',');
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

TEST_CASE("recordings: a clean one has no gap but the late join, and its book is the venue's at every equal update") {
  auto const& binance = *find_provider("binance");
  auto const frames = recording(spot, binance, "BTCUSDT");
  if (frames.empty()) return;
  Run run{binance};
  run.know("BTCUSDT", "BTC/USDT");
  for (auto const& frame : frames) run.take(frame);

  CHECK(run.out.gap_names("trade").empty());
  auto const book_gaps = run.out.gap_names("depth");
  REQUIRE(book_gaps.size() == 2);
  CHECK(book_gaps[0].starts_with("open late-join"));
  CHECK(book_gaps[1].starts_with("filled"));
  CHECK(run.out.gaps.size() == 2);
  CHECK(run.out.rejected == 0);
  CHECK(run.out.of<Trade>().size() == 6025);
  CHECK(run.pipeline.sequence().held() == 0);

  std::map<std::int64_t, Ticker const*> tickers;
  for (auto const* ticker : run.out.of<Ticker>()) tickers[*ticker->sequence] = ticker;
  LocalBook book;
  int compared = 0;
  auto const books = run.out.of<Book>();
  REQUIRE(!books.empty());
  CHECK(books.front()->type == BookType::snapshot);
  for (auto const* record : books) {
    book.apply(*record);
    CHECK(record->symbol == "BTC/USDT");
    auto const found = tickers.find(book.sequence);
    if (found == tickers.end()) continue;
    ++compared;
    CHECK(compare(book.bids.rbegin()->first, found->second->bid) == 0);
    CHECK(compare(book.bids.rbegin()->second, found->second->bid_amount) == 0);
    CHECK(compare(book.asks.begin()->first, found->second->ask) == 0);
    CHECK(compare(book.asks.begin()->second, found->second->ask_amount) == 0);
  }
  CHECK(compared > 100);
  MESSAGE("compared at " << compared << " update ids, " << run.out.dropped << " dropped");
}

TEST_CASE("recordings: missing trades are exactly one gap, and it closes when they come") {
  auto const& binance = *find_provider("binance");
  auto const frames = recording(spot, binance, "BTCUSDT");
  if (frames.empty()) return;
  Run run{binance};
  run.know("BTCUSDT", "BTC/USDT");
  std::vector<Recorded> kept_back;
  int trades = 0;
  for (auto const& frame : frames) {
    bool const is_trade = frame.channel == "trade";
    if (is_trade && ++trades >= 1000 && trades < 1025) {
      kept_back.push_back(frame);
      continue;
    }
    run.take(frame);
    if (trades != 1500 || !is_trade) continue;
    for (auto late : kept_back) {
      late.origin = Origin::backfill;
      late.received_at = frame.received_at;
      run.take(late);
    }
  }
  REQUIRE(kept_back.size() == 25);
  auto const range = std::to_string(id_in(kept_back.front())) + "-" + std::to_string(id_in(kept_back.back()));
  auto names = run.out.gap_names("trade");
  REQUIRE(names.size() >= 2);
  CHECK(names.back() == "filled " + range);
  names.pop_back();
  for (auto const& name : names) CHECK(name == "open sequence " + range);  // Asked again where the answer took long.
  CHECK(run.out.of<Trade>().size() == 6025);
}

TEST_CASE("recordings: a missing book update is exactly one gap, bridged by the next snapshot") {
  auto const& binance = *find_provider("binance");
  auto const frames = recording(spot, binance, "BTCUSDT");
  if (frames.empty()) return;
  Run whole{binance}, run{binance};
  whole.know("BTCUSDT", "BTC/USDT");
  run.know("BTCUSDT", "BTC/USDT");
  LocalBook truth;
  std::size_t applied = 0;
  std::string missing;
  int updates = 0;
  for (auto const& frame : frames) {
    whole.take(frame);
    auto const books = whole.out.of<Book>();
    for (; applied < books.size(); ++applied) truth.apply(*books[applied]);
    bool const is_update = frame.channel == "depth" && frame.origin == Origin::live;
    if (is_update && ++updates == 500) {
      missing = std::to_string(number_in(frame, R"("U":)")) + "-" + std::to_string(number_in(frame, R"("u":)"));
      continue;
    }
    run.take(frame);
    if (is_update && updates == 510)
      run.take({.bytes = truth.snapshot(),
                .channel = "depth",
                .symbol = "BTCUSDT",
                .url = {},
                .origin = Origin::snapshot,
                .received_at = frame.received_at});
    if (updates > 600) break;
  }
  auto const names = run.out.gap_names("depth");
  REQUIRE(names.size() == 4);
  CHECK(names[2] == "open sequence " + missing);
  CHECK(names[3] == "filled " + missing);
  LocalBook bridged;
  for (auto const* book : run.out.of<Book>()) {
    // After the hole nothing comes before the snapshot that heals it.
    bridged.apply(*book);
  }
  CHECK(bridged.snapshot() == truth.snapshot());
}

TEST_CASE("recordings: ten symbols at once, each joined late and bridged to its snapshot") {
  auto const& binance = *find_provider("binance");
  auto const frames = recording("binance/ws-spot-multi-2021-04.jsonl", binance);
  if (frames.empty()) return;
  Run run{binance};
  std::set<std::string> symbols;
  for (auto const& frame : frames)
    if (!frame.symbol.empty()) symbols.insert(frame.symbol);
  for (auto const& symbol : symbols) run.know(symbol, symbol + "/unified");
  for (auto const& frame : frames) run.take(frame);

  CHECK(run.out.rejected == 0);
  CHECK(run.out.gap_names("aggTrade").empty());
  std::map<std::string, GapState> last;
  for (auto const& gap : run.out.gaps) {
    CHECK((gap.cause == GapCause::late_join));
    last[gap.symbol] = gap.state;
  }
  for (auto const& [symbol, state] : last) {
    CAPTURE(symbol);
    CHECK((state == GapState::filled));
  }
  std::map<std::string, LocalBook> books;
  for (auto const* book : run.out.of<Book>())
    if (book->type == BookType::snapshot || books[book->symbol].sequence >= 0) books[book->symbol].apply(*book);
}

TEST_CASE("recordings: the same trades after a reconnect are no gap, and later ones are") {
  auto const& hyperliquid = *find_provider("hyperliquid");
  auto const frames = recording("hyperliquid/ws-BTC-l2Book-trades-2025-01-1.jsonl", hyperliquid);
  if (frames.empty()) return;
  Run run{hyperliquid};
  run.know("BTC", "BTC/USDC:USDC");
  for (auto const& frame : frames) run.take(frame, "a");
  CHECK(run.out.gaps.empty());
  auto const trades = run.out.of<Trade>().size();
  CHECK(trades > 30);
  for (auto const& frame : frames) run.take(frame, "b");
  CHECK(run.out.gaps.empty());
  CHECK(run.out.of<Trade>().size() == trades);

  Run holed{hyperliquid};
  holed.know("BTC", "BTC/USDC:USDC");
  int seen = 0;
  for (auto const& frame : frames) {
    if (frame.channel == "trades") ++seen;
    if (frame.channel == "trades" && seen > 2 && seen < 6) continue;
    holed.take(frame, seen <= 2 ? "a" : "b");
  }
  CHECK(holed.out.gap_names("trades") == Names{"open reconnect -"});
}
