// Recorded traffic, read against what is known of it: facts that other programs found in the same recordings.
#include "support.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

using namespace penstock;
using namespace penstock::test;

namespace {

/// One line of a recording: {"dir":"recv","ts":seconds | "ts_ns":nanoseconds,"url":…,"raw":…}.
struct Line {
  std::string_view direction, url, bytes;
  Time received_at{};
};

std::string_view between(std::string_view line, std::string_view before, char after) {
  auto const from = line.find(before);
  if (from == line.npos) return {};
  auto const text = line.substr(from + before.size());
  return text.substr(0, text.find(after));
}

Line read_line(std::string_view line) {
  auto const raw = line.find(R"("raw":)");
  auto const head = line.substr(0, raw);
  Line result{.direction = between(head, R"("dir":")", '"'), .url = between(head, R"("url":")", '"')};
  if (raw != line.npos) result.bytes = line.substr(raw + 6, line.size() - raw - 7);
  std::int64_t nanoseconds = 0;
  auto const ns = between(head, R"("ts_ns":)", ',');
  if (!ns.empty()) std::from_chars(ns.data(), ns.data() + ns.size(), nanoseconds);
  double seconds = 0;
  auto const s = between(head, R"("ts":)", ',');
  if (!s.empty()) std::from_chars(s.data(), s.data() + s.size(), seconds);
  result.received_at =
      Time{std::chrono::microseconds{ns.empty() ? static_cast<std::int64_t>(seconds * 1e6) : nanoseconds / 1000}};
  return result;
}

/// Everything that a recording holds, decoded as a publisher and a transformer would; REQUIREs that nothing is rejected.
template <class Each>
void each_record(Provider const& of, std::filesystem::path const& path, std::string_view symbol_of_snapshots, Each each) {
  auto const file = read_all(path);
  std::string_view rest = file;
  Decoded decoded;
  while (!rest.empty()) {
    auto const line = read_line(rest.substr(0, rest.find('\n')));
    rest.remove_prefix(std::min(rest.size(), rest.find('\n') == rest.npos ? rest.size() : rest.find('\n') + 1));
    if (line.direction != "recv" && line.direction != "http") continue;
    CAPTURE(line.bytes.substr(0, 200));
    auto const reaction = of.react(line.bytes);
    REQUIRE(reaction.channel != "unknown");
    REQUIRE(reaction.action == Reaction::Action::none);
    auto const symbol = reaction.symbol.empty() ? std::string{symbol_of_snapshots} : reaction.symbol;
    of.decode({.value = line.bytes,
               .channel = reaction.channel,
               .symbol = symbol,
               .request = line.url,
               .received_at = line.received_at},
              decoded);
    REQUIRE(!decoded.frame);
    REQUIRE(decoded.rejected.empty());
    REQUIRE(!decoded.items.empty());
    each(decoded);
  }
}

Decoded decode_file(Provider const& of, std::filesystem::path const& path, std::string channel, std::string symbol,
                    std::string request) {
  Decoded decoded = decode(of, {std::move(channel), std::move(symbol), std::move(request), read_all(path)});
  CAPTURE(path.string());
  CHECK(!decoded.frame);
  CHECK(decoded.rejected.empty());
  CHECK(!decoded.items.empty());
  return decoded;
}

struct ByValue {
  bool operator()(Decimal const& left, Decimal const& right) const { return compare(left, right) < 0; }
};

/// A book as a subscriber builds it.
class Replay {
 public:
  void apply(Book const& book) {
    if (book.type == BookType::snapshot) {
      bids_.clear();
      asks_.clear();
    }
    for (auto const& level : book.bids) set(bids_, level);
    for (auto const& level : book.asks) set(asks_, level);
    sequence = *book.sequence;
  }
  Level best_bid() const { return {bids_.rbegin()->first, bids_.rbegin()->second}; }
  Level best_ask() const { return {asks_.begin()->first, asks_.begin()->second}; }
  std::optional<std::int64_t> sequence;

 private:
  using Side = std::map<Decimal, Decimal, ByValue>;
  static void set(Side& side, Level const& level) {
    if (level.amount.is_zero())
      side.erase(level.price);
    else
      side[level.price] = level.amount;
  }
  Side bids_, asks_;
};

/// Depth's chain, ids of trades, and the books at the sequences that the tickers have, of one symbol.
struct Market {
  Replay replay;
  std::vector<Book> waiting;  ///< updates before the first snapshot
  std::optional<std::int64_t> last_update, last_trade;
  std::map<std::int64_t, Ticker> tickers;
  std::map<std::int64_t, std::pair<Level, Level>> best;
  int updates = 0, snapshots = 0, trades = 0, holes = 0;

  void add(Book const& book) {
    if (book.type == BookType::snapshot) {
      ++snapshots;
      replay.apply(book);
      for (auto const& update : waiting) follow(update);
      waiting.clear();
      return;
    }
    ++updates;
    if (last_update && *book.previous_sequence != *last_update) ++holes;
    last_update = book.sequence;
    if (replay.sequence)
      follow(book);
    else
      waiting.push_back(book);
  }
  void follow(Book const& update) {
    if (*update.sequence <= *replay.sequence) return;
    CHECK(*update.previous_sequence <= *replay.sequence);
    replay.apply(update);
    best[*replay.sequence] = {replay.best_bid(), replay.best_ask()};
  }
  void add(Trade const& trade) {
    ++trades;
    auto const digits = std::string_view{trade.id}.substr(trade.id.starts_with('a') ? 1 : 0);
    std::int64_t id = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), id);
    if (last_trade && id != *last_trade + 1) ++holes;
    last_trade = id;
  }
  void add(Ticker const& ticker) { tickers[*ticker.sequence] = ticker; }

  /// How many books could be compared with a ticker of the same sequence; each must equal it.
  int compare_best() const {
    int compared = 0;
    for (auto const& [sequence, sides] : best) {
      auto const found = tickers.find(sequence);
      if (found == tickers.end()) continue;
      ++compared;
      auto const& ticker = found->second;
      CHECK(sides.first == Level{ticker.bid, ticker.bid_amount});
      CHECK(sides.second == Level{ticker.ask, ticker.ask_amount});
    }
    return compared;
  }
};

std::map<std::string, Market> read_binance(std::filesystem::path const& path, std::string_view symbol_of_snapshots,
                                           std::size_t& candles) {
  std::map<std::string, Market> markets;
  each_record(provider("binance"), path, symbol_of_snapshots, [&](Decoded const& decoded) {
    for (auto const& [index, record] : decoded.items) {
      auto& market = markets[common_of(record).symbol];
      if (auto const* book = std::get_if<Book>(&record))
        market.add(*book);
      else if (auto const* trade = std::get_if<Trade>(&record))
        market.add(*trade);
      else if (auto const* ticker = std::get_if<Ticker>(&record))
        market.add(*ticker);
      else if (std::holds_alternative<Candle>(record))
        ++candles;
      else
        FAIL_CHECK("a record of another kind");
    }
  });
  return markets;
}

}  // namespace

TEST_CASE("recordings: binance BTCUSDT 2024 has 6,025 trades without a hole and a book that agrees with its tickers") {
  auto const folder = recordings();
  if (folder.empty()) return;
  std::size_t candles = 0;
  auto const markets = read_binance(folder / "binance/ws-spot-btcusdt-depth100ms-bookTicker-trade-1.jsonl", "BTCUSDT", candles);
  REQUIRE(markets.size() == 1);
  auto const& market = markets.at("BTCUSDT");
  CHECK(market.trades == 6025);
  CHECK(market.updates == 2467);
  CHECK(market.snapshots == 1);
  CHECK(market.tickers.size() == 18736);
  CHECK(market.holes == 0);
  CHECK(candles == 0);
  CHECK(market.compare_best() == 406);  // So many depth frames after the snapshot end at an id that a ticker has.
}

TEST_CASE("recordings: binance of ten symbols 2021 has ten snapshots, chains and aggregate ids without a hole") {
  auto const folder = recordings();
  if (folder.empty()) return;
  std::size_t candles = 0;
  auto const markets = read_binance(folder / "binance/ws-spot-multi-2021-04.jsonl", "", candles);
  CHECK(markets.size() == 10);
  int snapshots = 0, compared = 0;
  for (auto const& [symbol, market] : markets) {
    CAPTURE(symbol);
    CHECK(market.holes == 0);
    snapshots += market.snapshots;
    compared += market.compare_best();
  }
  CHECK(snapshots == 10);
  CHECK(compared > 1000);
}

TEST_CASE("recordings: binance of four symbols 2021 fits its REST snapshots") {
  auto const folder = recordings();
  if (folder.empty()) return;
  std::size_t candles = 0;
  auto markets = read_binance(folder / "binance/ws-spot-multi-2021-10.jsonl", "", candles);
  CHECK(candles > 0);
  for (auto const& [symbol, file] : {std::pair{"NKNUSDT", "nknusdt"}, {"BLZETH", "blzeth"}, {"LRCBTC", "lrcbtc"}}) {
    CAPTURE(symbol);
    auto const decoded =
        decode_file(provider("binance"), folder / "binance" / ("rest-depth-" + std::string{file} + "-2021-10.json"), "depth", "",
                    "https://api.binance.com/api/v3/depth?symbol=" + std::string{symbol} + "&limit=1000");
    auto& market = markets.at(symbol);
    CHECK(market.holes == 0);
    market.add(std::get<Book>(decoded.items.at(0).record));
    CHECK(market.replay.sequence >= market.last_update);
    market.compare_best();
  }
}

TEST_CASE("recordings: binance REST bodies") {
  auto const folder = recordings();
  if (folder.empty()) return;
  auto const& binance = provider("binance");
  auto const binance_folder = folder / "binance";
  auto const base = std::string{"https://api.binance.com/api/v3/"};
  CHECK(decode_file(binance, binance_folder / "rest-trades.json", "trades", "BTCUSDT", base + "trades?symbol=BTCUSDT")
            .items.size() == 10);
  CHECK(decode_file(binance, binance_folder / "rest-aggTrades.json", "aggTrade", "BTCUSDT", base + "aggTrades?symbol=BTCUSDT")
            .items.size() == 10);
  CHECK(decode_file(binance, binance_folder / "rest-klines.json", "klines", "BTCUSDT", base + "klines?symbol=BTCUSDT&interval=1m")
            .items.size() == 10);
  CHECK(decode_file(binance, binance_folder / "rest-depth-small.json", "depth", "BTCUSDT", base + "depth?symbol=BTCUSDT")
            .items.size() == 1);
  CHECK(decode_file(binance, binance_folder / "rest-bookTicker.json", "bookTicker", "BTCUSDT",
                    base + "ticker/bookTicker?symbol=BTCUSDT")
            .items.size() == 1);

  auto const body = read_all(binance_folder / "rest-exchangeInfo-2021-10.json");
  std::size_t symbols = 0;
  for (std::size_t at = 0; (at = body.find(R"("baseAsset":)", at)) != body.npos; ++at) ++symbols;
  auto const catalogue =
      decode_file(binance, binance_folder / "rest-exchangeInfo-2021-10.json", "exchangeInfo", "", base + "exchangeInfo");
  CHECK(catalogue.items.size() == symbols);
  std::set<std::string> unified;
  for (auto const& item : catalogue.items) unified.insert(common_of(item.record).symbol);
  CHECK(unified.size() == symbols);
  auto const found = std::ranges::find_if(
      catalogue.items, [](auto const& item) { return std::get<Instrument>(item.record).native_symbol == "BTCUSDT"; });
  REQUIRE(found != catalogue.items.end());
  auto const& bitcoin = std::get<Instrument>(found->record);
  CHECK(bitcoin.symbol == "BTC/USDT");
  CHECK(bitcoin.price_tick.text() == "0.01000000");
  CHECK(bitcoin.amount_step.text() == "0.00001000");
  CHECK(bitcoin.active);
}

TEST_CASE("recordings: hyperliquid BTC has 46 books, and 30 trades again in its first message of trades") {
  auto const folder = recordings();
  if (folder.empty()) return;
  int books = 0;
  std::vector<std::size_t> trades;
  std::set<std::string> ids;
  each_record(provider("hyperliquid"), folder / "hyperliquid/ws-BTC-l2Book-trades-2025-01-1.jsonl", "",
              [&](Decoded const& decoded) {
                if (auto const* book = std::get_if<Book>(&decoded.items[0].record)) {
                  ++books;
                  CHECK(book->type == BookType::snapshot);
                  CHECK(!book->sequence);
                  CHECK(book->symbol == "BTC");
                  CHECK(book->bids.size() == 20);
                  CHECK(book->asks.size() == 20);
                  CHECK(compare(book->bids[0].price, book->asks[0].price) < 0);
                  CHECK(compare(book->bids[0].price, book->bids[1].price) > 0);
                  return;
                }
                trades.push_back(decoded.items.size());
                for (auto const& item : decoded.items) CHECK(ids.insert(std::get<Trade>(item.record).id).second);
              });
  CHECK(books == 46);
  REQUIRE(trades.size() == 9);
  CHECK(trades[0] == 30);
}

TEST_CASE("recordings: hyperliquid bodies") {
  auto const folder = recordings();
  if (folder.empty()) return;
  auto const& hyperliquid = provider("hyperliquid");
  auto const files = folder / "hyperliquid";
  auto const meta = decode_file(hyperliquid, files / "info-meta.json", "meta", "", "");
  CHECK(std::ranges::any_of(meta.items, [](auto const& item) { return common_of(item.record).symbol == "kPEPE/USDC:USDC"; }));
  auto const candles = decode_file(hyperliquid, files / "info-candleSnapshot.json", "candleSnapshot", "kPEPE", "");
  CHECK(candles.items.size() == 24);
  for (auto const& item : candles.items) CHECK(std::get<Candle>(item.record).closed);
  auto const book = decode_file(hyperliquid, files / "info-l2Book.json", "l2BookSnapshot", "DYDX", "");
  CHECK(std::get<Book>(book.items[0].record).bids.size() == 20);
  CHECK(decode_file(hyperliquid, files / "shape-info-recentTrades.json", "trades", "BTC", "").items.size() == 3);
  CHECK(reject_of(hyperliquid, {"allMids", "", "", read_all(files / "shape-ws-allMids.json")}) == "unknown-channel allMids");
}

TEST_CASE("recordings: coingecko bodies") {
  auto const folder = recordings();
  if (folder.empty()) return;
  auto const& coingecko = provider("coingecko");
  auto const files = folder / "coingecko";
  auto const base = std::string{"https://api.coingecko.com/api/v3"};
  auto const prices = decode_file(coingecko, files / "rest-GetPrices.json", "simple/price", "",
                                  base + "/simple/price?ids=ethereum&vs_currencies=usd");
  CHECK(common_of(prices.items.at(0).record).symbol == "ethereum/USD");
  CHECK(std::get<Ticker>(prices.items[0].record).last.text() == "1498.64");
  for (auto const* name : {"rest-GetMarkets.json", "oas-example-coins-markets.json"}) {
    auto const markets =
        decode_file(coingecko, files / name, "coins/markets", "", base + "/coins/markets?vs_currency=usd&ids=bitcoin");
    CHECK(markets.items.size() == 1);
  }
  auto const four_hours =
      decode_file(coingecko, files / "rest-GetOhlc.json", "ohlc", "", base + "/coins/bitcoin/ohlc?vs_currency=usd&days=7");
  REQUIRE(four_hours.items.size() == 3);
  CHECK(std::get<Candle>(four_hours.items[0].record).interval == "4h");
  CHECK(common_of(four_hours.items[1].record).time - common_of(four_hours.items[0].record).time == std::chrono::hours{4});
  auto const half_hours = decode_file(coingecko, files / "oas-example-coins-id-ohlc.json", "ohlc", "",
                                      base + "/coins/bitcoin/ohlc?vs_currency=usd&days=1");
  REQUIRE(half_hours.items.size() == 2);
  CHECK(common_of(half_hours.items[1].record).time - common_of(half_hours.items[0].record).time == std::chrono::minutes{30});
  CHECK(decode_file(coingecko, files / "oas-example-global.json", "global", "", base + "/global").items.size() ==
        5 + 3 + 3 + 3 + 2);
  CHECK(decode_file(coingecko, files / "rest-GetGlobalData.json", "global", "", base + "/global").items.size() > 100);
}
