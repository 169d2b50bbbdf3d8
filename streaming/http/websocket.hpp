/// A websocket over libcurl. Belongs to the client that made it, and to its thread.
#pragma once

#include "streaming/http/client.hpp"
#include "streaming/http/transfer.hpp"

#include <deque>
#include <set>
#include <string>
#include <vector>

namespace penstock::http {

class CurlWebsocket final : public Websocket, private Transfer {
 public:
  /// Puts itself into `sockets` and takes itself out again.
  CurlWebsocket(CURLM* multi, TransferOptions const& options, std::set<CurlWebsocket*>& sockets, std::string const& url,
                std::vector<Header> const& headers);
  ~CurlWebsocket() override;

  State state() const override { return state_; }
  std::string const& error() const override { return error_; }
  void send(std::string text) override;
  std::optional<std::string_view> receive() override;
  void close() override;

  // For the client.
  curl_socket_t descriptor() const;
  bool wants_to_write() const { return state_ == State::open && !outgoing_.empty(); }
  /// libcurl may hold bytes already that no poll of the socket tells of.
  bool may_hold_more() const { return state_ == State::open && may_hold_more_; }
  /// Sends what is queued, as far as the socket takes it.
  void flush();

 private:
  struct Frame {
    std::string payload;
    unsigned int flags;
    std::size_t sent = 0;
  };

  void finished(CURLcode result) override;
  /// Makes room for the next piece at the end of what is already here.
  void reserve(std::size_t bytes);
  /// Deals with one piece of a frame; true: a message is whole.
  bool take(std::size_t bytes, curl_ws_frame const& meta);
  void answer_control(curl_ws_frame const& meta, std::string_view payload);
  void fail(std::string why);

  std::set<CurlWebsocket*>& sockets_;
  State state_ = State::connecting;
  std::string error_;
  std::deque<Frame> outgoing_;
  std::vector<char> buffer_;       ///< the message, then the control frame that came in the middle of it
  std::size_t message_bytes_ = 0;  ///< of the message so far
  std::size_t control_bytes_ = 0;
  bool whole_ = false;  ///< the message in the buffer was given out
  bool may_hold_more_ = false;
};

}  // namespace penstock::http
