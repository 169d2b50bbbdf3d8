#include "streaming/file_access.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace penstock {

std::string unreadable(std::string const& path) {
  errno = 0;
  if (!std::filesystem::is_directory(path) && std::ifstream{path, std::ios::binary}) return {};
  return std::string{", which cannot be read: "} + (errno != 0 ? std::strerror(errno) : "it is not a file with text") +
         "; name a file that this user may read";
}

std::string exposed(std::string const& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0 || !S_ISREG(found.st_mode)) return {};
  bool const of_root = found.st_uid == 0;
  auto const too_many = of_root ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;
  if ((found.st_mode & too_many) == 0) return {};
  return ", which others may read, too; run `chmod " + std::string{of_root ? "640 " : "600 "} + path + "`";
}

std::string secret_text(std::string const& path) {
  std::ifstream in{path, std::ios::binary};
  std::ostringstream text;
  if (in) text << in.rdbuf();
  auto secret = std::move(text).str();
  if (secret.ends_with('\n')) secret.pop_back();
  if (secret.ends_with('\r')) secret.pop_back();
  return secret;
}

}  // namespace penstock
