/// A websocket's frames, in both directions (RFC 6455, section 5). Functions of their arguments alone; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::http {

enum class Opcode : std::uint8_t { continuation = 0x0, text = 0x1, binary = 0x2, close = 0x8, ping = 0x9, pong = 0xA };

/// Close, ping and pong: never in parts, and between those of a message.
inline bool is_control(Opcode opcode) { return opcode >= Opcode::close; }

struct Frame {
  Opcode opcode;
  bool is_last;                             ///< the message's last, or only one
  std::optional<std::array<char, 4>> mask;  ///< of a client's payload, which is to be undone by mask_payload()
  std::size_t head_bytes;                   ///< before the payload
  std::uint64_t payload_bytes;
};

/// The frame that `bytes` begin with, whose payload need not be there; nothing: its head is not there as a whole.
/// Unexpected: no frame, in words.
std::expected<std::optional<Frame>, char const*> read_frame(std::string_view bytes);

/// Masks what is not masked, and the other way round.
void mask_payload(char* payload, std::size_t bytes, std::array<char, 4> mask);

/// A server's frame with a whole message, behind what is in `bytes`.
void append_frame(std::string& bytes, Opcode opcode, std::string_view payload);

/// A client's frame with a whole message: masked by random bytes.
std::string client_frame(Opcode opcode, std::string_view payload);

}  // namespace penstock::http
