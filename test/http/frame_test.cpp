#include "streaming/http/frame.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace penstock::test {
namespace {

using namespace std::string_view_literals;
using http::Opcode;

/// The one frame that `bytes` are, unmasked.
std::string payload_of(std::string const& bytes, Opcode opcode) {
  auto const frame = http::read_frame(bytes);
  REQUIRE(frame);
  REQUIRE(*frame);
  auto const& [is, is_last, mask, head_bytes, payload_bytes] = **frame;
  CHECK(is == opcode);
  CHECK(is_last);
  REQUIRE(bytes.size() == head_bytes + payload_bytes);
  auto payload = bytes.substr(head_bytes);
  if (mask) http::mask_payload(payload.data(), payload.size(), *mask);
  return payload;
}

}  // namespace

// RFC 6455, 5.7
TEST_CASE("frame: the examples of the standard") {
  CHECK(payload_of("\x81\x05Hello", Opcode::text) == "Hello");
  CHECK(payload_of(std::string{"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"sv}, Opcode::text) == "Hello");
  CHECK(payload_of("\x89\x05Hello", Opcode::ping) == "Hello");
  CHECK(payload_of(std::string{"\x82\x7e\x01\x00"sv} + std::string(256, 'x'), Opcode::binary).size() == 256);
  CHECK(payload_of(std::string{"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"sv} + std::string(65'536, 'x'), Opcode::binary).size() ==
        65'536);
  auto const first = http::read_frame("\x01\x03Hel"sv), last = http::read_frame("\x80\x02lo"sv);
  CHECK_FALSE((*first)->is_last);
  CHECK((*first)->opcode == Opcode::text);
  CHECK((*last)->is_last);
  CHECK((*last)->opcode == Opcode::continuation);
}

TEST_CASE("frame: what is written is read, at every length, and no part of a head is a frame") {
  for (std::size_t const size : {0U, 1U, 125U, 126U, 65'535U, 65'536U, 70'001U}) {
    CAPTURE(size);
    std::string payload(size, '.');
    for (std::size_t at = 0; at < size; ++at) payload[at] = static_cast<char>(at % 251);
    std::string server = "before";
    http::append_frame(server, Opcode::binary, payload);
    CHECK(server.starts_with("before"));
    server.erase(0, 6);
    auto const client = http::client_frame(Opcode::binary, payload);
    CHECK((payload_of(server, Opcode::binary) == payload));
    CHECK((payload_of(client, Opcode::binary) == payload));
    CHECK(client.size() == server.size() + 4);
    for (auto const& bytes : {server, client}) {
      auto const head_bytes = (*http::read_frame(bytes))->head_bytes;
      for (std::size_t part = 0; part < head_bytes; ++part) {
        auto const frame = http::read_frame(std::string_view{bytes}.substr(0, part));
        REQUIRE(frame);
        CHECK_FALSE(*frame);
      }
      CHECK((*http::read_frame(std::string_view{bytes}.substr(0, head_bytes)))->payload_bytes == size);
    }
  }
  CHECK(http::client_frame(Opcode::text, "each has a mask of its own") !=
        http::client_frame(Opcode::text, "each has a mask of its own"));
}

TEST_CASE("frame: what is none is told apart, by its first bytes") {
  for (auto const bytes : {"\xc1\x05"sv, "\xa1\x05"sv, "\x91\x05"sv,                                // reserved bits
                           "\x83\x01"sv, "\x87\x01"sv, "\x8b\x01"sv, "\x8f\x01"sv,                  // unknown opcodes
                           "\x09\x01"sv, "\x08\x02"sv, "\x89\x7e\x00\x7e"sv, "\x88\x7f\x00\x00"sv,  // control frames
                           "\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x01"sv, "HTTP/1.1"sv}) {
    CAPTURE(bytes);
    auto const frame = http::read_frame(bytes);
    REQUIRE_FALSE(frame);
    CHECK_FALSE(std::string_view{frame.error()}.empty());
  }
}

}  // namespace penstock::test
