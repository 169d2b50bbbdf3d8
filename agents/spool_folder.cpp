#include "agents/spool_folder.hpp"

#include "streaming/fault.hpp"
#include "streaming/log.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <fstream>
#include <system_error>

namespace penstock {
namespace {

namespace fs = std::filesystem;

constexpr int publishers_max = 100;  // Of one provider, on one machine.

std::string variable(char const* name) {
  auto const* const text = std::getenv(name);
  return text == nullptr ? std::string{} : std::string{text};
}

fs::path spool_folder(Config const& config) {
  if (auto const given = config.text("spool.folder"); !given.empty()) return given;
  if (auto const state = variable("STATE_DIRECTORY"); !state.empty()) return fs::path{state} / "spool";
  if (auto const state = variable("XDG_STATE_HOME"); !state.empty()) return fs::path{state} / "penstock" / "spool";
  if (auto const home = variable("HOME"); !home.empty()) return fs::path{home} / ".local/state/penstock/spool";
  throw UsageError{
      "there is no folder for records that the broker does not take: name one in spool.folder (--spool-folder, "
      "PENSTOCK_SPOOL_FOLDER), or set spool.bytes_max to 0 for none"};
}

UsageError unusable(fs::path const& folder, std::string const& why) {
  return UsageError{"spool.folder: records cannot be kept in " + folder.string() + " (" + why +
                    "): name a folder that can be written in spool.folder (--spool-folder, PENSTOCK_SPOOL_FOLDER), or set "
                    "spool.bytes_max to 0 for none"};
}

[[noreturn]] void throw_unusable(fs::path const& folder, std::error_code const& why) {
  if (why != std::errc::no_space_on_device && why != std::error_code{EDQUOT, std::generic_category()})
    throw unusable(folder, why.message());
  throw Fault{Fault::Kind::transient, "spool.folder: there is no room for records in " + folder.string() + " (" + why.message() +
                                          "): make room there, or name another folder"};
}

// What was meant for one log is not for another.
fs::path folder_of_brokers(Config const& config) {
  auto name = config.text("kafka.brokers");
  std::ranges::replace_if(name, [](char c) { return c == '/' || c == ' '; }, '_');
  return spool_folder(config) / name.substr(0, 200);
}

bool has_records(fs::path const& folder) {
  std::error_code ignored;
  return std::ranges::any_of(fs::directory_iterator{folder, ignored},
                             [](auto const& entry) { return entry.path().extension() == ".spool"; });
}

void warn_of_others(fs::path const& all, std::string const& provider) {
  std::error_code ignored;
  for (auto const& brokers : fs::directory_iterator{all, ignored})
    for (auto const& folder : fs::directory_iterator{brokers.path(), ignored}) {
      if (!folder.path().filename().string().starts_with(provider + '-') || !has_records(folder.path())) continue;
      if (Spool::is_free(folder.path()))
        log::warning("records wait in another spool; one more publisher with these brokers would send them",
                     {{"folder", folder.path().string()}, {"brokers", brokers.path().filename().string()}});
    }
}

}  // namespace

std::unique_ptr<Spool> open_spool(Config const& config, std::string const& provider) {
  auto const bytes_max = static_cast<std::uint64_t>(config.integer("spool.bytes_max"));
  if (bytes_max == 0) return nullptr;
  auto const folder = folder_of_brokers(config);
  auto const open = [&](int number) {
    return Spool::open({.folder = folder / (provider + '-' + std::to_string(number)),
                        .bytes_max = bytes_max,
                        .segment_bytes_max = std::clamp<std::uint64_t>(bytes_max / 16, 64 << 10, 8 << 20)});
  };
  try {
    for (bool const left : {true, false})
      for (int number = 0; number < publishers_max; ++number)
        if (!left || has_records(folder / (provider + '-' + std::to_string(number))))
          if (auto spool = open(number)) return warn_of_others(spool_folder(config), provider), std::move(spool);
  } catch (Fault const& fault) {
    if (fault.kind() != Fault::Kind::transient) throw unusable(folder, fault.what());
    log::error("there is no spool: the provider waits while the broker is away",
               {{"why", fault.what()}, {"do", "make room there, or set spool.folder, and start it again"}});
    return nullptr;
  }
  throw unusable(folder, std::to_string(publishers_max) + " publishers have their records there already");
}

std::string check_spool(Config const& config) {
  if (config.integer("spool.bytes_max") == 0) return "none: the providers wait while the broker is away";
  auto const folder = spool_folder(config);
  auto const probe = folder / (".check-" + std::to_string(::getpid()));
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw_unusable(folder, error);
  errno = 0;
  bool const written = static_cast<bool>(std::ofstream{probe} << "x" << std::flush);
  std::error_code const why{errno, std::generic_category()};
  fs::remove(probe, error);
  if (!written) throw_unusable(folder, why);
  auto const free = fs::space(folder, error).available;
  return std::format("{} can be written, {:.1f} GB free, {:.1f} GB for each publisher", folder.string(),
                     static_cast<double>(free) / 1e9, static_cast<double>(config.integer("spool.bytes_max")) / 1e9);
}

}  // namespace penstock
