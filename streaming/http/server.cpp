#include "streaming/http/server.hpp"

#include "streaming/fault.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <charconv>
#include <optional>
#include <thread>
#include <utility>

namespace penstock::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using boost::system::error_code;
using Response = beast::http::response<beast::http::string_body>;

std::optional<tcp::endpoint> endpoint_of(std::string_view text) {
  auto const colon = text.rfind(':');
  if (colon == text.npos) return {};
  auto host = text.substr(0, colon);
  auto const number = text.substr(colon + 1);
  std::uint16_t port = 0;
  auto const [end, failed] = std::from_chars(number.data(), number.data() + number.size(), port);
  if (failed != std::errc{} || end != number.data() + number.size()) return {};
  if (host == "localhost") host = "127.0.0.1";
  bool const bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  error_code error;
  auto const address = asio::ip::make_address(std::string{host}, error);
  if (error || address.is_v6() != bracketed) return {};
  return tcp::endpoint{address, port};
}

/// One TCP connection; it lives as long as something waits for it.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, Pages const& pages, std::size_t& count)
      : stream_{std::move(socket)}, pages_{pages}, count_{count} {
    ++count_;
  }
  ~Connection() { --count_; }

  void read() {
    parser_.emplace();
    parser_->header_limit(Server::request_bytes_max);
    parser_->body_limit(Server::request_bytes_max);
    stream_.expires_after(std::chrono::seconds{Server::seconds_max});
    beast::http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](error_code error, std::size_t) {
      if (!error) return self->answer(self->page_of(self->parser_->get()), self->parser_->get());
      if (is_no_request(error)) self->answer(text(400, "not a request that is understood here: " + error.message()), {});
    });
  }

 private:
  using Request = beast::http::request<beast::http::string_body>;

  // Not where the other side went away, or said nothing for too long.
  static bool is_no_request(error_code error) {
    return error.category() == error_code{beast::http::error::bad_target}.category() &&
           error != beast::http::error::end_of_stream && error != beast::http::error::partial_message;
  }
  static Page text(int status, std::string body) {
    return {.status = status, .type = "text/plain", .body = std::move(body) + '\n'};
  }

  Page page_of(Request const& request) const {
    if (request.method() != beast::http::verb::get && request.method() != beast::http::verb::head)
      return text(405, "only GET and HEAD");
    std::string_view const target = request.target();
    if (auto const found = pages_.find(target.substr(0, target.find('?'))); found != pages_.end())
      return found->second(request[beast::http::field::host]);
    std::string all;
    for (auto const& [path, page] : pages_) all += ' ' + path;
    return text(404, "there is no such page; there is" + all);
  }

  void answer(Page page, Request const& request) {
    response_ = Response{static_cast<beast::http::status>(page.status), request.version()};
    response_.set(beast::http::field::content_type, page.type);
    response_.set(beast::http::field::cache_control, "no-store");
    response_.keep_alive(request.keep_alive() && page.status != 400);
    response_.body() = std::move(page.body);
    response_.prepare_payload();
    if (request.method() == beast::http::verb::head) response_.body().clear();  // Content-Length stays.
    stream_.expires_after(std::chrono::seconds{Server::seconds_max});
    beast::http::async_write(stream_, response_, [self = shared_from_this()](error_code error, std::size_t) {
      if (!error && self->response_.keep_alive()) self->read();
    });
  }

  beast::tcp_stream stream_;
  Pages const& pages_;
  std::size_t& count_;
  beast::flat_buffer buffer_;
  std::optional<beast::http::request_parser<beast::http::string_body>> parser_;
  Response response_;
};

}  // namespace

bool is_listen_address(std::string_view text) { return endpoint_of(text).has_value(); }

struct Server::State {
  explicit State(Pages given) : pages{std::move(given)} {}
  ~State() {
    context.stop();
    if (thread.joinable()) thread.join();
  }

  void listen(std::string const& address) {
    auto const endpoint = endpoint_of(address);
    error_code error = asio::error::invalid_argument;
    if (endpoint) acceptor.open(endpoint->protocol(), error);
    // A port that was just left is free again at once; one that is in use still is not to be had.
    if (!error) acceptor.set_option(asio::socket_base::reuse_address{true}, error);
    if (!error) acceptor.bind(*endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) throw Fault{Fault::Kind::fatal, "cannot listen on " + address + ": " + error.message()};
    bound = acceptor.local_endpoint();
  }

  void accept() {
    acceptor.async_accept([this](error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (!error && connections < connections_max) std::make_shared<Connection>(std::move(socket), pages, connections)->read();
      if (!error) return accept();
      // No descriptors are left, say: without a pause this would spin.
      pause.expires_after(std::chrono::milliseconds{100});
      pause.async_wait([this](error_code stopped) {
        if (!stopped) accept();
      });
    });
  }

  Pages const pages;
  std::size_t connections = 0;
  asio::io_context context{1};  // Ends the connections with it, which count down.
  tcp::acceptor acceptor{context};
  asio::steady_timer pause{context};
  tcp::endpoint bound;
  std::thread thread;
};

Server::Server(std::string const& address, Pages pages) : state_{std::make_unique<State>(std::move(pages))} {
  state_->listen(address);
  state_->accept();
  state_->thread = std::thread{[state = state_.get()] { state->context.run(); }};
}

Server::~Server() = default;

std::uint16_t Server::port() const { return state_->bound.port(); }
bool Server::is_loopback() const { return state_->bound.address().is_loopback(); }

}  // namespace penstock::http
