#define XXH_INLINE_ALL
#include "streaming/spool.hpp"

#include "streaming/fault.hpp"

#include "test/folder.hpp"

#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

using namespace penstock;
using penstock::test::Folder;

namespace {

Spooled numbered(int number, std::size_t bytes = 20) {
  return {.topic = "raw.venue",
          .record = {.key = "BTC",
                     .value = std::to_string(number) + ' ' + std::string(bytes, '.'),
                     .headers = {{"channel", "trade"}, {"symbol", ""}}}};
}
std::vector<Spooled> several(int from, int to) {
  std::vector<Spooled> all;
  for (int number = from; number < to; ++number) all.push_back(numbered(number));
  return all;
}

void append(Spool& spool, std::vector<Spooled> const& all) {
  for (auto const& one : all) REQUIRE(spool.append(one.topic, one.record));
}
std::vector<Spooled> read(Spool& spool, std::size_t count = 1'000'000) {
  std::vector<Spooled> all;
  for (; all.size() < count; spool.pass()) {
    auto const* next = spool.next();
    if (next == nullptr) break;
    all.push_back(*next);
  }
  return all;
}
std::vector<Spooled> reopened(SpoolOptions const& options) { return read(*Spool::open(options)); }

std::vector<std::filesystem::path> files(std::filesystem::path const& folder) {
  std::vector<std::filesystem::path> all;
  for (auto const& entry : std::filesystem::directory_iterator{folder})
    if (entry.path().extension() == ".spool") all.push_back(entry.path());
  std::ranges::sort(all);
  return all;
}
std::string bytes_of(std::filesystem::path const& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}
void put_bytes(std::filesystem::path const& file, std::string const& bytes) {
  std::ofstream{file, std::ios::binary | std::ios::trunc} << bytes;
}

constexpr std::uint64_t plenty = 1 << 30;

/// Some of what was written, in its order; nothing else, nothing twice.
bool is_part(std::vector<Spooled> const& part, std::vector<Spooled> const& whole) {
  auto at = whole.begin();
  for (auto const& one : part) {
    at = std::find(at, whole.end(), one);
    if (at++ == whole.end()) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("spool: records come out as they went in, in order, over many segments") {
  Folder folder;
  auto const spool = Spool::open({.folder = folder.path, .bytes_max = plenty, .segment_bytes_max = 1'000});
  auto all = several(0, 100);
  all.push_back(numbered(100, 5'000));  // Larger than a segment.
  all.push_back({.topic = "md.gaps", .record = {}});
  append(*spool, all);
  CHECK(files(folder.path).size() > 10);
  CHECK(spool->records() == all.size());
  CHECK(spool->unread() == all.size());
  CHECK(read(*spool) == all);
  CHECK(spool->unread() == 0);
  CHECK(spool->given() == all.size());
  CHECK(spool->next() == nullptr);
}

TEST_CASE("spool: what is appended while it is read comes after what is there") {
  Folder folder;
  auto const spool = Spool::open({.folder = folder.path, .bytes_max = plenty, .segment_bytes_max = 500});
  std::vector<Spooled> out;
  for (int round = 0; round < 50; ++round) {
    append(*spool, several(3 * round, 3 * round + 3));
    for (auto& one : read(*spool, round % 2 == 0 ? 2 : 4)) out.push_back(std::move(one));
    spool->forget(spool->given() / 2);
  }
  CHECK(out == several(0, 150));
}

TEST_CASE("spool: forgotten records free their segments, and an empty spool has none") {
  Folder folder;
  auto const spool = Spool::open({.folder = folder.path, .bytes_max = plenty, .segment_bytes_max = 1'000});
  append(*spool, several(0, 100));
  auto const before = files(folder.path);
  CHECK(read(*spool).size() == 100);
  spool->forget(50);
  CHECK(spool->records() == 50);
  CHECK(files(folder.path).size() < before.size());
  CHECK_FALSE(std::filesystem::exists(before.front()));
  spool->forget(50);
  CHECK(spool->records() == 0);
  CHECK(spool->bytes() == 0);
  CHECK(files(folder.path).empty());
  spool->sync();
  append(*spool, several(0, 3));
  CHECK(read(*spool) == several(0, 3));
}

TEST_CASE("spool: whoever opens it again is given what was not forgotten, with segments as the grain") {
  Folder folder;
  SpoolOptions const options{.folder = folder.path, .bytes_max = plenty, .segment_bytes_max = 1'000};
  {
    auto const spool = Spool::open(options);
    append(*spool, several(0, 100));
    CHECK(read(*spool, 60).size() == 60);
    spool->forget(40);
  }
  auto const spool = Spool::open(options);
  auto const depth = spool->records();
  CHECK(depth >= 60);
  CHECK(depth < 75);
  append(*spool, several(100, 110));
  auto const all = read(*spool);
  CHECK(all.size() == depth + 10);
  CHECK(std::ranges::equal(all, several(110 - static_cast<int>(all.size()), 110)));
}

TEST_CASE("spool: records that were given before they were appended are not given again, but are kept until forgotten") {
  Folder folder;
  SpoolOptions const options{.folder = folder.path, .bytes_max = plenty, .segment_bytes_max = 500};
  {
    auto const spool = Spool::open(options);
    for (auto const& one : several(0, 30)) REQUIRE(spool->append(one.topic, one.record, true));
    CHECK(spool->next() == nullptr);
    CHECK(spool->given() == 30);
    append(*spool, several(30, 40));
    CHECK(read(*spool) == several(30, 40));
    CHECK(spool->given() == 40);
  }
  auto const spool = Spool::open(options);
  CHECK(read(*spool) == several(0, 40));
  spool->forget(40);
  CHECK(files(folder.path).empty());
}

TEST_CASE("spool: at its limit it says so, keeps what it has, and has room again when records are forgotten") {
  Folder folder;
  auto const spool = Spool::open({.folder = folder.path, .bytes_max = 10'000, .segment_bytes_max = 1'000});
  int taken = 0;
  while (spool->append("raw.venue", numbered(taken).record)) ++taken;
  CHECK(taken > 80);
  CHECK(spool->bytes() <= 10'000);
  auto const refused = spool->append("raw.venue", numbered(taken).record);
  REQUIRE_FALSE(refused);
  CHECK(refused.error() == "its limit of 10000 bytes is reached");
  CHECK(read(*spool, 30).size() == 30);
  CHECK_FALSE(spool->append("raw.venue", numbered(taken).record));
  spool->forget(30);
  CHECK(spool->append("raw.venue", numbered(taken).record));
  CHECK(read(*spool) == several(30, taken + 1));
}

TEST_CASE("spool: a folder that another process has is not opened; one whose owner is gone is") {
  Folder folder;
  SpoolOptions const options{.folder = folder.path / "made" / "here", .bytes_max = plenty};
  auto first = Spool::open(options);
  REQUIRE(first);
  CHECK(Spool::open(options) == nullptr);
  first.reset();
  CHECK(Spool::open(options) != nullptr);
}

TEST_CASE("spool: a folder that cannot be used is a fatal fault that names it") {
  Folder folder;
  put_bytes(folder.path / "file", "");
  CHECK_THROWS_WITH_AS(Spool::open({.folder = folder.path / "file" / "below", .bytes_max = plenty}),
                       doctest::Contains((folder.path / "file").c_str()), Fault);
}

TEST_CASE("spool: a segment cut off anywhere gives the whole records before the cut, and goes on from there") {
  Folder folder;
  SpoolOptions const options{.folder = folder.path, .bytes_max = plenty};
  auto const all = several(0, 5);
  append(*Spool::open(options), all);
  auto const file = files(folder.path).at(0);
  auto const whole = bytes_of(file);
  auto const record_bytes = (whole.size() - spool_header_bytes) / all.size();
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    CAPTURE(size);
    put_bytes(file, whole.substr(0, size));
    auto const kept = size < spool_header_bytes ? 0 : (size - spool_header_bytes) / record_bytes;
    {
      auto const spool = Spool::open(options);
      CHECK(spool->records() == kept);
      if (kept > 0) CHECK(std::filesystem::file_size(file) == spool_header_bytes + kept * record_bytes);
      append(*spool, several(7, 8));
    }
    auto expected = several(0, static_cast<int>(kept));
    expected.push_back(numbered(7));
    CHECK(reopened(options) == expected);
    for (auto const& other : files(folder.path)) std::filesystem::remove(other);
  }
}

TEST_CASE("spool: any flipped bit costs at most its own record, and nothing that was not written comes out") {
  Folder folder;
  SpoolOptions const options{.folder = folder.path, .bytes_max = plenty};
  auto const all = several(0, 5);
  append(*Spool::open(options), all);
  auto const file = files(folder.path).at(0);
  auto const whole = bytes_of(file);
  bool const in_the_last = [&] {
    SUBCASE("of the last segment") { return true; }
    SUBCASE("of an older one") {
      auto const spool = Spool::open(options);
      append(*spool, {numbered(9)});
      return false;
    }
    return true;
  }();
  auto expected = all;
  if (!in_the_last) expected.push_back(numbered(9));
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    CAPTURE(bit);
    auto damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    put_bytes(file, damaged);
    auto const spool = Spool::open(options);
    auto const found = read(*spool);
    bool const in_header = bit < 8 * spool_header_bytes;
    CHECK(found.size() == expected.size() - (in_header ? 0 : 1));
    CHECK(is_part(found, expected));
    CHECK(spool->unread() == 0);
    if (!in_the_last) CHECK(spool->damaged_total() == (in_header ? 0 : 1));
  }
}

TEST_CASE("spool: a segment of which nothing can be read is counted, and the others are given") {
  Folder folder;
  SpoolOptions const options{.folder = folder.path, .bytes_max = plenty, .segment_bytes_max = 1'000};
  append(*Spool::open(options), several(0, 50));
  auto const all = files(folder.path);
  REQUIRE(all.size() > 4);
  auto const in_file = [](std::filesystem::path const& file) { return parse_spool_segment(file.filename().string())->first - 1; };
  auto const from = in_file(all[1]), to = in_file(all[3]);
  put_bytes(all[1], std::string(bytes_of(all[1]).size(), '\0'));
  std::filesystem::remove(all[2]);
  auto expected = several(0, static_cast<int>(from));
  std::ranges::copy(several(static_cast<int>(to), 50), std::back_inserter(expected));
  auto const spool = Spool::open(options);
  CHECK(read(*spool) == expected);
  CHECK(spool->damaged_total() == to - from);
  spool->forget(expected.size());
  CHECK(files(folder.path).empty());
}

TEST_CASE("spool: records of an earlier file, and those that a record holds, are no records") {
  Folder folder;
  SpoolOptions const options{.folder = folder.path, .bytes_max = plenty};
  append(*Spool::open(options), several(0, 5));
  auto const old_file = files(folder.path).at(0);
  auto const old_bytes = bytes_of(old_file);
  std::filesystem::remove(old_file);
  Spooled const holds{.topic = "raw.venue", .record = {.key = "k", .value = old_bytes, .headers = {}}};
  append(*Spool::open(options), {holds});
  auto const file = files(folder.path).at(0);
  // As a file system may do after a loss of power: the end is what lay there before.
  auto damaged = bytes_of(file) + old_bytes.substr(spool_header_bytes);
  put_bytes(file, damaged);
  CHECK(reopened(options) == std::vector<Spooled>{holds});
  damaged[spool_header_bytes] = static_cast<char>(damaged[spool_header_bytes] ^ 1);
  put_bytes(file, damaged);
  CHECK(reopened(options).empty());
}

TEST_CASE("spool: a file of another version is a fatal fault, and stays") {
  Folder folder;
  SpoolOptions const options{.folder = folder.path, .bytes_max = plenty};
  append(*Spool::open(options), several(0, 1));
  auto const file = files(folder.path).at(0);
  auto bytes = bytes_of(file);
  bytes[8] = 2;
  auto const check = static_cast<std::uint32_t>(XXH3_64bits(bytes.data(), 12));
  bytes.replace(12, sizeof check, reinterpret_cast<char const*>(&check), sizeof check);
  put_bytes(file, bytes);
  CHECK_THROWS_WITH_AS(Spool::open(options), doctest::Contains("has version 2, this penstock knows version 1"), Fault);
  CHECK(bytes_of(file) == bytes);
}

namespace {

/// Fills what there is, then gives back; `refused`: what append() has to say.
void fill_the_disk(std::filesystem::path const& folder, std::string const& refused) {
  SpoolOptions const options{.folder = folder, .bytes_max = plenty, .segment_bytes_max = 100'000};
  std::vector<Spooled> in;
  {
    auto const spool = Spool::open(options);
    std::string why;
    for (int number = 0; why.empty() && number < 100'000; ++number) {
      in.push_back(numbered(number, 1'000));
      if (auto const taken = spool->append(in.back().topic, in.back().record); !taken) why = taken.error();
    }
    CHECK(why.contains(refused));
    in.pop_back();
    CHECK(in.size() > 100);
    for (int again = 0; again < 100; ++again) CHECK_FALSE(spool->append("raw.venue", numbered(0, 200'000).record));
    CHECK(spool->records() == in.size());
    spool->sync();
    CHECK(read(*spool, in.size() / 2).size() == in.size() / 2);
  }
  auto const spool = Spool::open(options);  // As after a kill.
  CHECK(spool->records() == in.size());
  CHECK(read(*spool) == in);
  spool->forget(in.size() - 1);
  CHECK(spool->append("raw.venue", numbered(1).record));
  CHECK(read(*spool) == std::vector<Spooled>{numbered(1)});
}

}  // namespace

TEST_CASE("spool: a full disk is an answer, not an end, and what it holds is whole") {
  struct Disk : Folder {
    bool mounted = ::mount("tmpfs", path.c_str(), "tmpfs", 0, "size=1m") == 0;
    ~Disk() {
      if (mounted) ::umount(path.c_str());
    }
  } const disk;
  if (disk.mounted)
    fill_the_disk(disk.path / "spool", "No space left on device");
  else
    MESSAGE("skipped: a small tmpfs cannot be mounted here");
}

TEST_CASE("spool: a limit on the size of files is an answer, too") {
  // In a process of its own: the limit counts for all that it writes.
  auto const child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit const limit{50'000, 50'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    Folder folder;
    auto const spool = Spool::open({.folder = folder.path, .bytes_max = plenty});
    int taken = 0;
    std::string why;
    for (int number = 0; number < 1'000 && why.empty(); ++number) {
      if (auto const done = spool->append("raw.venue", numbered(number, 1'000).record); !done)
        why = done.error();
      else
        ++taken;
    }
    bool const good =
        why == "the disk takes no more: File too large" && taken > 40 && read(*spool).size() == static_cast<std::size_t>(taken);
    spool->forget(static_cast<std::size_t>(taken));
    std::filesystem::remove_all(folder.path);
    ::_exit(good ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
