#include "streaming/http/opening.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace penstock::test {
namespace {

std::string key_of(http::Opening const& opening) {
  constexpr std::string_view name = "Sec-WebSocket-Key: ";
  auto const at = opening.request().find(name);
  REQUIRE(at != std::string::npos);
  return opening.request().substr(at + name.size(), 24);
}

std::string answer_to(http::Opening const& opening, std::string_view more = {}) {
  return "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
         http::accept_of(key_of(opening)) + "\r\n" + std::string{more} + "\r\n";
}

}  // namespace

// RFC 6455, 1.3
TEST_CASE("opening: the example of the standard") {
  CHECK(http::accept_of("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST_CASE("opening: where to connect to and what to ask for follow from the URL") {
  struct Case {
    char const *url, *connects_to, *line, *host;
  };
  for (auto const& [url, connects_to, line, host] :
       {Case{"ws://127.0.0.1:8080/stream?streams=a/b&c=%20", "http://127.0.0.1:8080/stream?streams=a/b&c=%20",
             "GET /stream?streams=a/b&c=%20 HTTP/1.1", "127.0.0.1:8080"},
        Case{"wss://api.example.com", "https://api.example.com/", "GET / HTTP/1.1", "api.example.com"},
        Case{"wss://api.example.com:443/ws", "https://api.example.com:443/ws", "GET /ws HTTP/1.1", "api.example.com"},
        Case{"ws://[::1]:9/a#part", "http://[::1]:9/a#part", "GET /a HTTP/1.1", "[::1]:9"}}) {
    CAPTURE(url);
    http::Opening const opening{url, {{"X-Key", "k1"}, {"X-Other", "two words"}}};
    CHECK(opening.url() == connects_to);
    CHECK(opening.request().starts_with(std::string{line} + "\r\nHost: " + host + "\r\n"));
    CHECK(opening.request().ends_with("\r\nX-Key: k1\r\nX-Other: two words\r\n\r\n"));
    CHECK(opening.request().contains("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"));
  }
  CHECK(key_of({"ws://a", {}}) != key_of({"ws://a", {}}));
}

TEST_CASE("opening: a URL that is no websocket's says so") {
  for (auto const* url : {"http://127.0.0.1/", "gopher://127.0.0.1/", "ws://", "", "ws://a b/"}) {
    CAPTURE(url);
    CHECK_THROWS_AS((http::Opening{url, {}}), std::runtime_error);
  }
  CHECK_THROWS_WITH_AS((http::Opening{"http://a/", {}}), "http:// is no websocket: its URL begins with ws:// or wss://",
                       std::runtime_error);
}

TEST_CASE("opening: an answer is read once it is whole, and what is behind it is left") {
  http::Opening const opening{"ws://127.0.0.1/", {}};
  auto const answer = answer_to(opening);
  for (std::size_t part = 0; part < answer.size(); ++part) REQUIRE(opening.read_answer(answer.substr(0, part)) == 0);
  CHECK(opening.read_answer(answer) == answer.size());
  CHECK(opening.read_answer(answer + "\x81\x05Hello") == answer.size());
}

TEST_CASE("opening: an answer that opens nothing says why") {
  http::Opening const opening{"ws://127.0.0.1/", {}};
  http::Opening const other{"ws://127.0.0.1/", {}};
  struct Case {
    std::string answer;
    char const* word;
  };
  for (auto const& [answer, word] : {Case{"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nforbidden", "403 Forbidden"},
                                     Case{"HTTP/1.1 200 OK\r\n\r\n", "200 OK"}, Case{answer_to(other), "Sec-WebSocket-Accept"},
                                     Case{"HTTP/1.1 101 Switching Protocols\r\n\r\n", "Upgrade"},
                                     Case{answer_to(opening, "Sec-WebSocket-Extensions: permessage-deflate\r\n"), "extension"},
                                     Case{answer_to(opening, "Sec-WebSocket-Protocol: chat\r\n"), "protocol"},
                                     Case{"220 mail.example.com ESMTP\r\n\r\n", "no HTTP"},
                                     Case{"HTTP/1.1 101 Switching Protocols\r\nA: " + std::string(100'000, 'x'), "no HTTP"}}) {
    CAPTURE(answer.substr(0, 100));
    std::string why;
    try {
      opening.read_answer(answer);
    } catch (std::runtime_error const& error) {
      why = error.what();
    }
    CHECK_MESSAGE(why.contains(word), why);
  }
}

}  // namespace penstock::test
