#include "streaming/http/websocket.hpp"

#include <algorithm>
#include <format>

namespace penstock::http {
namespace {

constexpr std::size_t piece_bytes = 64 * 1024;          // What libcurl gives at most at a time.
constexpr std::size_t buffer_bytes_kept = 1024 * 1024;  // A larger message's memory is given back after it.
constexpr std::size_t outgoing_frames_max = 10'000;

// RFC 6455, 7.4.1
constexpr std::string_view close_normal = "\x03\xe8";   // 1000
constexpr std::string_view close_too_big = "\x03\xf1";  // 1009

std::string close_reason(std::string_view payload) {
  if (payload.size() < 2) return "the server closed the connection";
  auto const code = static_cast<unsigned char>(payload[0]) * 256 + static_cast<unsigned char>(payload[1]);
  auto text = "the server closed the connection: " + std::to_string(code);
  if (payload.size() > 2) text.append(" ").append(payload.substr(2));
  return text;
}

}  // namespace

CurlWebsocket::CurlWebsocket(CURLM* multi, TransferOptions const& options, std::set<CurlWebsocket*>& sockets,
                             std::string const& url, std::vector<Header> const& headers)
    : Transfer{multi, options, url, "ws,wss", headers}, sockets_{sockets} {
  set(CURLOPT_CONNECT_ONLY, 2L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  // Covers the server's answer to the upgrade as well; once connected it no longer counts.
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  // Pongs go through the queue like all else: libcurl's own would fall into the middle of a frame that is being sent.
  set(CURLOPT_WS_OPTIONS, static_cast<long>(CURLWS_NOAUTOPONG));
  start();
  sockets_.insert(this);
}

CurlWebsocket::~CurlWebsocket() {
  CurlWebsocket::close();
  sockets_.erase(this);
}

void CurlWebsocket::finished(CURLcode result) {
  if (result != CURLE_OK) return fail(why(result));
  state_ = State::open;
  may_hold_more_ = true;  // The first frames may have come together with the answer to the upgrade.
  flush();
}

curl_socket_t CurlWebsocket::descriptor() const {
  curl_socket_t descriptor = CURL_SOCKET_BAD;
  if (state_ == State::open) curl_easy_getinfo(easy(), CURLINFO_ACTIVESOCKET, &descriptor);
  return descriptor;
}

void CurlWebsocket::send(std::string text) {
  if (state_ == State::closed) return;
  if (outgoing_.size() >= outgoing_frames_max) return fail("the server takes nothing: too many frames wait to be sent");
  outgoing_.push_back({.payload = std::move(text), .flags = CURLWS_TEXT});
}

void CurlWebsocket::flush() {
  while (wants_to_write()) {
    auto& [payload, flags, sent] = outgoing_.front();
    std::size_t bytes = 0;
    auto const result = curl_ws_send(easy(), payload.data() + sent, payload.size() - sent, &bytes, 0, flags);
    sent += bytes;
    if (result == CURLE_AGAIN || (result == CURLE_OK && sent < payload.size())) return;
    if (result != CURLE_OK) return fail(why(result));
    outgoing_.pop_front();
  }
}

std::optional<std::string_view> CurlWebsocket::receive() {
  if (whole_) {
    message_bytes_ = 0;
    whole_ = false;
    if (buffer_.size() > buffer_bytes_kept) std::vector<char>{}.swap(buffer_);
  }
  while (state_ == State::open) {
    reserve(piece_bytes);
    auto const used = message_bytes_ + control_bytes_;
    std::size_t bytes = 0;
    curl_ws_frame const* meta = nullptr;
    auto const result = curl_ws_recv(easy(), buffer_.data() + used, buffer_.size() - used, &bytes, &meta);
    may_hold_more_ = result == CURLE_OK;
    if (result == CURLE_AGAIN) break;
    if (result == CURLE_GOT_NOTHING)
      fail("the server closed the connection without a close frame");
    else if (result != CURLE_OK)
      fail(why(result));
    else if (meta && take(bytes, *meta))
      return std::string_view{buffer_.data(), message_bytes_};
  }
  return std::nullopt;
}

void CurlWebsocket::reserve(std::size_t bytes) {
  auto const needed = message_bytes_ + control_bytes_ + bytes;
  if (buffer_.size() < needed) buffer_.resize(std::max(needed, buffer_.size() * 2));
}

bool CurlWebsocket::take(std::size_t bytes, curl_ws_frame const& meta) {
  bool const complete = meta.bytesleft == 0;
  if ((meta.flags & (CURLWS_TEXT | CURLWS_BINARY)) == 0) {
    control_bytes_ += bytes;
    if (complete) answer_control(meta, {buffer_.data() + message_bytes_, std::exchange(control_bytes_, 0)});
    return false;
  }
  message_bytes_ += bytes;
  if (message_bytes_ + static_cast<std::size_t>(meta.bytesleft) > Client::frame_bytes_max) {
    outgoing_.push_front({.payload = std::string{close_too_big}, .flags = CURLWS_CLOSE});
    flush();
    fail(std::format("a message of more than {} bytes came", Client::frame_bytes_max));
    return false;
  }
  whole_ = complete && (meta.flags & CURLWS_CONT) == 0;
  return whole_;
}

void CurlWebsocket::answer_control(curl_ws_frame const& meta, std::string_view payload) {
  // Goes before what waits, but not into the middle of a frame.
  auto const place = outgoing_.begin() + (!outgoing_.empty() && outgoing_.front().sent > 0 ? 1 : 0);
  if (meta.flags & CURLWS_PING) {
    outgoing_.insert(place, {.payload = std::string{payload}, .flags = CURLWS_PONG});
    if (outgoing_.size() > outgoing_frames_max) return fail("the server takes nothing: too many frames wait to be sent");
    flush();
  } else if (meta.flags & CURLWS_CLOSE) {
    outgoing_.insert(place, {.payload = std::string{payload.substr(0, 2)}, .flags = CURLWS_CLOSE});
    auto why = close_reason(payload);
    flush();
    fail(std::move(why));
  }
}

void CurlWebsocket::close() {
  if (state_ == State::closed) return;
  if (state_ == State::open) {
    outgoing_.push_back({.payload = std::string{close_normal}, .flags = CURLWS_CLOSE});
    flush();
  }
  fail("closed by us");
}

void CurlWebsocket::fail(std::string why) {
  if (state_ == State::closed) return;
  state_ = State::closed;
  error_ = std::move(why);
  may_hold_more_ = false;
  outgoing_.clear();
  stop();
}

}  // namespace penstock::http
