#include "agents/transform/validate.hpp"

#include <initializer_list>
#include <string>
#include <utility>

namespace penstock {
namespace {

using Why = std::optional<Reject>;
using Named = std::pair<std::string_view, Decimal const*>;

Reject bad(std::string_view reason, std::string_view field, std::string_view found) {
  return {reason, std::string{field} + " is " + std::string{found.substr(0, 100)}};
}

Reject bad(std::string_view reason, std::string_view field, Decimal const& found, std::string_view compared,
           Decimal const& other) {
  return bad(reason, field, std::string{found.text()}.append(compared).append(other.text()));
}

Why positive(std::initializer_list<Named> prices) {
  for (auto const& [field, price] : prices)
    if (!price->empty() && !price->is_positive()) return bad(reason::price_not_positive, field, price->text());
  return {};
}

Why not_negative(std::initializer_list<Named> amounts) {
  for (auto const& [field, amount] : amounts)
    if (!amount->empty() && amount->is_negative()) return bad(reason::out_of_range, field, amount->text());
  return {};
}

Why not_negative(std::string_view field, std::optional<std::int64_t> count) {
  if (count && *count < 0) return bad(reason::out_of_range, field, std::to_string(*count));
  return {};
}

bool is_below(Decimal const& left, Decimal const& right) { return compare(left, right) < 0; }

// <count><unit>: 1m, 5m, 1h, 1d, 1w, 1M.
bool is_interval(std::string_view text) {
  auto const digits = text.find_first_not_of("0123456789");
  return digits > 0 && digits + 1 == text.size() && std::string_view{"smhdwM"}.contains(text.back()) && text.front() != '0';
}

Why check(Trade const& trade) {
  if (trade.side != Side::buy && trade.side != Side::sell) return Reject{reason::out_of_range, "side is neither buy nor sell"};
  return positive({{"price", &trade.price}, {"amount", &trade.amount}});
}

Why check(Candle const& candle) {
  if (!is_interval(candle.interval)) return bad(reason::out_of_range, "interval", candle.interval);
  if (auto why = positive({{"open", &candle.open}, {"high", &candle.high}, {"low", &candle.low}, {"close", &candle.close}}))
    return why;
  if (is_below(candle.high, candle.low)) return bad(reason::candle_inconsistent, "high", candle.high, ", below low ", candle.low);
  for (auto const& [field, price] : {Named{"open", &candle.open}, Named{"close", &candle.close}}) {
    if (is_below(*price, candle.low)) return bad(reason::candle_inconsistent, field, *price, ", below low ", candle.low);
    if (is_below(candle.high, *price)) return bad(reason::candle_inconsistent, field, *price, ", above high ", candle.high);
  }
  if (auto why = not_negative({{"volume", &candle.volume}, {"quote_volume", &candle.quote_volume}})) return why;
  return not_negative("trades", candle.trades);
}

Why check(Ticker const& ticker) {
  if (auto why = positive({{"bid", &ticker.bid},
                           {"ask", &ticker.ask},
                           {"last", &ticker.last},
                           {"mark", &ticker.mark},
                           {"index", &ticker.index},
                           {"open", &ticker.open},
                           {"high", &ticker.high},
                           {"low", &ticker.low}}))
    return why;
  if (auto why = not_negative({{"bid_amount", &ticker.bid_amount},
                               {"ask_amount", &ticker.ask_amount},
                               {"volume", &ticker.volume},
                               {"quote_volume", &ticker.quote_volume},
                               {"open_interest", &ticker.open_interest},
                               {"market_cap", &ticker.market_cap}}))
    return why;
  return not_negative("sequence", ticker.sequence);
}

Why check(Levels const& levels, std::string_view side) {
  for (auto const& [price, amount] : levels) {
    if (price.empty() || amount.empty()) return Reject{reason::missing_field, std::string{side}};
    if (!price.is_positive()) return bad(reason::price_not_positive, side, price.text());
    if (amount.is_negative()) return bad(reason::out_of_range, side, amount.text());
  }
  return {};
}

Why check(Book const& book) {
  if (auto why = check(book.bids, "bids")) return why;
  if (auto why = check(book.asks, "asks")) return why;
  if (auto why = not_negative("sequence", book.sequence)) return why;
  if (book.sequence && book.previous_sequence && *book.sequence < *book.previous_sequence)
    return bad(reason::out_of_range, "sequence", std::to_string(*book.sequence) + ", before what it follows");
  if (book.type != BookType::snapshot || book.bids.empty() || book.asks.empty()) return {};
  if (is_below(book.bids.front().price, book.asks.front().price)) return {};
  return bad(reason::book_crossed, "best bid", book.bids.front().price, ", not below best ask ", book.asks.front().price);
}

Why check(Option const& option) {
  if (auto why = positive({{"bid", &option.bid},
                           {"ask", &option.ask},
                           {"last", &option.last},
                           {"mark", &option.mark},
                           {"underlying_price", &option.underlying_price}}))
    return why;
  return not_negative({{"bid_amount", &option.bid_amount},
                       {"ask_amount", &option.ask_amount},
                       {"bid_iv", &option.bid_iv},
                       {"ask_iv", &option.ask_iv},
                       {"mark_iv", &option.mark_iv},
                       {"open_interest", &option.open_interest},
                       {"volume", &option.volume}});
}

Why check(Odds const& odds) {
  static auto const one = *Decimal::parse("1");
  if (auto why = positive({{"price", &odds.price}})) return why;
  if (is_below(odds.price, one)) return bad(reason::out_of_range, "price", odds.price.text());
  if (!odds.implied_probability.is_positive() || is_below(one, odds.implied_probability))
    return bad(reason::out_of_range, "implied_probability", odds.implied_probability.text());
  return {};
}

Why check(Instrument const& instrument) {
  return not_negative({{"price_tick", &instrument.price_tick},
                       {"amount_step", &instrument.amount_step},
                       {"contract_size", &instrument.contract_size},
                       {"strike", &instrument.strike}});
}

Why check(Venue const&) { return {}; }
Why check(Stat const&) { return {}; }
Why check(Gap const&) { return {}; }

bool is_absent(std::string const& text) { return text.empty(); }
bool is_absent(Decimal const& number) { return number.empty(); }
bool is_absent(auto const&) { return false; }

bool is_too_long(std::string const& text) { return text.size() > text_bytes_max; }
bool is_too_long(auto const&) { return false; }

template <class Kind>
Why check_fields(Kind const& record) {
  Why why;
  auto const check_field = [&](auto const& field) {
    auto const& value = record.*field.member;
    if (field.presence == Presence::required && is_absent(value))
      why = Reject{reason::missing_field, std::string{field.name}};
    else if (is_too_long(value))
      why =
          Reject{reason::out_of_range, std::string{field.name} + " is longer than " + std::to_string(text_bytes_max) + " bytes"};
    return why.has_value();
  };
  std::apply([&](auto const&... fields) { (check_field(fields) || ...); }, all_fields<Kind>());
  return why;
}

Why check_time(Common const& record) {
  if (record.time >= Time{} && record.time <= record.received_at + time_ahead_max) return {};
  return bad(reason::time_out_of_range, "time", to_text(record.time) + ", received " + to_text(record.received_at));
}

}  // namespace

std::optional<Reject> validate(MarketRecord const& record) {
  return std::visit(
      [](auto const& kind) -> Why {
        if (auto why = check_fields(kind)) return why;
        if (auto why = check_time(kind)) return why;
        return check(kind);
      },
      record);
}

}  // namespace penstock
