#include "agents/schema_registry.hpp"

#include "agents/settings.hpp"
#include "schemas/kinds.hpp"
#include "schemas/texts.hpp"
#include "streaming/fault.hpp"
#include "streaming/json.hpp"
#include "test/folder.hpp"
#include "test/server.hpp"

#include <doctest/doctest.h>
#include <simdjson.h>

#include <algorithm>
#include <format>
#include <map>
#include <string>
#include <string_view>
#include <vector>

using namespace penstock;
using namespace penstock::test;

namespace {

/// What a registry answers, as its documentation has it; a schema with the word "breaks" does not fit any other.
class FakeRegistry {
 public:
  std::map<std::string, std::vector<std::string>> schemas;
  std::map<std::string, std::string> levels;
  std::string authorization;  ///< what it wants to see; "": nothing
  std::vector<std::string> asked;

  std::string url() const { return server_.http(); }

 private:
  static Response reply(int status, std::string body) { return {.status = status, .body = std::move(body)}; }
  static Response error(int status, int code, std::string const& message) {
    return reply(status, std::format(R"({{"error_code":{},"message":{}}})", code, json_string(message)));
  }
  static std::string text_in(Request const& request, char const* name) {
    simdjson::dom::parser parser;
    auto const document = parser.parse(request.body);
    if (request.header("Content-Type") != "application/vnd.schemaregistry.v1+json") return "wrong type";
    return std::string{std::string_view{document[name]}};
  }

  Response answer(Request const& request) {
    auto const &target = request.target, &method = request.method;
    asked.push_back(method + ' ' + target);
    if (!authorization.empty() && request.header("Authorization") != authorization) return error(401, 40101, "Unauthorized");
    auto const part = [&](std::string_view prefix, std::string_view suffix) -> std::string {
      if (!target.starts_with(prefix) || !target.ends_with(suffix)) return {};
      return target.substr(prefix.size(), target.size() - prefix.size() - suffix.size());
    };
    if (auto const subject = part("/config/", ""); !subject.empty()) {
      if (method == "PUT") levels[subject] = text_in(request, "compatibility");
      if (!levels.contains(subject)) return error(404, 40408, "Subject does not have subject-level compatibility configured");
      return reply(200, R"({"compatibilityLevel":)" + json_string(levels[subject]) + "}");
    }
    if (text_in(request, "schemaType") != "JSON") return error(422, 42201, "Invalid schema");
    auto const schema = text_in(request, "schema");
    if (auto const subject = part("/compatibility/subjects/", "/versions/latest?verbose=true"); !subject.empty()) {
      if (!schemas.contains(subject)) return error(404, 40401, "Subject not found");
      if (schema.contains("\"breaks\"")) return reply(200, R"({"is_compatible":false,"messages":["a field was taken away"]})");
      return reply(200, R"({"is_compatible":true,"messages":[]})");
    }
    if (auto const subject = part("/subjects/", "/versions"); !subject.empty()) {
      if (schema.contains("\"breaks\"")) return error(409, 409, "Schema being registered is incompatible with an earlier schema");
      schemas[subject].push_back(schema);
      return reply(200, R"({"id":1})");
    }
    auto const subject = part("/subjects/", "");
    if (!schemas.contains(subject)) return error(404, 40401, "Subject '" + subject + "' not found.");
    auto const& all = schemas[subject];
    auto const found = std::ranges::find(all, schema);
    if (found == all.end()) return error(404, 40403, "Schema not found");
    return reply(200, std::format(R"({{"subject":"{}","id":1,"version":{}}})", subject, found - all.begin() + 1));
  }

  Server server_{http_answers([this](Request const& request) { return answer(request); })};
};

Config config_for(std::string const& url, std::string const& more = {}) {
  return load_config(File{"[schema_registry]\nurl = \"" + url + "\"\n" + more}.path);
}

std::vector<TextFile> const texts{
    {"trades.json", R"({"title":"trades"})"}, {"trades.sql", "create"}, {"books.json", R"({"a":"\"é"})"}};

std::vector<std::string> words(std::vector<SchemaDifference> const& differences) {
  std::vector<std::string> all;
  for (auto const& [kind, subject, schema, detail] : differences) all.push_back(subject + ": " + detail);
  return all;
}

}  // namespace

TEST_CASE("schema registry: what is missing is registered, asked to stay backward compatible, and then nothing differs") {
  FakeRegistry fake;
  fake.levels["md.books-value"] = "NONE";
  SchemaRegistry registry{config_for(fake.url() + "/")};
  auto const differences = plan_schemas(registry, texts);
  CHECK(words(differences) == std::vector<std::string>{"md.trades-value: changes must be BACKWARD, now the registry's default",
                                                       "md.trades-value: JSON Schema of trades.json",
                                                       "md.books-value: changes must be BACKWARD, now NONE",
                                                       "md.books-value: JSON Schema of books.json"});
  CHECK(fake.schemas.empty());  // A plan changes nothing.
  apply_schemas(registry, differences);
  CHECK(fake.schemas["md.trades-value"] == std::vector<std::string>{R"({"title":"trades"})"});
  CHECK(fake.schemas["md.books-value"] == std::vector<std::string>{R"({"a":"\"é"})"});
  CHECK(fake.levels == std::map<std::string, std::string>{{"md.books-value", "BACKWARD"}, {"md.trades-value", "BACKWARD"}});
  CHECK(plan_schemas(registry, texts).empty());
}

TEST_CASE("schema registry: what it would refuse is in the plan with its reason, and is not sent") {
  FakeRegistry fake;
  fake.schemas["md.trades-value"] = {"{}"};
  fake.levels["md.trades-value"] = "BACKWARD";
  SchemaRegistry registry{config_for(fake.url())};
  auto const differences = plan_schemas(registry, {{"trades.json", R"({"breaks":1})"}});
  REQUIRE(differences.size() == 1);
  CHECK(differences[0].kind == SchemaDifference::Kind::refused);
  CHECK(differences[0].detail == "a field was taken away");
  apply_schemas(registry, differences);
  CHECK(fake.schemas["md.trades-value"] == std::vector<std::string>{"{}"});
  CHECK_THROWS_WITH_AS(registry.add("md.trades-value", R"({"breaks":1})"),
                       "cannot register md.trades-value: the schema registry says 409 Schema being registered is incompatible "
                       "with an earlier schema",
                       Fault);
}

TEST_CASE("schema registry: user and password are sent, and a wrong one is told with the settings to change") {
  FakeRegistry fake;
  fake.authorization = "Basic bWU6c2VjcmV0";  // me:secret
  SchemaRegistry good{config_for(fake.url(), "user = \"me\"\npassword = \"secret\"\n")};
  CHECK(plan_schemas(good, texts).size() == 4);
  SchemaRegistry nobody{config_for(fake.url())};
  try {
    plan_schemas(nobody, texts);
    FAIL("it was let in");
  } catch (Fault const& fault) {
    CHECK(fault.kind() == Fault::Kind::refused);
    CHECK(std::string{fault.what()}.contains("schema_registry.password"));
  }
}

TEST_CASE("schema registry: one that is away is a fault that names the setting") {
  SchemaRegistry registry{config_for("http://127.0.0.1:" + std::to_string(dead_port()))};
  CHECK_THROWS_WITH_AS(plan_schemas(registry, texts), doctest::Contains("change schema_registry.url"), Fault);
}

TEST_CASE("schema registry: the program's own schemas are one subject for each kind") {
  FakeRegistry fake;
  SchemaRegistry registry{config_for(fake.url())};
  apply_schemas(registry, plan_schemas(registry, schema_texts()));
  CHECK(fake.schemas.size() == kind_names.size());
  for (auto const kind : kind_names) CHECK(fake.schemas.contains("md." + std::string{kind} + "-value"));
  CHECK(plan_schemas(registry, schema_texts()).empty());
}
