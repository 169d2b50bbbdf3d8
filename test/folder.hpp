/// A folder of its own for a test, gone with all that is in it at the end.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace penstock::test {

class Folder {
 public:
  Folder() {
    auto pattern = (std::filesystem::temp_directory_path() / "penstock-test-folder-XXXXXX").string();
    path = ::mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(Folder const&) = delete;
  Folder& operator=(Folder const&) = delete;

  std::string operator/(std::string const& name) const { return (path / name).string(); }
  /// Writes a file that only its owner may read; its path.
  std::string file(std::string const& name, std::string const& text) const {
    std::ofstream{path / name} << text;
    std::filesystem::permissions(path / name, std::filesystem::perms{0600});
    return *this / name;
  }

  std::filesystem::path path;
};

/// The same with one file.
struct File {
  explicit File(std::string const& text) : path{folder.file("penstock.toml", text)} {}

  Folder folder;
  std::string path;
};

}  // namespace penstock::test
