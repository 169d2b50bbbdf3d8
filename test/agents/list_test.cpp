#include "agents/operate/commands.hpp"
#include "agents/provider.hpp"

#include <doctest/doctest.h>
#include <simdjson.h>

#include <iostream>
#include <sstream>

using namespace penstock;

namespace {

std::string listed(std::map<std::string, std::string> flags) {
  Invocation invocation;
  invocation.flags = std::move(flags);
  std::ostringstream out;
  auto* const before = std::cout.rdbuf(out.rdbuf());
  auto const code = list_command.run(invocation);
  std::cout.rdbuf(before);
  CHECK(code == stopped_as_asked);
  return std::move(out).str();
}

}  // namespace

TEST_CASE("list: every provider with its description, channels and symbols") {
  auto const text = listed({});
  for (auto const* provider : all_providers()) {
    CHECK(text.contains(std::string{provider->name()} + ": " + std::string{provider->description()}));
    for (auto const& channel : provider->channels()) {
      CHECK(text.contains((channel.by_default ? "* " : "  ") + std::string{channel.name} + ' '));
      CHECK(text.contains(channel.help));
    }
    for (auto const& symbol : provider->default_symbols()) CHECK(text.contains(symbol));
  }
  CHECK(text.contains("kinds: trades, candles,"));
}

TEST_CASE("list: --json is one object that says the same") {
  simdjson::dom::parser parser;
  simdjson::padded_string const json{listed({{"json", "true"}})};
  simdjson::dom::element const document = parser.parse(json);
  std::size_t providers = 0;
  for (auto const entry : document["providers"].get_array()) {
    std::string_view const name = entry["name"];
    auto const* provider = find_provider(name);
    REQUIRE(provider != nullptr);
    std::string_view const description = entry["description"];
    CHECK(description == provider->description());
    CHECK(simdjson::dom::array{entry["channels"]}.size() == provider->channels().size());
    ++providers;
  }
  CHECK(providers == all_providers().size());
  CHECK(simdjson::dom::array{document["kinds"]}.size() == 10);
}
