#include "agents/providers/decode.hpp"

#include "streaming/config.hpp"
#include "streaming/fault.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace penstock::decoding {
namespace {

constexpr std::array<std::string_view, 6> canonical_intervals{"1m", "5m", "1h", "1d", "1w", "1M"};

std::string_view trimmed(std::string_view token) {
  while (!token.empty() && (token.back() == ' ' || token.back() == '\n' || token.back() == '\r' || token.back() == '\t'))
    token.remove_suffix(1);
  return token;
}

bool is_digit(char character) { return character >= '0' && character <= '9'; }

}  // namespace

void fail(std::string_view reason, std::string detail) { throw BadRecord{{reason, std::move(detail)}}; }
void fail_frame(simdjson::error_code error) { throw BadFrame{{reason::malformed, simdjson::error_message(error)}}; }

void fail_type(std::string_view field, std::string_view expected, json::value& value) {
  fail(reason::wrong_type,
       std::string{field} + ": " + std::string{expected} + " was expected, found " + excerpt(trimmed(value.raw_json_token())));
}

void fail_integer(std::string_view field, json::value& value) {
  auto const token = trimmed(value.raw_json_token());
  auto const digits = token.starts_with('-') ? token.substr(1) : token;
  if (!digits.empty() && digits.front() != '0' && std::ranges::all_of(digits, is_digit))
    fail(reason::out_of_range, std::string{field} + ": " + excerpt(token));
  fail_type(field, "an integer", value);
}

std::string_view spelled_count(json::value& value, std::string_view field) {
  auto const token = trimmed(value.raw_json_token());
  count(value, field);
  if (token.starts_with('-')) fail(reason::out_of_range, std::string{field} + ": " + excerpt(token));  // -0
  return token;
}

void fail_time(std::string_view field, std::int64_t given) {
  fail(reason::time_out_of_range, std::string{field} + ": " + std::to_string(given));
}

void fail_number(std::string_view field, std::string_view text) {
  if (Decimal::is_number(text)) fail(reason::out_of_range, std::string{field} + ": more than 100 digits: " + excerpt(text));
  fail(reason::wrong_type, std::string{field} + ": not a decimal number: " + excerpt(text));
}

void read_decimal_slowly(Decimal& into, json::value& value, std::string_view field) {
  auto const spelled = text(value, field);
  if (!into.assign(spelled)) fail_number(field, spelled);
}

bool is_null(json::value& value) {
  bool null = false;
  return !value.is_null().get(null) && null;
}

void read_number_slowly(Decimal& into, json::value& value, std::string_view field) {
  if (is_null(value)) {
    into = {};
    return;
  }
  auto const token = trimmed(value.raw_json_token());
  if (token.empty() || !(is_digit(token.front()) || token.front() == '-')) fail_type(field, "a number", value);
  if (!into.assign(token)) fail_number(field, token);
}

Time seconds(json::value& value, std::string_view field) {
  auto const given = integer(value, field);
  auto const time = from_seconds(given);
  if (!time) fail_time(field, given);
  return *time;
}

json::object object(json::value& value, std::string_view field) {
  json::object result;
  auto const error = value.get_object().get(result);
  if (error == simdjson::INCORRECT_TYPE) fail_type(field, "an object", value);
  if (error) fail_frame(error);
  return result;
}

json::array array(json::value& value, std::string_view field) {
  json::array result;
  auto const error = value.get_array().get(result);
  if (error == simdjson::INCORRECT_TYPE) fail_type(field, "a list", value);
  if (error) fail_frame(error);
  return result;
}

Reader& Reader::of_thread() {
  thread_local Reader reader;
  return reader;
}

void Reader::grow(std::size_t needed) {
  capacity_ = std::max<std::size_t>(4096, 2 * needed);
  bytes_ = std::make_unique<char[]>(capacity_);
}

void reject_frame(Decoded& into, Reject reject) {
  into.items.clear();
  into.rejected.clear();
  into.frame = std::move(reject);
}

json::object root_object(json::document& document) {
  json::object result;
  if (auto const error = document.get_object().get(result)) fail_frame(error);
  return result;
}

json::array root_array(json::document& document) {
  json::array result;
  if (auto const error = document.get_array().get(result)) fail_frame(error);
  return result;
}

char first_character(std::string_view bytes) {
  auto const at = bytes.find_first_not_of(" \t\r\n");
  return at == bytes.npos ? '\0' : bytes[at];
}

namespace {

// Where the value of `"key":` begins; npos where the key is not there.
std::size_t value_of(std::string_view frame, std::string_view key) {
  for (std::size_t at = 0; (at = frame.find(key, at)) != frame.npos; at += key.size()) {
    auto const end = at + key.size();
    if (at == 0 || frame[at - 1] != '"' || end >= frame.size() || frame[end] != '"') continue;
    auto const colon = frame.find_first_not_of(" \t\r\n", end + 1);
    if (colon == frame.npos || frame[colon] != ':') continue;
    return frame.find_first_not_of(" \t\r\n", colon + 1);
  }
  return frame.npos;
}

}  // namespace

std::string_view find_text(std::string_view frame, std::string_view key, std::size_t window) {
  frame = frame.substr(0, window);
  auto const at = value_of(frame, key);
  if (at == frame.npos || frame[at] != '"') return {};
  auto const end = frame.find('"', at + 1);
  return end == frame.npos ? std::string_view{} : frame.substr(at + 1, end - at - 1);
}

bool has_key(std::string_view frame, std::string_view key, std::size_t window) {
  return value_of(frame.substr(0, window), key) != std::string_view::npos;
}

std::string_view query_parameter(std::string_view request, std::string_view name) {
  auto const url = request.substr(0, request.find(' '));
  auto const question = url.find('?');
  if (question == url.npos) return {};
  auto query = url.substr(question + 1);
  while (!query.empty()) {
    auto const pair = query.substr(0, query.find('&'));
    if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=') return pair.substr(name.size() + 1);
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
  }
  return {};
}

std::string upper(std::string_view text) {
  std::string result{text};
  for (char& c : result)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return result;
}

std::string lower(std::string_view text) {
  std::string result{text};
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

bool contains(std::span<std::string const> list, std::string_view word) { return std::ranges::find(list, word) != list.end(); }

Subscription distinct(Subscription subscription) {
  for (auto* list : {&subscription.symbols, &subscription.channels, &subscription.intervals}) {
    std::vector<std::string> once;
    for (auto& word : *list)
      if (!contains(once, word)) once.push_back(std::move(word));
    *list = std::move(once);
  }
  return subscription;
}

void check_channels(Provider const& provider, Subscription const& subscription) {
  std::vector<std::string> known;
  for (auto const& channel : provider.channels()) known.emplace_back(channel.name);
  for (auto const& channel : subscription.channels) {
    if (contains(known, channel)) continue;
    auto const near = nearest(channel, known);
    throw UsageError{"publish." + std::string{provider.name()} + ".channels: there is no channel '" + channel + "'" +
                     (near.empty() ? "" : "; did you mean '" + near + "'?") + "; allowed are: " + join(known, ", ")};
  }
}

void check_intervals(Provider const& provider, Subscription const& subscription) {
  std::vector<std::string> const known{canonical_intervals.begin(), canonical_intervals.end()};
  auto const key = "publish." + std::string{provider.name()} + ".intervals";
  if (subscription.intervals.empty()) throw UsageError{key + " is empty; candles need at least one of " + join(known, ", ")};
  for (auto const& interval : subscription.intervals)
    if (!contains(known, interval)) throw UsageError{key + ": '" + interval + "' is none of " + join(known, ", ")};
}

std::optional<std::chrono::seconds> interval_length(std::string_view interval) {
  using namespace std::chrono_literals;
  if (interval == "1m") return 60s;
  if (interval == "5m") return 300s;
  if (interval == "1h") return 3600s;
  if (interval == "1d") return 86400s;
  if (interval == "1w") return 7 * 86400s;
  return {};
}

std::string_view response_header(Response const& response, std::string_view name) {
  auto const found = std::ranges::find(response.headers, name, &Header::first);
  return found == response.headers.end() ? std::string_view{} : std::string_view{found->second};
}

std::chrono::milliseconds retry_after(Response const& response) {
  constexpr std::int64_t three_days = 3 * 86'400;
  auto const text = response_header(response, "retry-after");
  std::int64_t wait = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), wait);
  if (error != std::errc{} || end != text.data() + text.size() || wait < 0 || wait > three_days) return {};
  return std::chrono::seconds{wait};
}

std::string excerpt(std::string_view body) {
  std::size_t length = std::min<std::size_t>(body.size(), 200);
  while (length < body.size() && length > 0 && (static_cast<unsigned char>(body[length]) & 0xC0) == 0x80)
    --length;  // whole UTF-8 characters
  std::string result{body.substr(0, length)};
  for (char& c : result)
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  return result;
}

}  // namespace penstock::decoding
