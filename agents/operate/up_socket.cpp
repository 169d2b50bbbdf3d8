#include "agents/operate/up_socket.hpp"

#include "streaming/fault.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <vector>

namespace penstock {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view none = "none";

std::vector<std::string> folders() {
  std::vector<std::string> out;
  for (auto const* variable : {"RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"})
    if (auto const* const folder = std::getenv(variable); folder != nullptr && *folder == '/') out.emplace_back(folder);
  out.emplace_back("/tmp");
  return out;
}

// FNV-1a: short, and the same in every version of penstock.
std::uint64_t number_of(std::string const& text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char const byte : text) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

std::string name_for(Config const& config) {
  auto const file = fs::weakly_canonical(config.file().empty() ? "penstock.toml" : config.file());
  return std::format("penstock-{:08x}.sock", static_cast<std::uint32_t>(number_of(file.string())));
}

bool is_ours(std::string const& path) {
  struct stat found{};
  return ::lstat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode) && (found.st_uid == ::geteuid() || ::geteuid() == 0);
}

}  // namespace

std::string socket_to_listen(Config const& config) {
  if (auto const given = config.text("up.socket"); !given.empty()) return given == none ? "" : given;
  return folders().front() + '/' + name_for(config);
}

std::string socket_to_ask(Config const& config) {
  auto const given = config.text("up.socket");
  if (given == none) throw UsageError{config.origin("up.socket") + ": up.socket is none, so `penstock up` cannot be reached"};
  if (!given.empty()) return given;
  auto looked_in = folders();
  looked_in.emplace_back("/run/penstock");
  std::string names;
  for (auto const& folder : looked_in) {
    auto path = folder + '/' + name_for(config);
    if (is_ours(path)) return path;
    names += (names.empty() ? "" : ", ") + folder;
  }
  throw Fault{Fault::Kind::fatal, "no `penstock up` of this user runs with " +
                                      (config.file().empty() ? std::string{"no configuration file"} : config.file()) + " (no " +
                                      name_for(config) + " in " + names +
                                      "): name its file with --config, or its socket with --socket"};
}

}  // namespace penstock
