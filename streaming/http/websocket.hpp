/// A websocket over a connection of libcurl's, which looks up the name, goes through proxies and does TLS. Belongs to the
/// client that made it, and to its thread. Frames are read where they lie in its buffer: what waits there is never much more
/// than one piece and one message, the rest stays with the server.
#pragma once

#include "streaming/http/client.hpp"
#include "streaming/http/frame.hpp"
#include "streaming/http/opening.hpp"
#include "streaming/http/transfer.hpp"

#include <chrono>
#include <deque>
#include <set>
#include <string>
#include <vector>

namespace penstock::http {

class CurlWebsocket final : public Websocket, private Transfer {
 public:
  /// Puts itself into `sockets` and takes itself out again.
  CurlWebsocket(CURLM* multi, TransferOptions const& options, std::set<CurlWebsocket*>& sockets, Opening opening);
  ~CurlWebsocket() override;

  State state() const override { return state_; }
  std::string const& error() const override { return error_; }
  void send(std::string text) override;
  std::optional<std::string_view> receive() override;
  void close() override;

  // For the client.
  curl_socket_t descriptor() const;
  /// `read`: messages are wanted. Of CURL_WAIT_POLLIN and CURL_WAIT_POLLOUT.
  short events(bool read) const;
  /// libcurl or this object may hold bytes already that no poll of the socket tells of.
  bool may_hold_more() const { return state_ == State::open && may_hold_more_; }
  /// Goes on with the opening, and sends what is queued, as far as the socket takes it.
  void work();

 private:
  struct Outgoing {
    std::string bytes;
    std::size_t sent = 0;
    bool begun = false;  ///< TLS may have a part of it that is not in `sent`
  };

  void finished(CURLcode result) override;
  void open();
  void read_answer();
  void flush();
  /// True: all of it is sent.
  bool send_rest(Outgoing& outgoing);
  void queue_control(Opcode opcode, std::string_view payload);
  /// The next message of those in the buffer.
  std::optional<std::string_view> next_message();
  std::optional<std::string_view> take(Frame const& frame, std::string_view payload);
  void answer_control(Opcode opcode, std::string_view payload);
  /// Reads what is there into the buffer, at most one piece. False: nothing was, or the connection has ended.
  bool read_piece();
  void fail(std::string why);
  /// Tells the server, too.
  void fail(std::string_view close_code, std::string why);

  std::set<CurlWebsocket*>& sockets_;
  Opening opening_;
  std::chrono::steady_clock::time_point open_until_;
  std::chrono::milliseconds open_within_;
  State state_ = State::connecting;
  bool connected_ = false;  ///< by libcurl; the opening, or the websocket, goes on
  std::string error_;
  Outgoing request_;
  std::deque<Outgoing> outgoing_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;  ///< of what in the buffer is not dealt with yet
  std::string joined_;               ///< the fragments of a message
  bool in_fragments_ = false;        ///< more of them are to come
  bool may_hold_more_ = false;
};

}  // namespace penstock::http
