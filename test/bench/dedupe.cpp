// dedupe IDS: what a dedupe window of so many ids costs when it is full: nanoseconds of CPU for one record, and its memory.
// Prints "NANOSECONDS MB".
#include "agents/transform/dedupe.hpp"

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <utility>

int main(int count, char** arguments) {
  if (count != 2) {
    std::fputs("usage: dedupe IDS\n", stderr);
    return 2;
  }
  auto const ids = std::atoll(arguments[1]);
  constexpr std::int64_t measured = 2'000'000;
  penstock::Window window{ids, static_cast<std::size_t>(ids) * 4};
  std::uint64_t state = 7, coming = 0;
  std::int64_t offset = 0, repeated = 0;
  // A transformer, too, says what comes while it has something else to do.
  auto const see = [&] {
    state = state * 6364136223846793005U + 1442695040888963407U;
    auto const hash = std::exchange(coming, state ^ (state >> 29U));
    window.expect(coming);
    window.advance(penstock::Offset{offset++});
    repeated += window.seen(hash);
  };
  while (offset < ids + ids / 10) see();
  auto const began = std::clock();
  while (offset < ids + ids / 10 + measured) see();
  auto const took = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC * 1e9;
  if (repeated != 0) {
    std::fputs("the window saw an id twice that came once\n", stderr);
    return 1;
  }
  std::printf("%.1f %.1f\n", took / static_cast<double>(measured), static_cast<double>(window.memory_bytes()) / 1e6);
}
