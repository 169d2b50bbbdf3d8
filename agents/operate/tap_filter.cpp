#include "agents/operate/tap_filter.hpp"

#include "agents/provider.hpp"
#include "streaming/fault.hpp"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <utility>

namespace penstock {

namespace {

std::string_view trimmed(std::string_view text) {
  auto const last = text.find_last_not_of(" \t\r\n");
  return text.substr(0, last + 1);
}

// a.b.0 -> /a/b/0
std::string pointer_to(std::string_view path) {
  std::string pointer = "/";
  for (char const c : path) {
    if (c == '.')
      pointer += '/';
    else if (c == '~')
      pointer += "~0";
    else if (c == '/')
      pointer += "~1";
    else
      pointer += c;
  }
  return pointer;
}

/// A text's characters, everything else as it is spelled; nothing: it is not there, or this is no JSON.
std::optional<std::string> value_at(std::string_view json, std::string const& pointer) try {
  thread_local simdjson::ondemand::parser parser;
  simdjson::padded_string const padded{json};
  auto document = parser.iterate(padded);
  simdjson::ondemand::value value = document.at_pointer(pointer);
  if (value.type() == simdjson::ondemand::json_type::string) return std::string{std::string_view{value.get_string(true)}};
  return std::string{trimmed(std::string_view{value.raw_json()})};
} catch (simdjson::simdjson_error const&) {
  return std::nullopt;
}

bool is_spelled_so(std::string_view found, std::vector<std::string> const& spellings) {
  return std::ranges::contains(spellings, found);
}

}  // namespace

Condition::Condition(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, Comparison>, 7> signs{{{"!=", Comparison::unequal},
                                                                                 {"<=", Comparison::at_most},
                                                                                 {">=", Comparison::at_least},
                                                                                 {"==", Comparison::equal},
                                                                                 {"=", Comparison::equal},
                                                                                 {"<", Comparison::less},
                                                                                 {">", Comparison::more}}};
  auto const at = text.find_first_of("=<>!");
  auto const rest = text.substr(std::min(at, text.size()));
  auto const sign = std::ranges::find_if(signs, [&](auto const& one) { return rest.starts_with(one.first); });
  if (at == 0 || sign == signs.end())
    throw UsageError{"--where is \"" + std::string{text} + "\": it takes a field and its value, such as side=buy or price>=100"};
  pointer_ = pointer_to(trimmed(text.substr(0, at)));
  comparison_ = sign->second;
  wanted_ = rest.substr(sign->first.size());
  number_ = Decimal::parse(wanted_);
  time_ = parse_time(wanted_);
  if (!number_ && !time_ && comparison_ > Comparison::unequal)
    throw UsageError{"--where is \"" + std::string{text} + "\": " + std::string{sign->first} +
                     " compares numbers and times, and \"" + wanted_ + "\" is neither"};
}

bool Condition::fits(std::string_view json) const {
  auto const found = value_at(json, pointer_);
  return found && fits_value(*found);
}

bool Condition::fits_value(std::string_view found) const {
  auto order = std::partial_ordering::unordered;
  if (auto const number = number_ ? Decimal::parse(found) : std::nullopt)
    order = compare(*number, *number_);
  else if (auto const time = time_ ? parse_time(found) : std::nullopt)
    order = *time <=> *time_;
  else if (found == wanted_)
    order = std::partial_ordering::equivalent;
  switch (comparison_) {
    case Comparison::equal: return order == 0;
    case Comparison::unequal: return order != 0;
    case Comparison::less: return order < 0;
    case Comparison::at_most: return order <= 0;
    case Comparison::more: return order > 0;
    case Comparison::at_least: return order >= 0;
  }
  return false;
}

bool TapFilter::fits(Delivery const& delivery) const {
  if (partition && delivery.position.partition != *partition) return false;
  if (!key.empty() && delivery.key != key) return false;
  // Raw records say the native symbol in a header; canonical ones are keyed by <source>:<symbol>.
  auto const colon = delivery.key.find(':');
  if (!symbols.empty() && !is_spelled_so(delivery.header("symbol"), symbols) &&
      (colon == std::string_view::npos || !is_spelled_so(delivery.key.substr(colon + 1), symbols)))
    return false;
  return std::ranges::all_of(conditions, [&](Condition const& one) { return one.fits(delivery.value); });
}

std::vector<std::string> spellings_of(std::string const& symbol, std::string_view topic) {
  std::vector<std::string> spellings{symbol};
  if (!topic.starts_with("raw.")) return spellings;
  auto const name = topic.substr(4, topic.ends_with(".dead") ? topic.size() - 9 : topic.npos);
  if (auto const* provider = find_provider(name))
    if (auto native = provider->native_symbol(symbol); !native.empty()) spellings.push_back(std::move(native));
  return spellings;
}

}  // namespace penstock
