#include "agents/simulate/server.hpp"

#include "streaming/fault.hpp"
#include "streaming/http/frame.hpp"
#include "streaming/http/opening.hpp"
#include "streaming/log.hpp"

// Beast takes long to compile: it is only here and in streaming/http. It speaks HTTP; websocket frames are written here,
// many to one send, which is what makes it fast.
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include <format>
#include <functional>
#include <set>

namespace penstock::simulate {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = penstock::http;
using asio::ip::tcp;
using boost::system::error_code;
using namespace std::chrono_literals;

constexpr std::size_t batch_bytes = 256 * 1024;          // Made at once for one connection.
constexpr std::size_t request_bytes_most = 1024 * 1024;  // Body of a question.
constexpr std::size_t client_frame_bytes_most = 64 * 1024;
constexpr auto pump_every = 2ms;     // How late a frame may be for its market time.
constexpr auto linger_most = 5s;     // For a client to take what was sent before a cut.
constexpr auto after_shutdown = 2s;  // Between saying so and closing.

using HttpRequest = http::request<http::string_body>;
using HttpResponse = http::response<http::string_body>;

/// prefix and rest of a target: /binance/api/v3/depth?x -> binance, /api/v3/depth, x
struct Target {
  std::string_view venue, path, query;
};
Target parse_target(std::string_view target) {
  Target parsed;
  auto const question = target.find('?');
  if (question != std::string_view::npos) parsed.query = target.substr(question + 1);
  target = target.substr(0, question);
  if (target.starts_with('/')) target.remove_prefix(1);
  auto const slash = target.find('/');
  parsed.venue = target.substr(0, slash);
  parsed.path = slash == std::string_view::npos ? "" : target.substr(slash);
  return parsed;
}

/// Frames of a client, which are masked and small.
class ClientFrames {
 public:
  struct Frame {
    websocket::Opcode opcode;
    std::string payload;
  };
  void add(std::string_view bytes) { waiting_ += bytes; }
  /// Nothing: not here yet. Sets bad() for what no client may send.
  std::optional<Frame> next();
  bool bad() const { return bad_; }

 private:
  std::string waiting_;
  bool bad_ = false;
};

std::optional<ClientFrames::Frame> ClientFrames::next() {
  auto const frame = websocket::read_frame(waiting_);
  if (frame && !*frame) return {};
  bad_ = !frame || !(*frame)->mask || (*frame)->payload_bytes > client_frame_bytes_most;
  if (bad_ || waiting_.size() < (*frame)->head_bytes + (*frame)->payload_bytes) return {};
  Frame next{.opcode = (*frame)->opcode, .payload = waiting_.substr((*frame)->head_bytes, (*frame)->payload_bytes)};
  websocket::mask_payload(next.payload.data(), next.payload.size(), *(*frame)->mask);
  waiting_.erase(0, (*frame)->head_bytes + next.payload.size());
  return next;
}

}  // namespace

struct Server::State : std::enable_shared_from_this<Server::State> {
  State(ServerOptions const& given, std::vector<Venue*> given_venues, Truth* given_truth)
      : options{given}, venues{std::move(given_venues)}, truth{given_truth} {}

  ServerOptions options;
  std::vector<Venue*> venues;
  Truth* truth;
  asio::io_context context{1};
  tcp::acceptor acceptor{context};
  asio::steady_timer truth_timer{context};

  struct Socket;
  std::set<Socket*> sockets;
  std::uint64_t requests = 0, frames = 0;
  bool some_ended = false;  // A websocket came to the end of its stream and was told all of it.
  std::exception_ptr failure;

  static Now now() {
    return {.steady = std::chrono::steady_clock::now(),
            .wall = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now())};
  }
  /// The streams' clock, late by the fault `delay`.
  Now now_of_streams() const {
    auto late = now();
    late.steady -= options.faults.delay;
    late.wall -= options.faults.delay;
    return late;
  }
  Venue* find(std::string_view name) const {
    for (auto* const venue : venues)
      if (venue->name() == name) return venue;
    return nullptr;
  }

  void listen();
  void accept();
  void flush_truth();
  void came_to_end();
  /// Handlers run through this: what they throw ends run().
  template <class Work>
  void guarded(Work&& work) {
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
      context.stop();
    }
  }
};

/// One TCP connection: HTTP until it becomes a websocket.
struct Server::State::Socket : std::enable_shared_from_this<Socket> {
  Socket(std::shared_ptr<State> state, tcp::socket given) : server{std::move(state)}, socket{std::move(given)} {
    server->sockets.insert(this);
  }
  ~Socket() { server->sockets.erase(this); }

  void read_request();
  void answer(HttpRequest const& request);
  void respond(Reply reply, HttpRequest const& request);
  HttpResponse response_of(Reply reply, HttpRequest const& request) const;
  bool upgrade(HttpRequest const& request, Venue& venue, Target const& target);

  void begin_websocket();
  void read_frames();
  bool take_frames();
  void pump();
  void write_frames();
  void wait(asio::steady_timer& timer, std::chrono::steady_clock::duration time, void (Socket::*then)());
  void wait_for_pump();
  void ping();
  void disconnect();
  void close_by_fault();
  void shut_down_by_fault();
  void fall_silent();
  void close(std::uint16_t code, std::string_view reason);
  void end();

  std::shared_ptr<State> server;
  tcp::socket socket;
  beast::flat_buffer buffer;
  std::optional<http::request_parser<http::string_body>> parser;
  HttpResponse response;
  asio::steady_timer reply_timer{socket.get_executor()};

  Venue* venue = nullptr;
  std::unique_ptr<Session> session;
  std::optional<Frames> frames;
  ClientFrames client;
  std::string writing;
  std::array<char, 16 * 1024> input;
  asio::steady_timer pump_timer{socket.get_executor()}, ping_timer{socket.get_executor()}, fault_timer{socket.get_executor()},
      linger_timer{socket.get_executor()};
  std::chrono::steady_clock::time_point heard;
  bool is_writing = false, is_closing = false, is_cut = false, is_silent = false, is_at_end = false;
};

void Server::State::listen() {
  error_code error;
  tcp::endpoint const endpoint{asio::ip::make_address("127.0.0.1"), options.port};
  acceptor.open(endpoint.protocol(), error);
  // A port that was just left is free again at once; one that is in use still is not to be had.
  if (!error) acceptor.set_option(asio::socket_base::reuse_address{true}, error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error)
    throw Fault{Fault::Kind::fatal, "cannot listen on 127.0.0.1:" + std::to_string(options.port) + " (" + error.message() +
                                        "): name another --port, or 0 for one that is free"};
}

void Server::State::accept() {
  acceptor.async_accept([self = shared_from_this()](error_code error, tcp::socket accepted) {
    if (error == asio::error::operation_aborted || !self->acceptor.is_open()) return;
    if (!error) {
      error_code ignored;
      accepted.set_option(tcp::no_delay{true}, ignored);
      std::make_shared<Socket>(self, std::move(accepted))->read_request();
    }
    self->accept();
  });
}

void Server::State::flush_truth() {
  if (truth == nullptr) return;
  truth_timer.expires_after(50ms);
  truth_timer.async_wait([self = shared_from_this()](error_code error) {
    if (error) return;
    self->guarded([&] {
      self->truth->flush();
      self->flush_truth();
    });
  });
}

void Server::State::came_to_end() {
  std::size_t websockets = 0, ended = 0;
  for (auto const* socket : sockets) {
    websockets += socket->session && !socket->is_cut ? 1 : 0;
    ended += socket->is_at_end && !socket->is_cut ? 1 : 0;
    some_ended = some_ended || socket->is_at_end;
  }
  if (truth != nullptr) truth->flush();
  if (!options.exit_after_end || !some_ended || websockets != ended || !acceptor.is_open()) return;
  acceptor.close();
  for (auto* socket : std::set<Socket*>{sockets})
    if (socket->session && !socket->is_cut) socket->close(1001, "the stream has ended");
  // The last bytes go out, then there is nothing left to run for.
  truth_timer.expires_after(500ms);
  truth_timer.async_wait([self = shared_from_this()](error_code error) {
    if (!error) self->context.stop();
  });
}

// ---------------------------------------------------------------------------------------------------- HTTP

void Server::State::Socket::read_request() {
  parser.emplace();
  parser->body_limit(request_bytes_most);
  http::async_read(socket, buffer, *parser, [self = shared_from_this()](error_code error, std::size_t) {
    if (error) return self->end();
    self->server->guarded([&] { self->answer(self->parser->get()); });
  });
}

void Server::State::Socket::answer(HttpRequest const& request) {
  auto const target = parse_target(request.target());
  auto* const asked = server->find(target.venue);
  if (asked == nullptr) {
    std::string names;
    for (auto const* one : server->venues) names += " /" + std::string{one->name()};
    return respond({.status = 404, .body = "nothing here: paths begin with" + names + '\n', .type = "text/plain"}, request);
  }
  auto const upgrades = beast::websocket::is_upgrade(request);
  if (upgrades && upgrade(request, *asked, target)) return;
  if (upgrades) return respond({.status = 404, .body = "no websocket at this path\n", .type = "text/plain"}, request);
  auto const count = ++server->requests;
  auto const& faults = server->options.faults;
  auto const each = [&](int every) { return every > 0 && count % static_cast<std::uint64_t>(every) == 0; };
  if (each(faults.throttle)) return respond(asked->throttled(1s), request);
  if (each(faults.error)) return respond(asked->failed(), request);
  Question const question{
      .post = request.method() == http::verb::post, .path = target.path, .query = target.query, .body = request.body()};
  respond(asked->ask(question, server->now_of_streams()), request);
}

HttpResponse Server::State::Socket::response_of(Reply reply, HttpRequest const& request) const {
  HttpResponse made{static_cast<http::status>(reply.status), request.version()};
  made.set(http::field::date, std::format("{:%a, %d %b %Y %H:%M:%S} GMT",
                                          std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now())));
  made.set(http::field::content_type, reply.type);
  for (auto const& [name, value] : reply.headers) made.set(name, value);
  made.keep_alive(request.keep_alive());
  made.body() = std::move(reply.body);
  made.prepare_payload();
  return made;
}

void Server::State::Socket::respond(Reply reply, HttpRequest const& request) {
  response = response_of(std::move(reply), request);
  auto write = [self = shared_from_this()] {
    http::async_write(self->socket, self->response, [self](error_code error, std::size_t) {
      if (error || !self->response.keep_alive()) return self->end();
      self->read_request();
    });
  };
  if (server->options.faults.delay.count() == 0) return write();
  reply_timer.expires_after(server->options.faults.delay);
  reply_timer.async_wait([write](error_code error) {
    if (!error) write();
  });
}

bool Server::State::Socket::upgrade(HttpRequest const& request, Venue& asked, Target const& target) {
  auto const now = server->now_of_streams();
  session = asked.connect(target.path, target.query, now);
  if (!session) return false;
  venue = &asked;
  frames.emplace(server->options.faults, server->options.seed);
  response = HttpResponse{http::status::switching_protocols, request.version()};
  response.set(http::field::upgrade, "websocket");
  response.set(http::field::connection, "Upgrade");
  response.set(http::field::sec_websocket_accept, websocket::accept_of(request[http::field::sec_websocket_key]));
  http::async_write(socket, response, [self = shared_from_this()](error_code error, std::size_t) {
    if (error) return self->end();
    self->server->guarded([&] { self->begin_websocket(); });
  });
  return true;
}

// ---------------------------------------------------------------------------------------------------- websocket

void Server::State::Socket::begin_websocket() {
  heard = std::chrono::steady_clock::now();
  session->open(*frames);
  auto const early = buffer.data();  // Frames may have come on the heels of the request.
  client.add({static_cast<char const*>(early.data()), early.size()});
  buffer.consume(buffer.size());
  auto const& faults = server->options.faults;
  if (faults.disconnect.count() > 0)
    wait(fault_timer, faults.disconnect, &Socket::disconnect);
  else if (faults.close.count() > 0)
    wait(fault_timer, faults.close, &Socket::close_by_fault);
  else if (faults.shutdown.count() > 0)
    wait(fault_timer, faults.shutdown, &Socket::shut_down_by_fault);
  else if (faults.silence.count() > 0)
    wait(fault_timer, faults.silence, &Socket::fall_silent);
  ping();
  if (!take_frames()) return;
  read_frames();
  pump();
}

void Server::State::Socket::wait(asio::steady_timer& timer, std::chrono::steady_clock::duration time, void (Socket::*then)()) {
  timer.expires_after(time);
  timer.async_wait([self = shared_from_this(), then](error_code error) {
    if (!error) self->server->guarded([&] { (self.get()->*then)(); });
  });
}

void Server::State::Socket::read_frames() {
  socket.async_read_some(asio::buffer(input), [self = shared_from_this()](error_code error, std::size_t size) {
    if (error) return self->end();
    self->server->guarded([&] {
      self->client.add({self->input.data(), size});
      if (!self->take_frames()) return;
      self->read_frames();
      self->pump();
    });
  });
}

/// False: the connection is done with.
bool Server::State::Socket::take_frames() {
  while (auto const frame = client.next()) {
    heard = std::chrono::steady_clock::now();
    if (is_closing || is_cut) {
      if (frame->opcode == websocket::Opcode::close) return end(), false;
      continue;
    }
    switch (frame->opcode) {
      case websocket::Opcode::text:
      case websocket::Opcode::binary: {
        std::string why;
        if (!session->receive(frame->payload, server->now_of_streams(), *frames, why)) close(1008, why);
        break;
      }
      case websocket::Opcode::close: close(1000, ""); break;
      case websocket::Opcode::ping: frames->pong(frame->payload); break;
      default: break;
    }
  }
  if (client.bad()) close(1002, "frame not masked, or too long");
  return true;
}

void Server::State::Socket::pump() {
  if (is_writing || is_cut) return;
  auto feed = Session::Feed::waiting;
  if (!is_closing && !is_silent) feed = session->produce(server->now_of_streams(), batch_bytes, *frames);
  frames->send_late();
  if (frames->size() > 0) return write_frames();
  if (is_closing) return;
  if (feed == Session::Feed::ended) {
    if (!std::exchange(is_at_end, true)) server->came_to_end();
    return;
  }
  if (feed == Session::Feed::flowing)
    return asio::post(socket.get_executor(), [self = shared_from_this()] { self->server->guarded([&] { self->pump(); }); });
  wait_for_pump();
}

void Server::State::Socket::wait_for_pump() { wait(pump_timer, pump_every, &Socket::pump); }

void Server::State::Socket::write_frames() {
  is_writing = true;
  server->frames += frames->take_count();
  writing.clear();
  writing.swap(frames->bytes());
  asio::async_write(socket, asio::buffer(writing), [self = shared_from_this()](error_code error, std::size_t) {
    self->is_writing = false;
    if (error) return self->end();
    self->server->guarded([&] { self->pump(); });
  });
}

/// Every so often a ping frame; a client that has not said anything for three of them is gone.
void Server::State::Socket::ping() {
  auto const every = server->options.ping_every.count() > 0 ? server->options.ping_every : venue->ping_every();
  if (every.count() == 0 || is_closing || is_cut) return;
  if (std::chrono::steady_clock::now() - heard > 3 * every + 1s) return close(1008, "Pong timeout");
  ping_timer.expires_after(every);
  ping_timer.async_wait([self = shared_from_this()](error_code error) {
    if (error || self->is_closing || self->is_cut) return;
    self->server->guarded([&] {
      std::string payload;
      append(payload, State::now().wall.time_since_epoch().count() / 1000);
      self->frames->ping(payload);
      self->ping();
      self->pump();
    });
  });
}

/// As if the line were cut: no close frame. What was sent before still arrives.
void Server::State::Socket::disconnect() {
  if (!std::exchange(is_cut, true)) wait(linger_timer, linger_most, &Socket::end);
  if (is_writing) return wait(fault_timer, 1ms, &Socket::disconnect);
  error_code ignored;
  socket.shutdown(tcp::socket::shutdown_send, ignored);
}

void Server::State::Socket::close_by_fault() { close(1000, ""); }

void Server::State::Socket::shut_down_by_fault() {
  session->announce_shutdown(server->now(), *frames);
  pump();
  wait(fault_timer, after_shutdown, &Socket::close_by_fault);
}

/// It stays open, and answers, but has nothing more to say.
void Server::State::Socket::fall_silent() { is_silent = true; }

void Server::State::Socket::close(std::uint16_t code, std::string_view reason) {
  if (std::exchange(is_closing, true)) return;
  frames->close(code, reason);
  pump();
  wait(linger_timer, linger_most, &Socket::end);
}

void Server::State::Socket::end() {
  is_cut = true;
  error_code ignored;
  pump_timer.cancel();
  ping_timer.cancel();
  fault_timer.cancel();
  linger_timer.cancel();
  reply_timer.cancel();
  socket.close(ignored);
  if (session && server->options.exit_after_end) server->came_to_end();
}

// ---------------------------------------------------------------------------------------------------- outside

Server::Server(ServerOptions const& options, std::vector<Venue*> venues, Truth* truth)
    : state_{std::make_shared<State>(options, std::move(venues), truth)} {
  state_->listen();
}

Server::~Server() = default;

std::uint16_t Server::port() const {
  error_code ignored;
  return state_->acceptor.local_endpoint(ignored).port();
}

std::uint64_t Server::frames_sent() const { return state_->frames; }
std::uint64_t Server::requests_answered() const { return state_->requests; }

void Server::run(std::stop_token const& stop) {
  std::stop_callback const on_stop{stop, [this] { state_->context.stop(); }};
  if (!stop.stop_requested()) {
    state_->accept();
    state_->flush_truth();
    state_->context.run();
  }
  error_code ignored;
  state_->acceptor.close(ignored);
  state_->truth_timer.cancel();
  // Handlers that were still waiting hold the sockets, and these the state: let them see that it is over.
  do {
    for (auto* socket : std::set<State::Socket*>{state_->sockets}) socket->end();
    state_->context.restart();
  } while (state_->context.poll() > 0);
  if (state_->truth != nullptr) state_->truth->flush();
  if (state_->failure) std::rethrow_exception(state_->failure);
}

}  // namespace penstock::simulate
