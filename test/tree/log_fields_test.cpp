// Log lines have one schema: the names of their fields are those of docs/operations/logs.md, and every error says what to do.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

std::filesystem::path const root{PENSTOCK_SOURCE_DIR};

std::string text_of(std::filesystem::path const& path) {
  std::ifstream in{path};
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// The end of the call that begins at its opening bracket.
std::size_t end_of_call(std::string const& text, std::size_t at) {
  int depth = 0;
  do {
    if (text[at] == '"')
      for (++at; text[at] != '"'; ++at) at += text[at] == '\\';
    depth += (text[at] == '(') - (text[at] == ')');
    ++at;
  } while (depth > 0);
  return at;
}

struct LogCall {
  std::string file, level, text;
};

std::vector<LogCall> log_calls() {
  static std::regex const begin{R"(\blog::(debug|info|warning|error|write)\()"};
  std::vector<LogCall> calls;
  for (auto const* folder : {"agents", "schemas", "streaming"})
    for (auto const& entry : std::filesystem::recursive_directory_iterator{root / folder}) {
      if (entry.path().extension() != ".cpp") continue;
      auto const text = text_of(entry.path());
      for (std::sregex_iterator found{text.begin(), text.end(), begin}, none; found != none; ++found) {
        auto const open = static_cast<std::size_t>(found->position() + found->length()) - 1;
        calls.push_back({entry.path().filename().string(), (*found)[1], text.substr(open, end_of_call(text, open) - open)});
      }
    }
  return calls;
}

std::set<std::string> fields_of(std::string const& call) {
  static std::regex const field{R"re(\{\s*"(\w+)",)re"};
  std::set<std::string> names;
  for (std::sregex_iterator found{call.begin(), call.end(), field}, none; found != none; ++found) names.insert((*found)[1]);
  return names;
}

/// The words in `code` of the first column of the first table.
std::set<std::string> documented() {
  auto const text = text_of(root / "docs/operations/logs.md");
  auto const from = text.find("|---|---|"), to = text.find("\n\n", from);
  static std::regex const row{R"(\n\| ([^|]*) \|)"}, word{"`(\\w+)`"};
  std::set<std::string> names;
  auto const table = text.substr(from, to - from);
  for (std::sregex_iterator found{table.begin(), table.end(), row}, none; found != none; ++found) {
    std::string const cell = (*found)[1];
    for (std::sregex_iterator name{cell.begin(), cell.end(), word}; name != none; ++name) names.insert((*name)[1]);
  }
  return names;
}

}  // namespace

TEST_CASE("log: the fields of all lines are those that docs/operations/logs.md lists") {
  std::set<std::string> used{"time", "level", "agent", "message", "repeated"};
  for (auto const& call : log_calls()) used.merge(fields_of(call.text));
  auto const listed = documented();
  for (auto const& name : used) CHECK_MESSAGE(listed.contains(name), "docs/operations/logs.md does not list ", name);
  for (auto const& name : listed) CHECK_MESSAGE(used.contains(name), "no log line has the field ", name);
}

TEST_CASE("log: every error says what to do") {
  std::size_t errors = 0;
  for (auto const& call : log_calls()) {
    if (call.level != "error") continue;
    ++errors;
    CHECK_MESSAGE(fields_of(call.text).contains("do"), call.file, ": ", call.text);
  }
  CHECK(errors > 0);
}
