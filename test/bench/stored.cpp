// stored URL GROUP TOPIC COUNT [FROM]: waits until the offsets that stores of the group have committed together with their rows
// add up to COUNT. Prints how many records a second that were between the first progress seen, at FROM or later, and the last.
#include "test/bench/bare.hpp"

#include <libpq-fe.h>

#include <array>

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
  std::printf("%.0f\n", bare::rate_until(count, from, 10, stored));
  PQfinish(connection);
}
