#include "streaming/file_access.hpp"

#include "test/folder.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

using namespace penstock;
using penstock::test::File;

namespace {}  // namespace

TEST_CASE("file access: what others may read is said with the command that ends it") {
  File const file{"secret\n"};
  auto const of_root = ::geteuid() == 0;
  auto const advice = ", which others may read, too; run `chmod " + std::string{of_root ? "640 " : "600 "} + file.path + "`";
  for (auto const mode : {0644, 0604, 0660, 0602}) {
    ::chmod(file.path.c_str(), static_cast<mode_t>(mode));
    CHECK(exposed(file.path) == advice);
  }
  for (auto const mode : {0600, 0400}) {
    ::chmod(file.path.c_str(), static_cast<mode_t>(mode));
    CHECK(exposed(file.path).empty());
  }
  // A service's user reads root's files by its group.
  ::chmod(file.path.c_str(), 0640);
  CHECK(exposed(file.path) == (of_root ? "" : advice));
  CHECK(exposed("/nowhere").empty());
}

TEST_CASE("file access: a secret is its file's text, but for the newline at the end") {
  CHECK(secret_text(File{"a b\r\n"}.path) == "a b");
  CHECK(secret_text(File{"a\n\n"}.path) == "a\n");
  CHECK(secret_text("/nowhere").empty());
  CHECK(unreadable("/tmp").contains("it is not a file with text"));
  CHECK(unreadable("/nowhere").contains("No such file"));
}
