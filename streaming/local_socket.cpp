#include "streaming/local_socket.hpp"

#include "streaming/fault.hpp"
#include "streaming/local_address.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace penstock {
namespace {

using Steady = std::chrono::steady_clock;
constexpr std::size_t clients_max = 32;
constexpr std::chrono::seconds client_limit{5};
constexpr int waiting_max = 16;

UsageError unusable(std::string const& path, std::string const& why) {
  return UsageError{"the socket " + path + ' ' + why + "; name another one"};
}
UsageError unusable(std::string const& path, int error) {
  return unusable(path, std::string{"cannot be made ("} + std::strerror(error) + ')');
}
Fault taken(std::string const& path) {
  return Fault{Fault::Kind::fatal, "another process listens at the socket " + path + ": end that one, or name another socket"};
}

LocalAddress address_of(std::string const& path) {
  if (auto const address = LocalAddress::of(path); address && !path.empty()) return *address;
  throw unusable(path, "has a path of " + std::to_string(path.size()) + " bytes, it may have 1 to " +
                           std::to_string(LocalAddress::path_bytes_max));
}

Descriptor new_socket(int flags) {
  Descriptor socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0)};
  if (!socket) throw Fault{Fault::Kind::fatal, std::string{"cannot make a socket: "} + std::strerror(errno)};
  return socket;
}

// Two that find the same dead socket must not both take it over.
Descriptor locked(std::string const& path) {
  Descriptor lock{::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!lock) throw unusable(path, errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) throw taken(path);
  return lock;
}

void remove_dead(std::string const& path, LocalAddress const& address) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) return;
  if (!S_ISSOCK(found.st_mode)) throw unusable(path, "is there already, and is no socket");
  if (::connect(new_socket(SOCK_NONBLOCK).get(), address.pointer(), address.size) == 0 || errno == EAGAIN) throw taken(path);
  ::unlink(path.c_str());
}

// False: the other side has ended, or broke.
bool receive(int socket, std::string& into, std::size_t most) {
  std::array<char, 4096> piece;
  while (into.size() <= most) {
    auto const count = ::recv(socket, piece.data(), piece.size(), 0);
    if (count > 0)
      into.append(piece.data(), static_cast<std::size_t>(count));
    else if (count == 0 || errno != EINTR)
      return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }
  return false;
}

bool send_some(int socket, std::string& out) {
  while (!out.empty()) {
    auto const count = ::send(socket, out.data(), out.size(), MSG_NOSIGNAL);
    if (count < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    out.erase(0, static_cast<std::size_t>(count));
  }
  return true;
}

bool wait_for(int socket, short what, Steady::time_point until) {
  auto const left = std::chrono::ceil<std::chrono::milliseconds>(until - Steady::now()).count();
  pollfd one{socket, what, 0};
  return left > 0 && ::poll(&one, 1, static_cast<int>(left)) > 0;
}

}  // namespace

LocalServer::LocalServer(std::string path) : path_{std::move(path)} {
  auto const address = address_of(path_);
  lock_ = locked(path_);
  remove_dead(path_, address);
  socket_ = new_socket(SOCK_NONBLOCK);
  ::fchmod(socket_.get(), 0600);  // Before bind: the file has this mode from its first moment.
  if (::bind(socket_.get(), address.pointer(), address.size) != 0 || ::listen(socket_.get(), waiting_max) != 0)
    throw unusable(path_, errno);
}

LocalServer::~LocalServer() {
  ::unlink(path_.c_str());
  ::unlink((path_ + ".lock").c_str());
}

void LocalServer::serve(std::function<std::string(std::string_view)> const& answer) {
  accept_all();
  auto const now = Steady::now();
  std::erase_if(clients_, [&](Client& client) { return !turn(client, answer) || now > client.until; });
}

void LocalServer::accept_all() {
  for (;;) {
    Descriptor socket{::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (!socket) return;
    if (clients_.size() < clients_max) clients_.push_back({.socket = std::move(socket), .until = Steady::now() + client_limit});
  }
}

// False: done with it.
bool LocalServer::turn(Client& client, std::function<std::string(std::string_view)> const& answer) {
  if (!client.answered) {
    bool const more = receive(client.socket.get(), client.in, line_bytes_max);
    auto const end = client.in.find('\n');
    if (end == std::string::npos) return more;
    client.out = answer(std::string_view{client.in}.substr(0, end)) + '\n';
    client.answered = true;
    client.until = Steady::now() + client_limit;
  }
  return send_some(client.socket.get(), client.out) && !client.out.empty();
}

std::string ask_local(std::string const& path, std::string const& line, std::chrono::milliseconds limit) {
  auto const until = Steady::now() + limit;
  auto const socket = new_socket(SOCK_NONBLOCK);
  auto const address = address_of(path);
  if (::connect(socket.get(), address.pointer(), address.size) != 0)
    throw Fault{Fault::Kind::transient, "nobody listens at " + path + " (" + std::strerror(errno) + ")"};
  auto out = line + '\n';
  std::string in;
  while (!out.empty() && wait_for(socket.get(), POLLOUT, until) && send_some(socket.get(), out)) continue;
  constexpr std::size_t answer_bytes_max = 64 << 20;
  while (!in.ends_with('\n') && wait_for(socket.get(), POLLIN, until) && receive(socket.get(), in, answer_bytes_max)) continue;
  if (!in.ends_with('\n'))
    throw Fault{Fault::Kind::transient, "no answer from " + path + " within " + std::to_string(limit.count()) + " ms"};
  in.pop_back();
  return in;
}

}  // namespace penstock
