#include "agents/instance_name.hpp"

#include "streaming/fault.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

namespace penstock {
namespace {

constexpr int instances_max = 1000;

std::string host() {
  std::array<char, 256> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0) return "localhost";
  std::string name{buffer.data()};
  std::ranges::replace_if(
      name, [](char c) { return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.'); },
      '-');
  return name;
}

}  // namespace

InstanceName::InstanceName(std::string const& group, std::int64_t instance) {
  auto const name = [&](std::int64_t number) { return group + '-' + host() + '-' + std::to_string(number); };
  if (instance > 0 && take(name(instance - 1))) return;
  for (int number = 0; number < instances_max; ++number)
    if (take(name(number))) return;
  throw Fault{Fault::Kind::fatal,
              "there are " + std::to_string(instances_max) + " members of group " + group + " on this machine already"};
}

InstanceName::~InstanceName() { ::close(socket_); }

// An address of the abstract kind (leading zero byte) is free again when its process is gone.
bool InstanceName::take(std::string const& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  auto const length = std::min(name.size(), sizeof address.sun_path - 1);
  std::memcpy(address.sun_path + 1, name.data() + (name.size() - length), length);
  socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket_ < 0) throw Fault{Fault::Kind::fatal, std::string{"cannot make a socket: "} + std::strerror(errno)};
  auto const size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + length);
  if (::bind(socket_, reinterpret_cast<sockaddr const*>(&address), size) == 0) {
    name_ = name;
    return true;
  }
  ::close(socket_);
  return false;
}

}  // namespace penstock
