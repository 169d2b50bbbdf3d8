/// A small HTTP server for machines that ask how it goes: GET and HEAD of a few pages, plain, in a thread of its own.
/// Beast underneath: the simulator has it, too, and limits of size and time are said in one place.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace penstock::http {

struct Page {
  int status = 200;
  std::string type = "application/json";
  std::string body;
};
/// Path -> what makes it: called in the server's thread, one at a time; it must not throw. `host`: this server's name and port
/// as the asker has them, "" where it did not say.
using Pages = std::map<std::string, std::function<Page(std::string_view host)>, std::less<>>;

/// "127.0.0.1:9464", "[::1]:0", "localhost:9464": an address of this machine, as a number, and a port.
bool is_listen_address(std::string_view text);

class Server {
 public:
  static constexpr std::size_t connections_max = 32;  ///< one more is closed at once
  static constexpr std::size_t request_bytes_max = 8192;
  static constexpr int seconds_max = 5;  ///< to send a request, to take an answer, and to ask again on a connection

  /// Listens and answers from here on. Throws a fatal Fault where the address cannot be had. Port 0: any that is free.
  Server(std::string const& address, Pages pages);
  /// Ends at once, whatever is under way.
  ~Server();

  std::uint16_t port() const;
  bool is_loopback() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace penstock::http
