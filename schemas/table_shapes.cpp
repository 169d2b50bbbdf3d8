#include "schemas/table_shapes.hpp"

#include "schemas/fields.hpp"
#include "streaming/fault.hpp"

#include <algorithm>

namespace penstock {
namespace {

char const* type_of(std::type_identity<std::string>) { return "text"; }
char const* type_of(std::type_identity<Decimal>) { return "numeric"; }
char const* type_of(std::type_identity<Time>) { return "timestamp with time zone"; }
char const* type_of(std::type_identity<std::int64_t>) { return "bigint"; }
char const* type_of(std::type_identity<bool>) { return "boolean"; }
char const* type_of(std::type_identity<Levels>) { return "numeric[]"; }
template <Word Value>
char const* type_of(std::type_identity<Value>) {
  return "text";
}
template <class Value>
char const* type_of(std::type_identity<std::optional<Value>>) {
  return type_of(std::type_identity<Value>{});
}

std::vector<std::string> types_of(std::string_view kind) {
  return with_kind(kind, std::vector<std::string>{}, []<class Kind>() {
    std::vector<std::string> types;
    for_each_field<Kind>([&]<std::size_t i>() {
      using Value = std::remove_cvref_t<decltype(std::declval<Kind>().*std::get<i>(fields<Kind>).member)>;
      types.emplace_back(type_of(std::type_identity<Value>{}));
    });
    return types;
  });
}

}  // namespace

TableShape table_shape_of(std::string_view kind) {
  auto const columns = columns_of(kind);
  if (columns.empty()) throw Fault{Fault::Kind::fatal, "no kind of record is named " + std::string{kind}};
  auto const identity = identity_columns_of(kind);
  TableShape shape{
      .name = std::string{kind},
      .columns = {columns.begin(), columns.end()},
      .types = types_of(kind),
      .identity = {identity.begin(), identity.end()},
      .grouped_by =
          static_cast<std::size_t>(std::ranges::find(columns, kind == Stat::kind ? "name" : "symbol") - columns.begin()),
      .later_wins = conflict_of(kind) == Conflict::later_wins,
      .identity_is_content = identity.size() + 1 == columns.size() && !std::ranges::contains(identity, "received_at"),
      .yields_column = {},
      .yields_value = {}};
  if (kind == Gap::kind) {
    shape.yields_column = "state";
    shape.yields_value = to_text(GapState::open);
  }
  return shape;
}

}  // namespace penstock
