/// What the providers' tests share: frames in the documented shapes, and decoded records as text.
#pragma once

#include "agents/provider.hpp"
#include "streaming/time.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::test {

inline Time at(std::string_view text) { return parse_time(text).value(); }
inline constexpr std::string_view received = "2024-08-08T23:54:14.500000Z";

/// A raw record that owns its bytes.
struct Frame {
  std::string channel;
  std::string symbol;
  std::string request;
  std::string bytes;
  Origin origin = Origin::live;
  std::string received_at{received};

  RawRecord raw() const {
    return {.key = symbol,
            .value = bytes,
            .channel = channel,
            .symbol = symbol,
            .request = request,
            .origin = origin,
            .received_at = at(received_at)};
  }
};

/// The frame with `to` in place of the first `from`, which must be there.
inline Frame with(Frame frame, std::string_view from, std::string_view to) {
  auto const at = frame.bytes.find(from);
  REQUIRE_MESSAGE(at != frame.bytes.npos, from);
  frame.bytes.replace(at, from.size(), to);
  return frame;
}

inline Provider const& provider(std::string_view name) {
  auto const* found = find_provider(name);
  REQUIRE_MESSAGE(found, "no provider " << name);
  return *found;
}

inline Decoded decode(Provider const& of, Frame const& frame) {
  Decoded decoded;
  of.decode(frame.raw(), decoded);
  return decoded;
}

/// One line a record: `0 trades/1 {…}`, `2 missing-field p`, `frame malformed …`, `ignored`.
inline std::string shown(Decoded const& decoded) {
  std::string text;
  if (decoded.ignored) text += "ignored\n";
  if (decoded.frame) text += "frame " + std::string{decoded.frame->reason} + ' ' + decoded.frame->detail + '\n';
  for (auto const& [index, record] : decoded.items) {
    text += std::to_string(index) + ' ' + std::string{schema_of(record)} + ' ';
    append_json(text, record);
    text += '\n';
  }
  for (auto const& [index, reject] : decoded.rejected)
    text += std::to_string(index) + ' ' + std::string{reject.reason} + ' ' + reject.detail + '\n';
  return text;
}

inline std::string shown(Provider const& of, Frame const& frame) { return shown(decode(of, frame)); }

/// "missing-field p": the reject of a frame with one record; "" where there is none.
inline std::string reject_of(Provider const& of, Frame const& frame) {
  auto const decoded = decode(of, frame);
  return decoded.frame ? std::string{decoded.frame->reason} + ' ' + decoded.frame->detail : "";
}

inline std::string word(Answer::Kind kind) {
  switch (kind) {
    case Answer::Kind::ok: return "ok";
    case Answer::Kind::empty: return "empty";
    case Answer::Kind::throttled: return "throttled";
    case Answer::Kind::refused: return "refused";
    case Answer::Kind::broken: return "broken";
  }
  return "?";
}

/// The folder of recordings; says so and returns "" where PENSTOCK_TEST_RECORDINGS is not set.
inline std::filesystem::path recordings() {
  auto const* folder = std::getenv("PENSTOCK_TEST_RECORDINGS");
  if (!folder || !*folder) {
    MESSAGE("skipped: PENSTOCK_TEST_RECORDINGS is not set");
    return {};
  }
  return folder;
}

inline std::string read_all(std::filesystem::path const& path) {
  std::ifstream file{path, std::ios::binary};
  REQUIRE_MESSAGE(file, path.string() << " cannot be read");
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// Frames in the documented shapes, every shape that the provider decodes. None for a provider that has none written.
std::vector<Frame> documented_frames(std::string_view provider);

/// That each of them, in their order, is shown() as expected.
inline void check_documented_frames(Provider const& of, std::vector<std::string> const& expected) {
  auto const frames = documented_frames(of.name());
  REQUIRE(frames.size() == expected.size());
  for (std::size_t at = 0; at < frames.size(); ++at) {
    CAPTURE(frames[at].bytes);
    CHECK(shown(of, frames[at]) == expected[at]);
  }
}

}  // namespace penstock::test
