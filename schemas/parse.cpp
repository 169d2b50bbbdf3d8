// Reading canonical records: as they are written here, else by a parser in one pass over the object's fields as they come. A
// field that is where all_fields has it is found at once, and a record is only good when its last brace was seen.
#include "schemas/fields.hpp"
#include "schemas/kinds.hpp"
#include "schemas/written.hpp"
#include "streaming/join.hpp"

#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <format>
#include <memory>

namespace penstock {
namespace {

namespace ondemand = simdjson::ondemand;

/// Memory for one document. The thread keeps one, for records of usual size.
struct Memory {
  ondemand::parser parser;
  std::string padded;
};
constexpr std::size_t kept_bytes_max = 1 << 20;

/// Reads the value of one field; false: `why` says what is wrong with it.
class FieldReader {
 public:
  FieldReader(std::string_view field, Reject& why) : field_{field}, why_{why} {}

  bool read(ondemand::value& value, std::string& into) {
    std::string_view text;
    if (!text_of(value, "text", text)) return false;
    if (text.size() > text_bytes_max) return fail(reason::out_of_range, "has {} bytes, limit {}", text.size(), text_bytes_max);
    if (text.contains('\0')) return fail(reason::out_of_range, "holds a NUL character");
    into.assign(text);
    return true;
  }

  bool read(ondemand::value& value, Decimal& into) {
    std::string_view text;
    return text_of(value, "decimal text", text) && decimal(text, into);
  }

  bool read(ondemand::value& value, Time& into) {
    std::string_view text;
    if (!text_of(value, "a time as text", text)) return false;
    auto const time = parse_time(text);
    if (!time) return fail(reason::wrong_type, "{} is not an RFC 3339 time", quoted(text));
    if (*time < year_one) return fail(reason::time_out_of_range, "{} is before year 1", quoted(text));
    into = *time;
    return true;
  }

  bool read(ondemand::value& value, std::int64_t& into) {
    if (!is(value, ondemand::json_type::number, "an integer")) return false;
    if (value.get_int64().get(into) == simdjson::SUCCESS) return true;
    auto token = value.raw_json_token();
    while (!token.empty() && std::string_view{" \t\r\n"}.contains(token.back())) token.remove_suffix(1);
    bool const whole = token.find_first_not_of("-0123456789") == std::string_view::npos && Decimal::is_number(token);
    if (whole) return fail(reason::out_of_range, "{} does not fit 64 bits", clipped(token));
    return fail(reason::wrong_type, "{} is not an integer", clipped(token));
  }

  bool read(ondemand::value& value, bool& into) {
    if (!is(value, ondemand::json_type::boolean, "true or false")) return false;
    return good(value.get_bool().get(into));
  }

  template <Word Value>
  bool read(ondemand::value& value, Value& into) {
    std::string_view text;
    if (!text_of(value, "a word", text)) return false;
    auto const found = find_word<Value>(text);
    if (!found) return fail(reason::wrong_type, "{} is not one of {}", quoted(text), join(words(std::type_identity<Value>{})));
    into = *found;
    return true;
  }

  template <class Value>
  bool read(ondemand::value& value, std::optional<Value>& into) {
    return read(value, into.emplace());
  }

  bool read(ondemand::value& value, Levels& into) {
    if (!is(value, ondemand::json_type::array, "levels as [[price, amount], ...]")) return false;
    ondemand::array levels;
    if (!good(value.get_array().get(levels))) return false;
    for (auto level : levels) {
      ondemand::value pair;
      if (!good(level.get(pair))) return false;
      if (into.size() == levels_count_max) return fail(reason::out_of_range, "has more than {} levels", levels_count_max);
      if (!read_level(pair, into.emplace_back())) return false;
    }
    return true;
  }

 private:
  bool read_level(ondemand::value& value, Level& into) {
    if (!is(value, ondemand::json_type::array, "a level as [price, amount]")) return false;
    ondemand::array pair;
    if (!good(value.get_array().get(pair))) return false;
    std::size_t count = 0;
    for (auto element : pair) {
      ondemand::value number;
      if (!good(element.get(number))) return false;
      if (count == 2) return fail(reason::wrong_type, "a level has more than price and amount");
      if (!read(number, count == 0 ? into.price : into.amount)) return false;
      ++count;
    }
    return count == 2 || fail(reason::wrong_type, "a level has {} of price and amount", count);
  }

  bool decimal(std::string_view text, Decimal& into) {
    if (auto parsed = Decimal::parse(text)) {
      into = std::move(*parsed);
      return true;
    }
    if (Decimal::is_number(text)) return fail(reason::out_of_range, "{} has too many digits", clipped(text));
    return fail(reason::wrong_type, "{} is not a decimal number", quoted(text));
  }

  /// Text that is there: absent is a key left out, never "".
  bool text_of(ondemand::value& value, std::string_view expected, std::string_view& text) {
    if (!is(value, ondemand::json_type::string, expected) || !good(value.get_string().get(text))) return false;
    return !text.empty() || fail(reason::wrong_type, "is empty, expected {}", expected);
  }

  bool is(ondemand::value& value, ondemand::json_type wanted, std::string_view expected) {
    ondemand::json_type found{};
    if (!good(value.type().get(found))) return false;
    return found == wanted || fail(reason::wrong_type, "found {}, expected {}", name_of(found), expected);
  }

  bool good(simdjson::error_code error) {
    return error == simdjson::SUCCESS || fail(reason::malformed, "{}", simdjson::error_message(error));
  }

  template <class... Argument>
  bool fail(std::string_view reason, std::format_string<Argument const&...> what, Argument const&... arguments) {
    why_ = Reject{reason, std::string{field_} + ": " + std::format(what, arguments...)};
    return false;
  }

  static std::string_view name_of(ondemand::json_type type) {
    switch (type) {
      case ondemand::json_type::array: return "an array";
      case ondemand::json_type::object: return "an object";
      case ondemand::json_type::number: return "a number";
      case ondemand::json_type::string: return "text";
      case ondemand::json_type::boolean: return "a boolean";
      default: return "null";
    }
  }

  /// The start of a long text, cut between two characters.
  static std::string_view clipped(std::string_view text) {
    constexpr std::size_t most = 64;
    if (text.size() <= most) return text;
    auto end = most;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
    return text.substr(0, end);
  }
  static std::string quoted(std::string_view text) { return std::format("\"{}\"", clipped(text)); }

  std::string_view field_;
  Reject& why_;
};

std::unexpected<Reject> malformed(std::string detail) { return std::unexpected{Reject{reason::malformed, std::move(detail)}}; }
std::unexpected<Reject> malformed(simdjson::error_code error) { return malformed(simdjson::error_message(error)); }

/// Where `names` has `key`; looks from `expected` on first. names.size(): nowhere.
std::size_t index_of(std::span<std::string_view const> names, std::string_view key, std::size_t expected) {
  for (auto i = expected; i < names.size(); ++i)
    if (names[i] == key) return i;
  for (std::size_t i = 0; i < expected; ++i)
    if (names[i] == key) return i;
  return names.size();
}

template <class Kind>
using Read = bool (*)(ondemand::value&, Kind&, Reject&);

template <class Kind>
constexpr auto readers = []<std::size_t... i>(std::index_sequence<i...>) {
  return std::array<Read<Kind>, sizeof...(i)>{[](ondemand::value& value, Kind& record, Reject& why) {
    constexpr auto field = std::get<i>(fields<Kind>);
    return FieldReader{field.name, why}.read(value, record.*field.member);
  }...};
}(std::make_index_sequence<field_count<Kind>>{});

template <class Kind>
constexpr std::uint32_t required_fields = [] {
  std::uint32_t bits = 0;
  for_each_field<Kind>([&]<std::size_t i>() {
    if (std::get<i>(fields<Kind>).presence == Presence::required) bits |= 1U << i;
  });
  return bits;
}();

template <class Kind>
std::expected<MarketRecord, Reject> read(ondemand::document& document) {
  static_assert(field_count<Kind> <= 32);
  constexpr auto& names = field_names<Kind>;
  std::expected<MarketRecord, Reject> result{std::in_place, std::in_place_type<Kind>};
  Kind& record = *std::get_if<Kind>(&*result);
  Reject why;
  std::uint32_t seen = 0;
  std::size_t expected = 0;

  ondemand::object object;
  if (auto const error = document.get_object().get(object)) return malformed(error);
  for (auto next : object) {
    ondemand::field field;
    if (auto const error = std::move(next).get(field)) return malformed(error);
    std::string_view key = field.escaped_key();
    if (key.contains('\\'))
      if (auto const error = field.unescaped_key().get(key)) return malformed(error);
    auto const i = index_of(names, key, expected);
    if (i == names.size()) continue;
    if (seen & 1U << i) return malformed(std::string{names[i]} + ": given twice");
    seen |= 1U << i;
    expected = i + 1;
    if (!readers<Kind>[i](field.value(), record, why)) return std::unexpected{std::move(why)};
  }
  if (!document.at_end()) return malformed("something follows the object");
  if (auto const missing = required_fields<Kind> & ~seen)
    return std::unexpected{
        Reject{reason::missing_field, std::string{names[static_cast<std::size_t>(std::countr_zero(missing))]}}};
  return result;
}

std::expected<MarketRecord, Reject> parse_document(std::string_view json,
                                                   std::expected<MarketRecord, Reject> (*read)(ondemand::document&)) {
  thread_local Memory usual;
  std::unique_ptr<Memory> const large = json.size() > kept_bytes_max ? std::make_unique<Memory>() : nullptr;
  auto& [parser, padded] = large ? *large : usual;
  padded.assign(json).append(simdjson::SIMDJSON_PADDING, '\0');

  ondemand::document document;
  if (auto const error = parser.iterate(padded.data(), json.size(), padded.size()).get(document)) return malformed(error);
  return read(document);
}

template <class Kind>
std::expected<MarketRecord, Reject> parse(std::string_view json) {
  std::expected<MarketRecord, Reject> result{std::in_place, std::in_place_type<Kind>};
  if (written::read_record(json, *std::get_if<Kind>(&*result))) return result;
  return parse_document(json, read<Kind>);
}

}  // namespace

std::expected<MarketRecord, Reject> parse_record(std::string_view kind, std::string_view json) {
  using Parse = std::expected<MarketRecord, Reject> (*)(std::string_view);
  auto const chosen = with_kind(kind, Parse{}, []<class Kind>() -> Parse { return parse<Kind>; });
  return chosen ? chosen(json) : malformed(std::format("unknown kind {}", kind));
}

}  // namespace penstock
