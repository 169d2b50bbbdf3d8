#include <doctest/doctest.h>

#include "agents/transform/dedupe.hpp"

#include <random>
#include <unordered_map>

using penstock::Offset;
using penstock::Window;

namespace {

bool seen(Window& window, std::int64_t offset, std::uint64_t hash, std::uint64_t content = 0) {
  window.advance(Offset{offset});
  return window.seen(hash, content);
}

}  // namespace

TEST_CASE("dedupe: an identity lives for the window, counted in offsets") {
  Window window{10, 1000};
  CHECK_FALSE(seen(window, 100, 7));
  CHECK(seen(window, 100, 7));
  SUBCASE("to its last offset") { CHECK(seen(window, 109, 7)); }
  SUBCASE("and no longer") { CHECK_FALSE(seen(window, 110, 7)); }
}

TEST_CASE("dedupe: seen again, it lives on") {
  Window window{10, 1000};
  CHECK_FALSE(seen(window, 0, 7));
  CHECK(seen(window, 9, 7));
  CHECK(seen(window, 18, 7));
  CHECK_FALSE(seen(window, 28, 7));
}

TEST_CASE("dedupe: a window of one knows only the frame in hand") {
  Window window{1, 1000};
  CHECK_FALSE(seen(window, 0, 7));
  CHECK(seen(window, 0, 7));
  CHECK_FALSE(seen(window, 1, 7));
}

TEST_CASE("dedupe: only what repeats the latest content is a duplicate where the later one wins") {
  Window window{10, 1000, true};
  CHECK_FALSE(seen(window, 0, 7, 1));
  CHECK(seen(window, 1, 7, 1));
  CHECK_FALSE(seen(window, 2, 7, 2));
  CHECK_FALSE(seen(window, 3, 7, 1));  // Back to what it was: that must go on.
  CHECK(seen(window, 4, 7, 1));
}

TEST_CASE("dedupe: the oldest sightings fall out where there are too many") {
  Window window{1'000'000, 3000};
  for (std::uint64_t hash = 0; hash < 10'000; ++hash) CHECK_FALSE(seen(window, 0, hash * 0x9E3779B97F4A7C15U));
  CHECK(seen(window, 1, 9'999 * 0x9E3779B97F4A7C15U));
  CHECK_FALSE(seen(window, 1, 0));
  CHECK(window.sightings() <= 4096);
}

TEST_CASE("dedupe: the same as a plain map of what was seen last, whatever comes") {
  struct Seen {
    std::int64_t offset;
    std::uint64_t content;
  };
  std::mt19937_64 random{20260102};
  for (auto const window_records : {1, 2, 17, 500, 3000})
    for (bool const with_contents : {false, true}) {
      CAPTURE(window_records);
      CAPTURE(with_contents);
      Window window{window_records, 1 << 20, with_contents};
      std::unordered_map<std::uint64_t, Seen> last;
      std::int64_t offset = 0;
      for (int i = 0; i < 60'000; ++i) {
        auto const jump = random() % 1000;
        offset += jump == 0 ? window_records * 2 : jump < 300 ? 0 : 1;
        // Few low bits, so that a bucket has room for a small part of those that belong there.
        auto const hash = (random() % 2000) << (random() % 3 == 0 ? 40 : 3);
        auto const content = with_contents ? random() % 3 : 0;
        auto const found = last.find(hash);
        bool const expected =
            found != last.end() && offset - found->second.offset < window_records && found->second.content == content;
        REQUIRE(seen(window, offset, hash, content) == expected);
        last[hash] = {offset, content};
      }
    }
}

TEST_CASE("dedupe: state follows from the last W offsets alone") {
  std::mt19937_64 random{7};
  constexpr std::int64_t records = 400;
  std::vector<std::uint64_t> input(5000);
  for (auto& hash : input) hash = random() % 900;
  Window whole{records, 1 << 20}, late{records, 1 << 20};
  for (std::int64_t offset = 0; offset < 5000; ++offset) {
    auto const hash = input[static_cast<std::size_t>(offset)];
    bool const expected = seen(whole, offset, hash);
    // Begins W before offset 3000, and must agree from there on.
    if (offset >= 3000 - records) {
      bool const found = seen(late, offset, hash);
      if (offset >= 3000) REQUIRE(found == expected);
    }
  }
}

TEST_CASE("dedupe: bytes of an entry") {
  Window window{100'000, 400'000};
  for (std::int64_t offset = 0; offset < 100'000; ++offset)
    seen(window, offset, static_cast<std::uint64_t>(offset) * 0x9E3779B97F4A7C15U);
  auto const bytes = static_cast<double>(window.memory_bytes()) / 100'000;
  MESSAGE("bytes per entry: " << bytes);
  CHECK(window.sightings() == 100'000);
  CHECK(bytes < 32);
}
