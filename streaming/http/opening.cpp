#include "streaming/http/opening.hpp"

#include "streaming/http/handles.hpp"
#include "streaming/http/transfer.hpp"

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/websocket/detail/hybi13.hpp>

#include <format>
#include <stdexcept>

namespace penstock::http {
namespace {

namespace beast = boost::beast;
namespace hybi13 = beast::websocket::detail;  // Its stream would have to do what libcurl does: proxies, TLS, names.
using beast::http::field;

constexpr std::uint32_t answer_bytes_max = 64 * 1024;

void check(CURLUcode result) {
  if (result != CURLUE_OK) throw std::runtime_error{curl_url_strerror(result)};
}

std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  auto const result = curl_url_get(url, which, &text, flags);
  if (result == CURLUE_NO_PORT || result == CURLUE_NO_QUERY) return {};
  check(result);
  std::unique_ptr<char, Destroy<curl_free>> const owned{text};
  return text;
}

std::string make_key() {
  hybi13::sec_ws_key_type key;
  hybi13::make_sec_ws_key(key);
  return {key.data(), key.size()};
}

}  // namespace

Opening::Opening(std::string const& url, std::vector<Header> const& headers) : key_{make_key()} {
  Url const parts{curl_url()};
  if (!parts) throw std::bad_alloc{};
  check(curl_url_set(parts.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME));
  auto const scheme = part(parts.get(), CURLUPART_SCHEME);
  if (scheme != "ws" && scheme != "wss")
    throw std::runtime_error{scheme + ":// is no websocket: its URL begins with ws:// or wss://"};
  check(curl_url_set(parts.get(), CURLUPART_SCHEME, scheme == "ws" ? "http" : "https", 0));
  url_ = part(parts.get(), CURLUPART_URL);
  auto const port = part(parts.get(), CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
  auto const query = part(parts.get(), CURLUPART_QUERY);
  request_ = std::format(
      "GET {}{}{} HTTP/1.1\r\nHost: {}{}{}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {}\r\n"
      "Sec-WebSocket-Version: 13\r\nUser-Agent: {}\r\n",
      part(parts.get(), CURLUPART_PATH), query.empty() ? "" : "?", query, part(parts.get(), CURLUPART_HOST),
      port.empty() ? "" : ":", port, key_, user_agent);
  for (auto const& [name, value] : headers) request_ += std::format("{}: {}\r\n", name, value);
  request_ += "\r\n";
}

std::size_t Opening::read_answer(std::string_view received) const {
  beast::http::response_parser<beast::http::empty_body> parser;
  parser.header_limit(answer_bytes_max);
  boost::system::error_code error;
  auto const bytes = parser.put(boost::asio::buffer(received.data(), received.size()), error);
  if (!parser.is_header_done()) {
    if (error == beast::http::error::need_more && received.size() < answer_bytes_max) return 0;
    throw std::runtime_error{"the server's answer is no HTTP: " + error.message()};
  }
  auto const& answer = parser.get();
  if (answer.result() != beast::http::status::switching_protocols)
    throw std::runtime_error{
        std::format("the server opens no websocket: it answers {} {}", answer.result_int(), std::string_view{answer.reason()})};
  if (!beast::iequals(answer[field::upgrade], "websocket") ||
      std::string_view{answer[field::sec_websocket_accept]} != accept_of(key_))
    throw std::runtime_error{"the server opens no websocket: its Upgrade or Sec-WebSocket-Accept is not what was asked for"};
  if (!answer[field::sec_websocket_extensions].empty() || !answer[field::sec_websocket_protocol].empty())
    throw std::runtime_error{"the server opens a websocket with an extension or a protocol that nobody asked for"};
  return bytes;
}

std::string accept_of(std::string_view key) {
  hybi13::sec_ws_accept_type accept;
  hybi13::make_sec_ws_accept(accept, key);
  return {accept.data(), accept.size()};
}

}  // namespace penstock::http
