#include "agents/operate/watched_client.hpp"

#include "agents/operate/clock_skew.hpp"

#include <algorithm>

namespace penstock {

namespace {

std::string host_of(std::string_view url) {
  auto const scheme = url.find("://");
  return std::string{url.substr(0, url.find('/', scheme == url.npos ? 0 : scheme + 3))};
}

std::string_view header(http::Reply const& reply, std::string_view name) {
  auto const found = std::ranges::find(reply.headers, name, &Header::first);
  return found == reply.headers.end() ? std::string_view{} : found->second;
}

}  // namespace

class WatchedClient::Socket final : public http::Websocket {
 public:
  Socket(WatchedClient& owner, std::string host, std::unique_ptr<http::Websocket> inner)
      : owner_{owner}, host_{std::move(host)}, inner_{std::move(inner)} {}

  State state() const override {
    auto const state = inner_->state();
    if (state == State::closed && !inner_->error().empty()) owner_.trouble_ = host_ + ": " + inner_->error();
    return state;
  }
  std::string const& error() const override { return inner_->error(); }
  void send(std::string text) override { inner_->send(std::move(text)); }
  std::optional<std::string_view> receive() override { return inner_->receive(); }
  void close() override { inner_->close(); }

 private:
  WatchedClient& owner_;
  std::string host_;
  std::unique_ptr<http::Websocket> inner_;
};

void WatchedClient::request(http::Exchange exchange, Done done) {
  auto const asked = exchange;
  inner_->request(std::move(exchange), [this, asked, asked_at = system_clock().now(), done = std::move(done)](http::Reply reply) {
    look(asked, reply, asked_at);
    done(std::move(reply));
  });
}

std::unique_ptr<http::Websocket> WatchedClient::connect(std::string const& url, std::vector<Header> const& headers) {
  return std::make_unique<Socket>(*this, host_of(url), inner_->connect(url, headers));
}

void WatchedClient::look(http::Exchange const& exchange, http::Reply const& reply, Time asked_at) {
  if (reply.status == 0)
    trouble_ = host_of(exchange.url) + ": " + reply.body;
  else if (reply.status >= 300)
    trouble_ = host_of(exchange.url) + ": answers " + std::to_string(reply.status);
  auto const said = parse_http_date(header(reply, "date"));
  if (!said || !header(reply, "age").empty()) return;  // From a cache: it says when the cache was filled.
  auto const skew = certain_skew(asked_at, system_clock().now(), *said, std::chrono::seconds{1});
  if (!skew_ || std::chrono::abs(skew) < std::chrono::abs(*skew_)) skew_ = skew;
}

}  // namespace penstock
