/// The simulator's sockets: HTTP and websockets on loopback, every venue below a prefix of its own name
/// (http://127.0.0.1:PORT/binance/api/v3/…, ws://127.0.0.1:PORT/binance/stream?…). Frames are made only as fast as a
/// client reads them. Everything happens on the thread that calls run().
#pragma once

#include "agents/simulate/venue.hpp"

#include <memory>
#include <stop_token>

namespace penstock::simulate {

struct ServerOptions {
  std::uint16_t port = 0;  ///< 0: the system chooses
  Faults faults;
  std::uint64_t seed = 1;
  std::chrono::milliseconds ping_every{};  ///< 0: as the venue does
  bool exit_after_end = false;             ///< run() returns when every open connection has come to the end of its stream
};

class Server {
 public:
  /// Listens from here on. Throws Fault where the port cannot be had. `truth` may be null.
  Server(ServerOptions const& options, std::vector<Venue*> venues, Truth* truth);
  ~Server();
  std::uint16_t port() const;
  /// Returns at once when stop is requested; the truth file is complete then. Call it once.
  void run(std::stop_token const& stop);

  std::uint64_t frames_sent() const;
  std::uint64_t requests_answered() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace penstock::simulate
