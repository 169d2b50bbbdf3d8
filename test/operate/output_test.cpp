/// What becomes of a command whose output does not arrive.
#include "test/program.hpp"

#include <array>

using namespace penstock::test;

namespace {

std::string const program = PENSTOCK_PROGRAM;

constexpr std::array printing{"list", "list --json", "--help", "--version", "tap --help"};

}  // namespace

TEST_CASE("output: a command whose output does not fit anywhere fails and says so") {
  for (std::string const words : printing) {
    CAPTURE(words);
    auto const ran = shell(program + ' ' + words + " 2>&1 > /dev/full");
    CHECK(ran.code == 1);
    CHECK(ran.text.contains("not all of the output could be written to stdout"));
  }
}

TEST_CASE("output: a closed descriptor is noticed, too") { CHECK(shell(program + " list 2>&1 >&-").code == 1); }

TEST_CASE("output: a reader that has seen enough is no failure and nothing to talk about") {
  for (std::string const words : printing) {
    CAPTURE(words);
    // The command starts when the reader has gone for sure.
    auto const wait = "trap '' PIPE; while echo 2> /dev/null; do :; done; ";
    CHECK(shell("( { " + (wait + program) + ' ' + words + "; echo code $? >&2; } | true ) 2>&1").text == "code 0\n");
  }
}
