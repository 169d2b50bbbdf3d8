/// A websocket's opening (RFC 6455, section 4): an HTTP request, and the answer behind which frames begin. Any thread.
#pragma once

#include "streaming/record.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace penstock::http {

/// A client's side of it.
class Opening {
 public:
  /// Throws std::runtime_error where `url` is none that begins with ws:// or wss://.
  Opening(std::string const& url, std::vector<Header> const& headers);

  /// Where to connect to: http:// or https://.
  std::string const& url() const { return url_; }
  /// What to send there.
  std::string const& request() const { return request_; }
  /// How many bytes of `received` are the answer; 0: it is not here as a whole. Throws std::runtime_error, which says why,
  /// where the server opens no websocket.
  std::size_t read_answer(std::string_view received) const;

 private:
  std::string url_, key_, request_;
};

/// A server's header Sec-WebSocket-Accept for the client's Sec-WebSocket-Key.
std::string accept_of(std::string_view key);

}  // namespace penstock::http
