/// The address of a local (unix) socket.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <optional>
#include <string_view>

namespace penstock {

struct LocalAddress {
  /// `path`: of a file, or of the abstract kind with a leading zero byte. Nothing where it is longer than such addresses may be.
  static std::optional<LocalAddress> of(std::string_view path) {
    LocalAddress out;
    if (path.size() > path_bytes_max) return {};
    out.address.sun_family = AF_UNIX;
    std::memcpy(out.address.sun_path, path.data(), path.size());
    bool const is_abstract = path.starts_with('\0');
    out.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (is_abstract ? 0 : 1));
    return out;
  }
  static constexpr std::size_t path_bytes_max = sizeof sockaddr_un{}.sun_path - 1;

  sockaddr const* pointer() const { return reinterpret_cast<sockaddr const*>(&address); }

  sockaddr_un address{};
  socklen_t size = 0;
};

}  // namespace penstock
