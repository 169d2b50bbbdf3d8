#include "streaming/http/frame.hpp"

#include <algorithm>
#include <random>

namespace penstock::http {
namespace {

// First byte.
constexpr unsigned final_bit = 0x80, reserved_bits = 0x70, opcode_bits = 0x0F;
// Second byte: a mask follows; the payload's length, or that two or eight bytes with it follow.
constexpr unsigned mask_bit = 0x80, length_bits = 0x7F, in_two_bytes = 126, in_eight_bytes = 127;
constexpr std::size_t control_payload_max = 125;

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t number = 0;
  for (auto const byte : bytes) number = number << 8U | static_cast<unsigned char>(byte);
  return number;
}

void append_head(std::string& bytes, Opcode opcode, std::uint64_t payload_bytes, unsigned mask) {
  bytes += static_cast<char>(final_bit | static_cast<unsigned>(opcode));
  auto const following = payload_bytes <= control_payload_max ? 0U : payload_bytes <= 0xFFFF ? 2U : 8U;
  auto const length = following == 0 ? static_cast<unsigned>(payload_bytes) : following == 2 ? in_two_bytes : in_eight_bytes;
  bytes += static_cast<char>(mask | length);
  for (auto left = following; left > 0; --left) bytes += static_cast<char>(payload_bytes >> (left - 1) * 8U & 0xFFU);
}

}  // namespace

std::expected<std::optional<Frame>, char const*> read_frame(std::string_view bytes) {
  if (bytes.size() < 2) return std::nullopt;
  auto const first = static_cast<unsigned char>(bytes[0]);
  auto const second = static_cast<unsigned char>(bytes[1]);
  Frame frame{.opcode = static_cast<Opcode>(first & opcode_bits),
              .is_last = (first & final_bit) != 0,
              .mask = {},
              .head_bytes = 2,
              .payload_bytes = second & length_bits};
  if ((first & reserved_bits) != 0) return std::unexpected{"a frame has reserved bits set"};
  if (frame.opcode > Opcode::pong || (frame.opcode > Opcode::binary && frame.opcode < Opcode::close))
    return std::unexpected{"a frame has an unknown opcode"};
  if (is_control(frame.opcode) && (!frame.is_last || frame.payload_bytes > control_payload_max))
    return std::unexpected{"a control frame is in parts, or longer than 125 bytes"};
  if (frame.payload_bytes >= in_two_bytes) {
    auto const length_bytes = frame.payload_bytes == in_two_bytes ? 2U : 8U;
    if (bytes.size() < 2 + length_bytes) return std::nullopt;
    frame.payload_bytes = big_endian(bytes.substr(2, length_bytes));
    frame.head_bytes += length_bytes;
    if (frame.payload_bytes >> 63U != 0) return std::unexpected{"a frame's length has its highest bit set"};
  }
  if ((second & mask_bit) != 0) {
    auto& mask = frame.mask.emplace();
    if (bytes.size() < frame.head_bytes + mask.size()) return std::nullopt;
    std::ranges::copy(bytes.substr(frame.head_bytes, mask.size()), mask.begin());
    frame.head_bytes += mask.size();
  }
  return frame;
}

void mask_payload(char* payload, std::size_t bytes, std::array<char, 4> mask) {
  for (std::size_t index = 0; index < bytes; ++index)
    payload[index] = static_cast<char>(payload[index] ^ mask[index % mask.size()]);
}

void append_frame(std::string& bytes, Opcode opcode, std::string_view payload) {
  append_head(bytes, opcode, payload.size(), 0);
  bytes += payload;
}

std::string client_frame(Opcode opcode, std::string_view payload) {
  std::string bytes;
  append_head(bytes, opcode, payload.size(), mask_bit);
  auto const number = std::random_device{}();
  std::array<char, 4> mask{};
  for (unsigned index = 0; index < mask.size(); ++index) mask[index] = static_cast<char>(number >> index * 8U & 0xFFU);
  bytes.append(mask.data(), mask.size());
  bytes += payload;
  mask_payload(bytes.data() + bytes.size() - payload.size(), payload.size(), mask);
  return bytes;
}

}  // namespace penstock::http
