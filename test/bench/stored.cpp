// stored URL GROUP TOPIC COUNT [FROM]: waits until the offsets that stores of the group have committed together with their rows
// add up to COUNT. Prints how many records a second that were between the first progress seen, at FROM or later, and the last.
#include "test/bench/bare.hpp"

#include <libpq-fe.h>

#include <array>
#include <thread>

int main(int argc, char** argv) {
  if (argc < 5) bare::die("usage: stored URL GROUP TOPIC COUNT [FROM]");
  long const count = std::atol(argv[4]), from = argc > 5 ? std::atol(argv[5]) : 0;
  auto* connection = PQconnectdb(argv[1]);
  std::array<char const*, 2> const values{argv[2], argv[3]};
  auto const stored = [&] {
    auto* result = PQexecParams(
        connection, "select coalesce(sum(next_offset), 0)::text from penstock.offsets where consumer_group = $1 and topic = $2",
        2, nullptr, values.data(), nullptr, nullptr, 0);
    if (PQresultStatus(result) != PGRES_TUPLES_OK) bare::die(PQerrorMessage(connection));
    auto const sum = std::atol(PQgetvalue(result, 0, 0));
    PQclear(result);
    return sum;
  };
  long first = 0, last = 0;
  double began = 0, ended = bare::seconds();
  for (auto const give_up = bare::seconds() + 300; last < count;) {
    if (bare::seconds() > give_up) bare::die("not done after 300 s: " + std::to_string(last) + " of " + std::to_string(count));
    if (auto const now = stored(); now > last) {
      ended = bare::seconds();
      if (began == 0 && now >= from) began = ended, first = now;
      last = now;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  if (began == 0 || last == first) bare::die("all of it came in one step: use more records");
  std::printf("%.0f\n", static_cast<double>(last - first) / (ended - began));
  PQfinish(connection);
}
