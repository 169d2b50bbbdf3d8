/// Questions and answers over a local (unix) socket: a client connects, writes one line, reads one line, and that is all.
#pragma once

#include "streaming/descriptor.hpp"

#include <chrono>
#include <functional>
#include <list>
#include <string>
#include <string_view>

namespace penstock {

/// One thread; never waits for a client.
class LocalServer {
 public:
  static constexpr std::size_t line_bytes_max = 65'536;

  /// Listens at `path`, which only this user may open (mode 0600). A socket file that nobody listens on any more is taken over.
  /// Throws Fault where somebody listens there, UsageError where `path` cannot be made or is something else than a socket.
  explicit LocalServer(std::string path);
  ~LocalServer();  ///< removes the file
  LocalServer(LocalServer const&) = delete;
  LocalServer& operator=(LocalServer const&) = delete;

  std::string const& path() const { return path_; }

  /// Takes what has come, hands whole lines to `answer` and sends back what it says (a newline is added). Clients that are slow,
  /// silent or too many are let go.
  void serve(std::function<std::string(std::string_view line)> const& answer);

 private:
  struct Client {
    Descriptor socket;
    std::chrono::steady_clock::time_point until;
    std::string in, out;
    bool answered = false;
  };
  void accept_all();
  static bool turn(Client& client, std::function<std::string(std::string_view)> const& answer);

  std::string path_;
  Descriptor lock_, socket_;
  std::list<Client> clients_;
};

/// Asks who listens at `path`. Throws Fault where nobody does, or nothing came back within `limit`.
std::string ask_local(std::string const& path, std::string const& line, std::chrono::milliseconds limit);

}  // namespace penstock
