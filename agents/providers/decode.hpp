/// What every decoder needs: one pass over a frame's fields, and readers that name the field they could not read.
/// Included by the providers' .cpp files only. Any thread; each has a parser and padded memory of its own.
/// Readers throw; read_frame() and each_record() turn what they throw into rejects, so that nothing leaves decode().
#pragma once

#include "agents/provider.hpp"
#include "schemas/reasons.hpp"
#include "streaming/join.hpp"

#include <simdjson.h>

#include <concepts>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace penstock::decoding {

namespace json = simdjson::ondemand;

/// One record is bad; the rest of the frame can still be read.
struct BadRecord {
  Reject reject;
};
/// The frame is not JSON, or not to the end: nothing in it can be trusted.
struct BadFrame {
  Reject reject;
};

[[noreturn]] void fail(std::string_view reason, std::string detail);
[[noreturn]] void fail_frame(simdjson::error_code error);

/// Throws missing-field where `present` is false.
inline void require(bool present, std::string_view field) {
  if (!present) fail(reason::missing_field, std::string{field});
}

[[noreturn]] void fail_type(std::string_view field, std::string_view expected, json::value& value);
[[noreturn]] void fail_integer(std::string_view field, json::value& value);
[[noreturn]] void fail_time(std::string_view field, std::int64_t given);
[[noreturn]] void fail_number(std::string_view field, std::string_view text);

// Readers of one value. Views are valid until the next document of this thread. What is called for every trade is
// inline: at millions a second a call counts.

inline std::string_view text(json::value& value, std::string_view field) {
  std::string_view result;
  if (value.get_string().get(result)) fail_type(field, "text", value);
  return result;
}

inline bool boolean(json::value& value, std::string_view field) {
  bool result = false;
  if (value.get_bool().get(result)) fail_type(field, "true or false", value);
  return result;
}

inline std::int64_t integer(json::value& value, std::string_view field) {
  std::int64_t result = 0;
  if (value.get_int64().get(result)) fail_integer(field, value);
  return result;
}

/// An integer that is not negative.
inline std::int64_t count(json::value& value, std::string_view field) {
  auto const result = integer(value, field);
  if (result < 0) fail(reason::out_of_range, std::string{field} + ": " + std::to_string(result));
  return result;
}

/// The digits of an integer that is not negative, as they are spelled.
std::string_view spelled_count(json::value& value, std::string_view field);
inline std::string_view digits(json::value& value, std::string_view field) {
  auto const token = value.raw_json_token();
  bool plain = !token.empty() && token.size() < 19 && token.front() != '0';
  for (char const digit : token) plain = plain && digit >= '0' && digit <= '9';
  return plain ? token : spelled_count(value, field);
}

inline Time milliseconds(json::value& value, std::string_view field) {
  auto const given = integer(value, field);
  auto const time = from_milliseconds(given);
  if (!time) fail_time(field, given);
  return *time;
}

/// "0.10". Read from the frame itself where it is spelled plainly.
void read_decimal_slowly(Decimal& into, json::value& value, std::string_view field);
inline void read_decimal(Decimal& into, json::value& value, std::string_view field) {
  auto const token = value.raw_json_token();
  if (token.size() > 2 && token.front() == '"' && token.back() == '"' && into.assign(token.substr(1, token.size() - 2))) return;
  read_decimal_slowly(into, value, field);
}

/// 0.10, as it is spelled; null: absent.
void read_number_slowly(Decimal& into, json::value& value, std::string_view field);
inline void read_number(Decimal& into, json::value& value, std::string_view field) {
  if (!into.assign(value.raw_json_token())) read_number_slowly(into, value, field);
}

Time seconds(json::value& value, std::string_view field);
json::object object(json::value& value, std::string_view field);
json::array array(json::value& value, std::string_view field);
bool is_null(json::value& value);

/// A key of up to eight bytes as a number, for a switch; 0 for a longer one.
constexpr std::uint64_t short_name(std::string_view key) {
  std::uint64_t name = 0;
  if (key.size() <= 8)
    for (char const c : key) name = name << 8U | static_cast<unsigned char>(c);
  return name;
}

/// Calls each(key, value) for the fields in their order, to the end: a structure that is cut off or unbalanced throws.
template <class Object, class Each>
void each_field(Object&& fields, Each&& each) {
  for (auto result : fields) {
    json::field field;
    if (auto const error = std::move(result).get(field)) fail_frame(error);
    json::value value = field.value();
    each(field.escaped_key(), value);
  }
}

/// The same for {"<wrapper>": {…}}: the fields of both objects, those of the inner one in its place.
template <class Object, class Each>
void each_field_within(Object&& fields, std::string_view wrapper, Each&& each) {
  each_field(fields, [&](std::string_view key, json::value& value) {
    if (key != wrapper) return each(key, value);
    each_field(object(value, wrapper), each);
  });
}

template <class Each>
void each_element(json::array elements, Each&& each) {
  for (auto result : elements) {
    json::value value;
    if (auto const error = std::move(result).get(value)) fail_frame(error);
    each(value);
  }
}

/// Becomes a record of its kind in the place where it is stored; an empty one first would be written out in full length.
template <class Kind>
struct New {
  operator MarketRecord() const { return MarketRecord{std::in_place_type<Kind>}; }
};

/// A new record at the end, with the four common fields that follow from the raw record set; time is received_at.
template <class Kind>
Kind& append(Decoded& into, std::size_t index, std::string_view source, RawRecord const& raw) {
  Kind& record = *std::get_if<Kind>(&into.items.emplace_back(index, New<Kind>{}).record);
  record.source = source;
  record.time = record.received_at = raw.received_at;
  return record;
}

/// For each element: each(value, index); a bad one is rejected alone, with what it appended taken back.
template <class Each>
void each_record(json::array elements, Decoded& into, Each&& each) {
  std::size_t index = 0;
  each_element(elements, [&](json::value& value) {
    auto const before = into.items.size();
    try {
      each(value, index);
    } catch (BadRecord& bad) {
      into.items.resize(before);
      into.rejected.push_back({index, std::move(bad.reject)});
    }
    ++index;
  });
}

/// The thread's own parser, and memory that it may read a little beyond a frame's end.
class Reader {
 public:
  static Reader& of_thread();
  simdjson::simdjson_result<json::document> open(std::string_view bytes) {
    if (bytes.size() + simdjson::SIMDJSON_PADDING > capacity_) grow(bytes.size() + simdjson::SIMDJSON_PADDING);
    std::memcpy(bytes_.get(), bytes.data(), bytes.size());
    std::memset(bytes_.get() + bytes.size(), 0, simdjson::SIMDJSON_PADDING);
    return parser_.iterate(bytes_.get(), bytes.size(), capacity_);
  }

 private:
  void grow(std::size_t needed);
  json::parser parser_;
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
};

void reject_frame(Decoded& into, Reject reject);

/// Parses `bytes` and calls read(document); afterwards nothing may be left over. What read throws becomes into.frame.
template <class Read>
void read_frame(std::string_view bytes, Decoded& into, Read&& read) {
  try {
    auto opened = Reader::of_thread().open(bytes);
    if (opened.error()) fail_frame(opened.error());
    json::document& document = opened.value_unsafe();
    read(document);
    if (!document.at_end()) fail_frame(simdjson::TRAILING_CONTENT);
  } catch (BadRecord& bad) {
    reject_frame(into, std::move(bad.reject));
  } catch (BadFrame& bad) {
    reject_frame(into, std::move(bad.reject));
  }
}

/// A raw record that is no control frame: by `shape`, which is for the frames that come most often and answers false where one
/// is spelled otherwise, else by `document`.
inline void decode_frame(RawRecord const& raw, Decoded& into, void (*document)(json::document&, RawRecord const&, Decoded&),
                         bool (*shape)(RawRecord const&, Decoded&) = nullptr) {
  into.clear();
  if (raw.channel == "control") {
    into.ignored = true;
    return;
  }
  if (shape != nullptr && shape(raw, into)) return;
  into.clear();
  read_frame(raw.value, into, [&](json::document& opened) { document(opened, raw, into); });
}

json::object root_object(json::document& document);
json::array root_array(json::document& document);
/// '{', '[', or another first character of the document; 0 where there is none.
char first_character(std::string_view bytes);

// Text work for react(), which must not parse, and for requests.

/// The text value of the first `"key":"…"` within the first `window` bytes; "" where there is none.
std::string_view find_text(std::string_view frame, std::string_view key, std::size_t window = 512);
/// True where `"key":` is within the first `window` bytes.
bool has_key(std::string_view frame, std::string_view key, std::size_t window = 128);
/// The value of a query parameter of the URL at the beginning of raw header `request`; "" where there is none.
std::string_view query_parameter(std::string_view request, std::string_view name);

std::string upper(std::string_view text);
std::string lower(std::string_view text);
bool contains(std::span<std::string const> list, std::string_view word);
/// With what is named twice named once.
Subscription distinct(Subscription subscription);
/// Throws UsageError where a channel is none of the provider's: names the nearest, lists all.
void check_channels(Provider const& provider, Subscription const& subscription);
/// Throws UsageError where an interval is none of the canonical ones, or there is none.
void check_intervals(Provider const& provider, Subscription const& subscription);
/// The length of a canonical interval; nothing for 1M, which has none.
std::optional<std::chrono::seconds> interval_length(std::string_view interval);

// Answers.
std::string_view response_header(Response const& response, std::string_view name);
/// Whole seconds of Retry-After; 0 where it is missing, a date, or more than three days.
std::chrono::milliseconds retry_after(Response const& response);
/// At most the first 200 bytes, for a detail.
std::string excerpt(std::string_view body);

}  // namespace penstock::decoding
