/// An HTTP client that notes what becomes of requests and connections, for whoever wants to tell people. One thread.
#pragma once

#include "streaming/http/client.hpp"
#include "streaming/time.hpp"

#include <memory>
#include <string>

namespace penstock {

class WatchedClient final : public http::Client {
 public:
  explicit WatchedClient(std::unique_ptr<http::Client> inner) : inner_{std::move(inner)} {}

  void request(http::Exchange exchange, Done done) override;
  std::unique_ptr<http::Websocket> connect(std::string const& url, std::vector<Header> const& headers) override;
  void run(std::chrono::milliseconds wait, bool read) override { inner_->run(wait, read); }
  std::size_t requests_running() const override { return inner_->requests_running(); }

  /// The last that failed: "host: answers 451", "host: Could not resolve host"; "": none did. Without path and query, which
  /// may hold keys.
  std::string const& trouble() const { return trouble_; }
  /// Of the answers' Date: the smallest that is certain for all of them; see certain_skew().
  Duration skew() const { return skew_.value_or(Duration{}); }

 private:
  class Socket;
  void look(http::Exchange const& exchange, http::Reply const& reply, Time asked_at);

  std::unique_ptr<http::Client> inner_;
  std::string trouble_;
  std::optional<Duration> skew_;
};

}  // namespace penstock
