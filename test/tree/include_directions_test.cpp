// Who may include whom: agents -> schemas, streaming/{kafka,postgres,http} -> streaming/*.hpp -> std; providers do no I/O.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

namespace {

struct Rule {
  std::string folder;     ///< sources below it
  std::string allowed;    ///< of our own headers
  std::string forbidden;  ///< of libraries' headers; "": none
};

std::vector<std::string> broken(std::filesystem::path const& root, Rule const& rule) {
  static std::regex const ours{R"re(^\s*#include "([^"]+)")re"}, theirs{R"re(^\s*#include <([^>]+)>)re"};
  std::regex const allowed{rule.allowed}, forbidden{rule.forbidden.empty() ? "a^" : rule.forbidden};
  std::vector<std::string> found;
  for (auto const& entry : std::filesystem::recursive_directory_iterator{root / rule.folder}) {
    auto const extension = entry.path().extension();
    if (extension != ".cpp" && extension != ".hpp") continue;
    std::ifstream file{entry.path()};
    std::smatch match;
    for (std::string line; std::getline(file, line);)
      if ((std::regex_search(line, match, ours) && !std::regex_match(match[1].str(), allowed)) ||
          (std::regex_search(line, match, theirs) && std::regex_search(match[1].str(), forbidden)))
        found.push_back(std::filesystem::relative(entry.path(), root).string() + " includes " + match[1].str());
  }
  return found;
}

}  // namespace

TEST_CASE("folders include only what lies below them, and providers no I/O") {
  std::filesystem::path const root{PENSTOCK_SOURCE_DIR};
  std::string const io = "rdkafka|libpq|pqxx|curl|boost/(asio|beast)|sys/socket";
  for (auto const& rule :
       {Rule{"streaming/kafka", R"(streaming/(kafka/)?[a-z_]+\.hpp)", "pqxx|curl"},
        Rule{"streaming/postgres", R"(streaming/(postgres/)?[a-z_]+\.hpp)", "rdkafka|curl"},
        Rule{"streaming/http", R"(streaming/(http/)?[a-z_]+\.hpp)", "rdkafka|pqxx"},
        Rule{"streaming", R"(streaming/.*\.hpp)", ""}, Rule{"schemas", R"(schemas/.*\.hpp|streaming/[a-z_]+\.hpp)", io},
        Rule{"agents/providers", R"(agents/provider\.hpp|agents/providers/.*|schemas/.*|streaming/[a-z_]+\.hpp)", io},
        Rule{"agents/transform", R"(agents/provider\.hpp|agents/transform/.*|schemas/.*|streaming/[a-z_]+\.hpp)", io}}) {
    CAPTURE(rule.folder);
    auto const lines = broken(root, rule);
    for (auto const& line : lines) MESSAGE(line);
    CHECK(lines.empty());
  }
}
