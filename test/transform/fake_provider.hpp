/// A provider whose frames are words, so that tests say what they mean. Parts are separated by ';':
///   trade SYMBOL ID [PRICE] · update SYMBOL PREVIOUS SEQUENCE · snapshot SYMBOL SEQUENCE · candle SYMBOL CLOSE
///   instrument NATIVE UNIFIED · bad (a rejected record) · control (an ignored frame) · anything else: a bad frame
#pragma once

#include "agents/provider.hpp"
#include "test/transform/support.hpp"

#include <sstream>

namespace penstock::test {

class FakeProvider final : public Provider {
 public:
  explicit FakeProvider(bool by_catalogue = false) : by_catalogue_{by_catalogue} {}

  std::string_view name() const override { return "venue"; }
  std::string_view description() const override { return "for tests"; }
  Limits limits() const override { return {}; }
  std::span<Channel const> channels() const override { return {}; }
  std::vector<std::string> default_symbols() const override { return {}; }
  std::string_view default_http_url() const override { return "http://127.0.0.1"; }
  void check(Subscription const&) const override {}
  std::vector<Poll> polls(Subscription const&) const override { return {}; }
  std::vector<Stream> streams(Subscription const&) const override { return {}; }
  Reaction react(std::string_view) const override { return {}; }
  Answer classify(Request const&, Response const&) const override { return {}; }
  bool symbols_from_catalogue() const override { return by_catalogue_; }
  std::vector<Request> backfill(Gap const&, Subscription const&) const override { return {}; }
  std::string native_symbol(std::string_view symbol) const override { return std::string{symbol}; }

  Continuity continuity(std::string_view channel) const override {
    if (channel == "trade") return {Continuity::Kind::ids};
    if (channel == "trades") return {Continuity::Kind::reconnect};
    if (channel == "depth") return {Continuity::Kind::book};
    return {};
  }

  void decode(RawRecord const& raw, Decoded& into) const override {
    into.clear();
    std::istringstream parts{std::string{raw.value}};
    std::size_t index = 0;
    for (std::string part; std::getline(parts, part, ';'); ++index) {
      std::istringstream words{part};
      std::string word, symbol;
      words >> word >> symbol;
      if (word == "control")
        into.ignored = true;
      else if (word == "bad")
        into.rejected.push_back({index, {reason::missing_field, "p"}});
      else if (auto record = read(word, symbol, words))
        into.items.push_back({index, with_times(*record, raw)});
      else
        return fail(into, word);
    }
  }

 private:
  static std::optional<MarketRecord> read(std::string const& word, std::string const& symbol, std::istream& words) {
    std::int64_t previous = 0, sequence = 0;
    std::string text, price = "100";
    if (word == "trade" && words >> text) {
      words >> price;
      auto record = trade(text, 0, symbol);
      record.price = decimal(price);
      return record;
    }
    if (word == "candle" && words >> text) {
      auto record = candle(0, "1", "1000", "1", text);
      record.symbol = symbol;
      return record;
    }
    if (word == "update" && words >> previous >> sequence) return update(previous, sequence, 0, symbol);
    if (word == "snapshot" && words >> sequence) return snapshot(sequence, 0, symbol);
    if (word == "instrument" && words >> text) return instrument(symbol, text);
    return std::nullopt;
  }
  static MarketRecord with_times(MarketRecord record, RawRecord const& raw) {
    bool const fixed = std::holds_alternative<Candle>(record);
    common_of(record).received_at = raw.received_at;
    common_of(record).time = fixed ? at(0) : raw.received_at;
    return record;
  }
  static void fail(Decoded& into, std::string const& word) {
    into.clear();
    into.frame = Reject{reason::malformed, "unknown word: " + word};
  }

  bool by_catalogue_;
};

}  // namespace penstock::test
