/// The schema registry: where readers of a topic find what its records look like. Confluent's REST API, which Redpanda has, too.
/// Blocks, each question at most 20 s. One thread. All functions throw Fault with what the registry said, a refused one where
/// it does not let us in.
#pragma once

#include "streaming/config.hpp"
#include "streaming/http/client.hpp"
#include "streaming/text_file.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace penstock {

class SchemaRegistry {
 public:
  /// [schema_registry] of the configuration. Throws UsageError for a file that cannot be read.
  explicit SchemaRegistry(Config const& config);

  /// The version under which this very schema is registered; nothing: it is not.
  std::optional<int> version_of(std::string const& subject, std::string const& schema);
  /// Why the registry would not take the schema beside those that it has; "" where it would.
  std::string objection(std::string const& subject, std::string const& schema);
  /// What the subject's schemas must be to each other: BACKWARD, …; "": the registry's default.
  std::string compatibility_of(std::string const& subject);
  void set_compatibility(std::string const& subject, std::string const& level);
  void add(std::string const& subject, std::string const& schema);

 private:
  http::Reply ask(http::Exchange exchange);
  http::Reply post(std::string const& path, std::string const& schema);

  std::string url_, user_, password_;
  std::unique_ptr<http::Client> client_;
};

/// What differs between our schemas and the registry.
struct SchemaDifference {
  enum class Kind : std::uint8_t { compatibility, add, refused };
  Kind kind;
  std::string subject;  ///< md.trades-value
  std::string schema;   ///< of add and refused
  std::string detail;   ///< for people
};

/// One subject for each <kind>.json of `texts`.
std::vector<SchemaDifference> plan_schemas(SchemaRegistry& registry, std::vector<TextFile> const& texts);
/// Makes those that are not refused.
void apply_schemas(SchemaRegistry& registry, std::vector<SchemaDifference> const& differences);

}  // namespace penstock
