#include "agents/schema_registry.hpp"

#include "agents/connections.hpp"
#include "streaming/fault.hpp"
#include "streaming/json.hpp"

#include <simdjson.h>

#include <algorithm>

namespace penstock {
namespace {

namespace dom = simdjson::dom;

constexpr std::string_view level = "BACKWARD";  ///< readers of the new schema understand what was written with the last one
constexpr int not_found = 404;

std::string body_of(std::string const& schema) { return R"({"schemaType":"JSON","schema":)" + json_string(schema) + "}"; }

/// A text of an answer; "" where it has none.
std::string text_in(std::string const& json, std::string_view name) {
  dom::parser parser;
  dom::element document;
  std::string_view text;
  if (parser.parse(json).get(document) != simdjson::SUCCESS || document[name].get(text) != simdjson::SUCCESS) return {};
  return std::string{text};
}

/// What a registry says against a schema: {"is_compatible": false, "messages": […]}.
std::string objection_in(std::string const& json) {
  dom::parser parser;
  dom::element document;
  bool compatible = false;
  if (parser.parse(json).get(document) != simdjson::SUCCESS || document["is_compatible"].get(compatible) != simdjson::SUCCESS)
    return "the schema registry's answer is none: " + json;
  if (compatible) return {};
  std::string why;
  if (dom::array messages; document["messages"].get(messages) == simdjson::SUCCESS)
    for (auto const message : messages)
      if (std::string_view text; message.get(text) == simdjson::SUCCESS) why.append(why.empty() ? "" : "; ").append(text);
  return why.empty() ? "it does not fit the version before" : why;
}

[[noreturn]] void fail(http::Reply const& reply, std::string const& doing) {
  auto const said = text_in(reply.body, "message");
  auto const why = said.empty() ? reply.body : said;
  if (reply.status == 0)
    throw Fault{Fault::Kind::fatal, doing + ": " + why + ": start the schema registry, or change schema_registry.url"};
  auto const text = doing + ": the schema registry says " + std::to_string(reply.status) + ' ' + why;
  if (reply.status == 401 || reply.status == 403)
    throw Fault{Fault::Kind::refused,
                text + ": set schema_registry.user and schema_registry.password, or give that user the right"};
  throw Fault{Fault::Kind::fatal, text};
}

}  // namespace

SchemaRegistry::SchemaRegistry(Config const& config)
    : url_{config.text("schema_registry.url")},
      user_{config.text("schema_registry.user")},
      password_{config.text("schema_registry.password")},
      client_{http::make_client(readable_file(config, "schema_registry.tls_ca_file"))} {
  while (url_.ends_with('/')) url_.pop_back();
}

http::Reply SchemaRegistry::ask(http::Exchange exchange) {
  exchange.url = url_ + exchange.url;
  exchange.user = user_;
  exchange.password = password_;
  exchange.headers = {{"Accept", "application/vnd.schemaregistry.v1+json"},
                      {"Content-Type", "application/vnd.schemaregistry.v1+json"}};
  std::optional<http::Reply> reply;
  client_->request(std::move(exchange), [&](http::Reply answer) { reply = std::move(answer); });
  while (!reply) client_->run(std::chrono::milliseconds{100});
  return *reply;
}

http::Reply SchemaRegistry::post(std::string const& path, std::string const& schema) {
  return ask({.post = true, .url = path, .body = body_of(schema)});
}

std::optional<int> SchemaRegistry::version_of(std::string const& subject, std::string const& schema) {
  auto const reply = post("/subjects/" + subject, schema);
  if (reply.status == not_found) return std::nullopt;
  dom::parser parser;
  dom::element document;
  std::int64_t version = 0;
  if (reply.status != 200 || parser.parse(reply.body).get(document) != simdjson::SUCCESS ||
      document["version"].get(version) != simdjson::SUCCESS)
    fail(reply, "cannot ask for " + subject);
  return static_cast<int>(version);
}

std::string SchemaRegistry::objection(std::string const& subject, std::string const& schema) {
  auto const reply = post("/compatibility/subjects/" + subject + "/versions/latest?verbose=true", schema);
  if (reply.status == not_found) return {};  // It has none yet.
  if (reply.status == 422) return text_in(reply.body, "message");
  if (reply.status != 200) fail(reply, "cannot ask whether " + subject + " may change");
  return objection_in(reply.body);
}

std::string SchemaRegistry::compatibility_of(std::string const& subject) {
  auto const reply = ask({.url = "/config/" + subject});
  if (reply.status == not_found) return {};
  if (reply.status != 200) fail(reply, "cannot ask how " + subject + " may change");
  return text_in(reply.body, "compatibilityLevel");
}

void SchemaRegistry::set_compatibility(std::string const& subject, std::string const& wanted) {
  auto const reply = ask({.put = true, .url = "/config/" + subject, .body = R"({"compatibility":)" + json_string(wanted) + "}"});
  if (reply.status != 200) fail(reply, "cannot say how " + subject + " may change");
}

void SchemaRegistry::add(std::string const& subject, std::string const& schema) {
  auto const reply = post("/subjects/" + subject + "/versions", schema);
  if (reply.status != 200) fail(reply, "cannot register " + subject);
}

std::vector<SchemaDifference> plan_schemas(SchemaRegistry& registry, std::vector<TextFile> const& texts) {
  using Kind = SchemaDifference::Kind;
  std::vector<SchemaDifference> differences;
  for (auto const& [name, text] : texts) {
    if (!name.ends_with(".json")) continue;
    std::string const subject = "md." + std::string{name.substr(0, name.rfind('.'))} + "-value", schema{text};
    if (auto const now = registry.compatibility_of(subject); now != level)
      differences.push_back(
          {Kind::compatibility,
           subject,
           {},
           "changes must be " + std::string{level} + ", now " + (now.empty() ? "the registry's default" : now)});
    if (registry.version_of(subject, schema)) continue;
    auto const why = registry.objection(subject, schema);
    differences.push_back(
        {why.empty() ? Kind::add : Kind::refused, subject, schema, why.empty() ? "JSON Schema of " + std::string{name} : why});
  }
  return differences;
}

void apply_schemas(SchemaRegistry& registry, std::vector<SchemaDifference> const& differences) {
  using Kind = SchemaDifference::Kind;
  for (auto const& [kind, subject, schema, detail] : differences) {
    if (kind == Kind::compatibility) registry.set_compatibility(subject, std::string{level});
    if (kind == Kind::add) registry.add(subject, schema);
  }
}

}  // namespace penstock
