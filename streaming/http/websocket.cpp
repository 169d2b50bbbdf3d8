#include "streaming/http/websocket.hpp"

#include <algorithm>
#include <cstring>
#include <format>
#include <stdexcept>

namespace penstock::http {
namespace {

constexpr std::size_t piece_bytes = 64 * 1024;
constexpr std::size_t buffer_bytes_kept = 1024 * 1024;  // A larger message's memory is given back after it.
constexpr std::size_t outgoing_frames_max = 10'000;

// RFC 6455, 7.4.1
constexpr std::string_view close_normal = "\x03\xe8";          // 1000
constexpr std::string_view close_protocol_error = "\x03\xea";  // 1002
constexpr std::string_view close_too_big = "\x03\xf1";         // 1009

std::string close_reason(std::string_view payload) {
  if (payload.size() < 2) return "the server closed the connection";
  auto const code = static_cast<unsigned char>(payload[0]) * 256 + static_cast<unsigned char>(payload[1]);
  auto text = "the server closed the connection: " + std::to_string(code);
  if (payload.size() > 2) text.append(" ").append(payload.substr(2));
  return text;
}

}  // namespace

CurlWebsocket::CurlWebsocket(CURLM* multi, TransferOptions const& options, std::set<CurlWebsocket*>& sockets, Opening opening)
    : Transfer{multi, options, opening.url(), "http,https", {}},
      sockets_{sockets},
      opening_{std::move(opening)},
      open_until_{std::chrono::steady_clock::now() + options.connect_timeout},
      open_within_{options.connect_timeout},
      request_{.bytes = opening_.request()} {
  set(CURLOPT_CONNECT_ONLY, 1L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_HTTPPROXYTUNNEL, 1L);
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  start();
  sockets_.insert(this);
}

CurlWebsocket::~CurlWebsocket() {
  CurlWebsocket::close();
  sockets_.erase(this);
}

void CurlWebsocket::finished(CURLcode result) {
  if (result != CURLE_OK) return fail(why(result));
  connected_ = true;
  work();
}

curl_socket_t CurlWebsocket::descriptor() const {
  curl_socket_t descriptor = CURL_SOCKET_BAD;
  if (connected_) curl_easy_getinfo(easy(), CURLINFO_ACTIVESOCKET, &descriptor);
  return descriptor;
}

short CurlWebsocket::events(bool read) const {
  if (!connected_) return 0;
  bool const opening = state_ == State::connecting;
  bool const write = opening ? request_.sent < request_.bytes.size() : !outgoing_.empty();
  return static_cast<short>((read || opening ? CURL_WAIT_POLLIN : 0) | (write ? CURL_WAIT_POLLOUT : 0));
}

void CurlWebsocket::work() {
  if (state_ == State::connecting) open();
  flush();
}

void CurlWebsocket::open() {
  if (connected_ && send_rest(request_)) read_answer();
  if (state_ == State::connecting && std::chrono::steady_clock::now() >= open_until_)
    fail(std::format("the opening timed out after {} ms", open_within_.count()));
}

void CurlWebsocket::flush() {
  while (state_ == State::open && !outgoing_.empty() && send_rest(outgoing_.front())) outgoing_.pop_front();
}

void CurlWebsocket::read_answer() try {
  while (read_piece()) {
    auto const bytes = opening_.read_answer({buffer_.data(), end_});
    if (bytes == 0) continue;
    begin_ = bytes;
    state_ = State::open;
    may_hold_more_ = true;  // The first frames may have come together with the answer.
    return;
  }
} catch (std::runtime_error const& error) {
  fail(error.what());
}

bool CurlWebsocket::send_rest(Outgoing& outgoing) {
  outgoing.begun = true;
  while (outgoing.sent < outgoing.bytes.size()) {
    auto const rest = std::string_view{outgoing.bytes}.substr(outgoing.sent);
    std::size_t now = 0;
    auto const result = curl_easy_send(easy(), rest.data(), rest.size(), &now);
    outgoing.sent += now;
    if (result == CURLE_AGAIN || (result == CURLE_OK && now == 0)) return false;
    if (result != CURLE_OK) return fail(why(result)), false;
  }
  return true;
}

void CurlWebsocket::send(std::string text) {
  if (state_ == State::closed) return;
  if (outgoing_.size() >= outgoing_frames_max) return fail("the server takes nothing: too many frames wait to be sent");
  outgoing_.push_back({.bytes = client_frame(Opcode::text, text)});
}

/// Goes before what waits, but not into the middle of a frame.
void CurlWebsocket::queue_control(Opcode opcode, std::string_view payload) {
  auto const place = outgoing_.begin() + (!outgoing_.empty() && outgoing_.front().begun ? 1 : 0);
  outgoing_.insert(place, {.bytes = client_frame(opcode, payload)});
}

std::optional<std::string_view> CurlWebsocket::receive() {
  if (!in_fragments_ && !joined_.empty()) {
    joined_.clear();
    if (joined_.capacity() > buffer_bytes_kept) joined_.shrink_to_fit();
  }
  while (state_ == State::open) {
    if (auto const message = next_message()) return message;
    if (state_ != State::open || !read_piece()) break;
  }
  return std::nullopt;
}

std::optional<std::string_view> CurlWebsocket::next_message() {
  while (state_ == State::open) {
    std::string_view const waiting{buffer_.data() + begin_, end_ - begin_};
    auto const frame = read_frame(waiting);
    if (!frame) {
      fail(close_protocol_error, std::string{"what the server sends is no websocket's: "} + frame.error());
      break;
    }
    if (!*frame) break;
    auto const& [opcode, is_last, mask, head_bytes, payload_bytes] = **frame;
    if (!is_control(opcode) && joined_.size() + payload_bytes > Client::frame_bytes_max) {
      fail(close_too_big, std::format("a message of more than {} bytes came", Client::frame_bytes_max));
      break;
    }
    if (waiting.size() < head_bytes + payload_bytes) break;
    begin_ += head_bytes + payload_bytes;
    if (auto const message = take(**frame, waiting.substr(head_bytes, payload_bytes))) return message;
  }
  return std::nullopt;
}

std::optional<std::string_view> CurlWebsocket::take(Frame const& frame, std::string_view payload) {
  if (frame.mask || (!is_control(frame.opcode) && in_fragments_ != (frame.opcode == Opcode::continuation))) {
    fail(close_protocol_error, "what the server sends is no websocket's: a frame is masked, or out of turn");
    return std::nullopt;
  }
  if (is_control(frame.opcode)) return answer_control(frame.opcode, payload), std::nullopt;
  bool const was_in_fragments = std::exchange(in_fragments_, !frame.is_last);
  if (frame.is_last && !was_in_fragments) return payload;
  joined_ += payload;
  return frame.is_last ? std::optional<std::string_view>{joined_} : std::nullopt;
}

void CurlWebsocket::answer_control(Opcode opcode, std::string_view payload) {
  if (opcode == Opcode::close) return fail(payload.substr(0, 2), close_reason(payload));
  if (opcode != Opcode::ping) return;
  queue_control(Opcode::pong, payload);
  if (outgoing_.size() > outgoing_frames_max) return fail("the server takes nothing: too many frames wait to be sent");
  flush();
}

bool CurlWebsocket::read_piece() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
  }
  bool const too_large = buffer_.size() > buffer_bytes_kept && end_ <= piece_bytes;
  if (too_large || buffer_.size() < end_ + piece_bytes) buffer_.resize(end_ + piece_bytes);
  if (too_large) buffer_.shrink_to_fit();
  std::size_t bytes = 0;
  auto const result = curl_easy_recv(easy(), buffer_.data() + end_, piece_bytes, &bytes);
  may_hold_more_ = result == CURLE_OK;
  if (result == CURLE_AGAIN) return false;
  if (result == CURLE_OK && bytes == 0)
    return fail(state_ == State::open ? "the server closed the connection without a close frame"
                                      : "the server closed the connection before it opened the websocket"),
           false;
  if (result != CURLE_OK) return fail(why(result)), false;
  end_ += bytes;
  return true;
}

void CurlWebsocket::close() {
  if (state_ == State::open)
    fail(close_normal, "closed by us");
  else
    fail("closed by us");
}

void CurlWebsocket::fail(std::string_view close_code, std::string why) {
  queue_control(Opcode::close, close_code);
  flush();
  fail(why);
  error_ = std::move(why);  // Also where the close frame could not be sent.
}

void CurlWebsocket::fail(std::string why) {
  if (state_ == State::closed) return;
  state_ = State::closed;
  connected_ = false;
  error_ = std::move(why);
  may_hold_more_ = false;
  outgoing_.clear();
  stop();
}

}  // namespace penstock::http
