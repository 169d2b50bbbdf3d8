// A schema that was released may grow, but not break its readers: schemas/released/<kind>.v<version>.json is what they were told.
#include "schemas/kinds.hpp"
#include "schemas/texts.hpp"

#include <doctest/doctest.h>
#include <simdjson.h>

#include <algorithm>
#include <filesystem>
#include <format>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

using namespace penstock;
namespace dom = simdjson::dom;

namespace {

using Texts = std::vector<std::string>;

struct Document {
  explicit Document(std::string const& text) { REQUIRE(parser.parse(text).get(root) == simdjson::SUCCESS); }
  dom::parser parser;
  dom::object root;
};

/// What a schema says at a place, its $ref followed.
dom::object resolved(dom::object schema, dom::object root) {
  std::string_view reference;
  if (schema["$ref"].get(reference) != simdjson::SUCCESS) return schema;
  return root.at_pointer(reference.substr(1)).get_object().value();
}

std::string spelled(dom::object schema, char const* key) {
  dom::element found;
  return schema[key].get(found) == simdjson::SUCCESS ? std::string{simdjson::minify(found)} : "";
}

std::set<std::string> words(dom::object schema, char const* key) {
  std::set<std::string> all;
  if (dom::array list; schema[key].get(list) == simdjson::SUCCESS)
    for (auto const word : list) all.insert(simdjson::minify(word));
  return all;
}

/// How what was good by `before` may be bad by `now`.
struct Comparison {
  dom::object before_root, now_root;
  Texts breaks{};

  void compare(std::string const& at, dom::object before_raw, dom::object now_raw) {
    auto const before = resolved(before_raw, before_root), now = resolved(now_raw, now_root);
    for (auto const* key : {"type", "pattern", "format", "const"})
      if (spelled(before, key) != spelled(now, key))
        breaks.push_back(std::format("{}: {} was {}, is {}", at, key, spelled(before, key), spelled(now, key)));
    for (auto const* key : {"maxLength", "maxItems", "maximum"}) compare_limit(at, key, before, now, 1);
    for (auto const* key : {"minLength", "minItems", "minimum"}) compare_limit(at, key, before, now, -1);
    compare_words(at, before, now);
    if (dom::object one, other; before["items"].get(one) == simdjson::SUCCESS && now["items"].get(other) == simdjson::SUCCESS)
      compare(at + "[]", one, other);
    dom::array ones, others;
    if (before["prefixItems"].get(ones) == simdjson::SUCCESS && now["prefixItems"].get(others) == simdjson::SUCCESS)
      for (std::size_t i = 0; i < std::min(ones.size(), others.size()); ++i)
        compare(std::format("{}[{}]", at, i), ones.at(i).get_object().value(), others.at(i).get_object().value());
    compare_properties(at, before, now);
  }

  void compare_limit(std::string const& at, char const* key, dom::object before, dom::object now, int sign) {
    std::int64_t was = 0, is = 0;
    auto const had = before[key].get(was) == simdjson::SUCCESS, has = now[key].get(is) == simdjson::SUCCESS;
    if (has && (!had || (sign > 0 ? is < was : is > was)))
      breaks.push_back(std::format("{}: {} was {}, is {}", at, key, had ? std::to_string(was) : "free", is));
  }

  void compare_words(std::string const& at, dom::object before, dom::object now) {
    auto const were = words(before, "enum"), are = words(now, "enum");
    if (were.empty() && !are.empty()) breaks.push_back(at + ": enum is new");
    for (auto const& word : were)
      if (!are.empty() && !are.contains(word)) breaks.push_back(at + ": enum has lost " + word);
  }

  void compare_properties(std::string const& at, dom::object before, dom::object now) {
    auto const were_required = words(before, "required");
    for (auto const& name : words(now, "required"))
      if (!were_required.contains(name)) breaks.push_back(at + ": required has gained " + name);
    dom::object were, are;
    if (before["properties"].get(were) != simdjson::SUCCESS) return;
    if (now["properties"].get(are) != simdjson::SUCCESS) return breaks.push_back(at + ": properties are gone");
    for (auto const [name, schema] : were) {
      dom::object found;
      if (are[name].get(found) == simdjson::SUCCESS)
        compare(at + '.' + std::string{name}, schema, found);
      else
        breaks.push_back(std::format("{}.{} is gone", at, name));
    }
  }
};

Texts breaks(std::string const& before, std::string const& now) {
  Document const one{before}, other{now};
  Comparison comparison{one.root, other.root};
  comparison.compare("", one.root, other.root);
  return comparison.breaks;
}

int version_of(std::string const& schema) {
  Document const document{schema};
  std::string_view const id = document.root["$id"];
  return std::stoi(std::string{id.substr(id.rfind(':') + 1)});
}

std::filesystem::path folder() { return std::filesystem::path{PENSTOCK_SOURCE_DIR} / "schemas/released"; }

/// The released schemas of a kind, by version.
std::map<int, std::string> released(std::string const& kind) {
  std::map<int, std::string> found;
  for (auto const& file : std::filesystem::directory_iterator{folder()}) {
    auto const name = file.path().filename().string();
    if (!name.starts_with(kind + ".v")) continue;
    std::ifstream in{file.path()};
    found[std::stoi(name.substr(kind.size() + 2))] = {std::istreambuf_iterator<char>{in}, {}};
  }
  return found;
}

}  // namespace

TEST_CASE("released: no schema breaks what its readers were told, unless its version is raised") {
  for (auto const& [name, text] : schema_texts()) {
    if (!name.ends_with(".json")) continue;
    auto const kind = std::string{name.substr(0, name.rfind('.'))};
    auto const versions = released(kind);
    REQUIRE_MESSAGE(!versions.empty(), "schemas/released has no ", kind, ".v1.json: copy schemas/", kind, ".json there");
    auto const& [last, schema] = *versions.rbegin();
    CHECK(version_of(schema) == last);
    auto const now = version_of(std::string{text});
    CHECK_MESSAGE(now >= last, name, ": version ", now, " is older than the released ", last);
    if (now != last) continue;
    for (auto const& why : breaks(schema, std::string{text}))
      FAIL_CHECK("schemas/", name, " breaks readers of version ", last, ": ", why, ". Raise the version (schemas/", kind,
                 ".hpp and $id), or take the change back");
  }
}

TEST_CASE("released: every kind of break is seen, and growing is none") {
  struct Case {
    std::string before, now;
    Texts breaks;
  };
  auto const with = [](std::string const& properties, std::string const& required = "") {
    return R"({"type":"object","required":[)" + required + R"(],"properties":{)" + properties +
           R"(},"$defs":{"text":{"type":"string","maxLength":9},"number":{"type":"integer"}}})";
  };
  for (auto const& [before, now, expected] : {
           Case{with(R"("a":{"$ref":"#/$defs/text"})"), with(R"("a":{"$ref":"#/$defs/text"},"b":{"type":"string"})"), {}},
           Case{with(R"("a":{"type":"string"})", R"("a")"), with(R"("a":{"type":"string"})"), {}},
           Case{with(R"("a":{"enum":["x"]})"), with(R"("a":{"enum":["x","y"]})"), {}},
           Case{with(R"("a":{"type":"string","maxLength":9})"), with(R"("a":{"$ref":"#/$defs/text"})"), {}},
           Case{with(R"("a":{"type":"string"},"b":{"type":"string"})"), with(R"("a":{"type":"string"})"), {".b is gone"}},
           Case{with(R"("a":{"$ref":"#/$defs/text"})"),
                with(R"("a":{"$ref":"#/$defs/number"})"),
                {R"(.a: type was "string", is "integer")"}},
           Case{with(R"("a":{"type":"string"})"), with(R"("a":{"type":"string"})", R"("a")"), {R"(: required has gained "a")"}},
           Case{with(R"("a":{"enum":["x","y"]})"), with(R"("a":{"enum":["y"]})"), {R"(.a: enum has lost "x")"}},
           Case{with(R"("a":{})"), with(R"("a":{"enum":["y"]})"), {".a: enum is new"}},
           Case{with(R"("a":{"pattern":"x"})"), with(R"("a":{"pattern":"y"})"), {R"(.a: pattern was "x", is "y")"}},
           Case{with(R"("a":{"maxLength":9})"), with(R"("a":{"maxLength":8})"), {".a: maxLength was 9, is 8"}},
           Case{with(R"("a":{"minLength":1})"), with(R"("a":{"minLength":2})"), {".a: minLength was 1, is 2"}},
           Case{with(R"("a":{"items":{"type":"string"}})"),
                with(R"("a":{"items":{"type":"integer"}})"),
                {R"(.a[]: type was "string", is "integer")"}},
       }) {
    CAPTURE(now);
    CHECK(breaks(before, now) == expected);
  }
}
