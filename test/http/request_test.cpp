#include "streaming/fault.hpp"
#include "test/server.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <future>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock::test {
namespace {

using namespace std::chrono_literals;

Response text(int status, std::string body) { return {.status = status, .body = std::move(body)}; }

std::string header(http::Reply const& reply, std::string_view name) {
  for (auto const& [key, value] : reply.headers)
    if (key == name) return value;
  return "(none)";
}

http::Reply get(std::string const& url, std::vector<Header> headers = {}) {
  auto const client = http::make_client();
  return fetch(*client, {.url = url, .headers = std::move(headers)});
}

}  // namespace

TEST_CASE("request: status, headers in lower case and body come back") {
  Server server{http_answers([](Request const& request) {
    auto response = text(200, request.method + ' ' + request.target + ' ' + request.header("X-Key"));
    response.headers.emplace_back("X-MBX-USED-WEIGHT-1M", " 12 ");
    response.headers.emplace_back("X-Empty", "");
    return response;
  })};
  auto const reply = get(server.http() + "/api/v3/depth?symbol=BTCUSDT&limit=5", {{"X-Key", "k1"}});
  CHECK(reply.status == 200);
  CHECK(reply.body == "GET /api/v3/depth?symbol=BTCUSDT&limit=5 k1");
  CHECK(header(reply, "x-mbx-used-weight-1m") == "12");
  CHECK(header(reply, "x-empty") == "");
}

TEST_CASE("request: a POST carries its body and content type") {
  Server server{http_answers([](Request const& request) {
    return text(200, request.method + ' ' + request.header("Content-Type") + ' ' + request.body);
  })};
  auto const client = http::make_client();
  auto const reply = fetch(*client, {.post = true,
                                     .url = server.http() + "/info",
                                     .body = R"({"type":"meta"})",
                                     .headers = {{"Content-Type", "application/json"}}});
  CHECK(reply.body == R"(POST application/json {"type":"meta"})");
}

TEST_CASE("request: an HTTP error is an answer, with its body and headers") {
  for (int const status : {400, 404, 418, 429, 500, 503}) {
    CAPTURE(status);
    Server server{http_answers([&](Request const&) {
      auto response = text(status, R"({"code":-1003})");
      response.headers.emplace_back("Retry-After", "7");
      return response;
    })};
    auto const reply = get(server.http());
    CHECK(reply.status == status);
    CHECK(reply.body == R"({"code":-1003})");
    CHECK(header(reply, "retry-after") == "7");
  }
}

TEST_CASE("request: chunked and compressed bodies come as they were before") {
  std::string const gzip{
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x4b\xcc\xc9\x51\x28\xc9\x48\x55\x28\x4e\xcc\x4d\x55\x48\x1c\xe5\x8c\x72\x46\x39"
      "\xa3\x9c"
      "\x91\xcd\x01\x00\xb7\x40\x1b\xe1\x14\x05\x00\x00",
      44};
  std::string plain;
  for (int number = 0; number < 100; ++number) plain += "all the same ";
  std::promise<std::string> accepted;
  Server compressed{http_answers([&](Request const& request) {
    accepted.set_value(request.header("Accept-Encoding"));
    auto response = text(200, gzip);
    response.headers.emplace_back("Content-Encoding", "gzip");
    return response;
  })};
  CHECK((get(compressed.http()).body == plain));
  CHECK(accepted.get_future().get().contains("gzip"));

  Server chunked{raw_answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n")};
  CHECK(get(chunked.http()).body == "hello, world");
}

TEST_CASE("request: what is no whole answer has status 0 and says why") {
  Server cut{raw_answer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")};
  Server babble{raw_answer("this is not HTTP\r\n\r\n")};
  Server nothing{raw_answer("")};
  Server bad_gzip{raw_answer("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope")};
  struct Case {
    char const* name;
    std::string url;
  };
  for (auto const& [name, url] :
       {Case{"cut off", cut.http()}, Case{"not HTTP", babble.http()}, Case{"closed", nothing.http()},
        Case{"not gzip", bad_gzip.http()}, Case{"nobody listens", "http://127.0.0.1:" + std::to_string(dead_port())},
        Case{"no such host", "http://nowhere.invalid/"}, Case{"a file", "file:///etc/hostname"}, Case{"no URL", "::"},
        Case{"empty", ""}}) {
    CAPTURE(name);
    auto const reply = get(url);
    CHECK(reply.status == 0);
    CHECK_FALSE(reply.body.empty());
    CHECK_FALSE_MESSAGE(reply.body.contains("timed out"), reply.body);
    CHECK(reply.headers.empty());
  }
}

TEST_CASE("request: a body that comes too slowly is given up at the time limit") {
  Server server{unfinished_answer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly")};
  auto const client = http::make_client();
  auto const reply = fetch(*client, {.url = server.http(), .timeout = 150ms});
  CHECK(reply.status == 0);
  CHECK_MESSAGE(reply.body.contains("timed out"), reply.body);
}

TEST_CASE("request: a body of more than 64 MB is refused") {
  Server server{http_answers([](Request const&) { return text(200, std::string(64 * 1024 * 1024 + 1, 'x')); })};
  auto const reply = get(server.http());
  CHECK(reply.status == 0);
  CHECK(reply.body == "the answer is longer than 64 MB");
}

TEST_CASE("request: a redirect is followed, unless own headers, which may hold a key, would go with it") {
  Server target{http_answers([](Request const&) { return text(200, "the other place"); })};
  Server server{http_answers([&](Request const&) {
    auto response = text(302, "");
    response.headers.emplace_back("Location", target.http());
    response.headers.emplace_back("X-Of", "redirect");
    return response;
  })};
  auto const followed = get(server.http());
  CHECK(followed.status == 200);
  CHECK(followed.body == "the other place");
  CHECK(header(followed, "x-of") == "(none)");
  CHECK(get(server.http(), {{"X-Key", "secret"}}).status == 302);
}

TEST_CASE("request: many at once are all answered, each its own way, and a reply may ask again") {
  Server server{http_answers([](Request const& request) { return text(200, request.target); })};
  auto const client = http::make_client();
  std::vector<std::string> replies;
  for (int number = 0; number < 30; ++number)
    client->request({.url = server.http() + "/" + std::to_string(number)}, [&, number](http::Reply reply) {
      CHECK(reply.body == "/" + std::to_string(number));
      client->request({.url = server.http() + "/again/" + std::to_string(number)},
                      [&](http::Reply second) { replies.push_back(second.body); });
    });
  CHECK(client->requests_running() == 30);
  run_until(*client, [&] { return replies.size() == 30; });
  CHECK(client->requests_running() == 0);
}

TEST_CASE("request: what a reply's receiver throws comes out of run, and the client goes on") {
  Server server{http_answers([](Request const&) { return text(200, "ok"); })};
  auto const client = http::make_client();
  client->request({.url = server.http()}, [](http::Reply const&) { throw Fault{Fault::Kind::fatal, "enough"}; });
  CHECK_THROWS_WITH_AS(run_until(*client, [&] { return client->requests_running() == 0; }), "enough", Fault);
  CHECK(fetch(*client, {.url = server.http()}).body == "ok");
}

TEST_CASE("request: a client may go while requests run") {
  Server server{unfinished_answer("")};
  bool called = false;
  {
    auto const client = http::make_client();
    client->request({.url = server.http()}, [&](http::Reply const&) { called = true; });
    client->run(10ms);
  }
  CHECK_FALSE(called);
}

}  // namespace penstock::test
