#include "streaming/this_machine.hpp"

#include <doctest/doctest.h>

namespace penstock {

TEST_CASE("this machine: loopback and its name, and nothing that only begins like them") {
  for (auto const* host : {"localhost", "127.0.0.1", "127.255.0.3", "::1", "[::1]"}) {
    CAPTURE(host);
    CHECK(is_this_machine(host));
  }
  for (auto const* host : {"", "localhost.example.org", "localhosts", "127.example.org", "127.0.0.1.example.org", "127.1.",
                           "10.0.0.1", "broker", "[::1].example.org", "::2"}) {
    CAPTURE(host);
    CHECK_FALSE(is_this_machine(host));
  }
}

}  // namespace penstock
