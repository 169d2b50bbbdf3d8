/// Which hosts cannot be anywhere else, so that nobody listens on the way to them. Any thread.
#pragma once

#include <arpa/inet.h>

#include <string>
#include <string_view>

namespace penstock {

/// `host`: a name or an address, without port. True for localhost and the loopback addresses; no name is looked up.
inline bool is_this_machine(std::string_view host) {
  if (host == "localhost" || host == "::1" || host == "[::1]") return true;
  in_addr address{};
  return host.starts_with("127.") && inet_pton(AF_INET, std::string{host}.c_str(), &address) == 1;
}

}  // namespace penstock
