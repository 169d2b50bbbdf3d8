#include "streaming/postgres/tables.hpp"

#include "streaming/fault.hpp"
#include "streaming/join.hpp"
#include "streaming/postgres/connection.hpp"

#include <algorithm>
#include <format>
#include <ranges>

namespace penstock::postgres {
namespace {

template <class Spell>
std::string join_spelled(std::vector<std::string> const& names, std::string_view between, Spell spell) {
  return join(names | std::views::transform(spell), between);
}

std::string column_list(std::vector<std::string> const& names) {
  return join_spelled(names, ", ", [](std::string const& name) { return identifier(name); });
}

bool has(std::vector<std::string> const& names, std::string_view name) { return std::ranges::contains(names, name); }

std::string same_identity(TableShape const& shape, std::string_view other) {
  return join_spelled(shape.identity, " and ", [&](std::string const& name) {
    return std::string{other} + "." + identifier(name) + " = s." + identifier(name);
  });
}

// Plain equality where nulls cannot be, which is what an index or a hash can serve.
std::string same_content(TableShape const& shape, std::string_view other) {
  auto columns = shape.columns;
  std::erase(columns, "received_at");
  return join_spelled(columns, " and ", [&](std::string const& name) {
    auto const plain = name == "source" || name == "symbol" || name == "time";
    return std::string{other} + "." + identifier(name) + (plain ? " = s." : " is not distinct from s.") + identifier(name);
  });
}

// An identity of which a part is absent (a ticker without a sequence) is the whole content.
std::string identity_is_complete(TableShape const& shape) {
  return join_spelled(shape.identity, " and ", [](std::string const& name) { return "s." + identifier(name) + " is not null"; });
}

std::string in_range() { return std::format("{0} >= $1::bigint and {0} < $2::bigint", row_column); }

}  // namespace

std::string staging_name(TableShape const& shape) { return identifier("staging_" + shape.name); }

// With the table's constraints, so that a bad row is refused by the COPY, which names its line.
std::string create_staging(TableShape const& shape) {
  return "create temporary table if not exists " + staging_name(shape) + " (like " + identifier(shape.name) +
         " including constraints, " + std::string{row_column} + " bigint not null) on commit delete rows";
}

std::string copy_rows(TableShape const& shape) {
  return "copy " + identifier(shape.name) + " (" + column_list(shape.columns) + ") from stdin (format binary)";
}

std::string copy_staging(TableShape const& shape) {
  return "copy " + staging_name(shape) + " (" + column_list(shape.columns) + ", " + std::string{row_column} +
         ") from stdin (format binary)";
}

std::string merge_later_wins(TableShape const& shape) {
  auto changing = shape.columns;
  std::erase_if(changing, [&](std::string const& name) { return has(shape.identity, name); });
  auto const columns = column_list(shape.columns), identity = column_list(shape.identity);
  auto const yields = [&](std::string_view row) {
    return std::string{row} + identifier(shape.yields_column) + " = '" + shape.yields_value + "'";
  };
  auto const closed_first = shape.yields_column.empty() ? "" : "(" + yields("") + "), ";
  auto const not_yielding = shape.yields_column.empty() ? "" : " and (" + yields("t.") + " or not " + yields("excluded.") + ")";
  // The same order in which single rows would replace each other, so that it does not matter how batches were cut.
  return "insert into " + identifier(shape.name) + " as t (" + columns + ") select " + columns + " from (select distinct on (" +
         identity + ") * from " + staging_name(shape) + " where " + in_range() + " order by " + identity +
         ", received_at desc, " + closed_first + std::string{row_column} + " desc) s on conflict (" + identity +
         ") do update set " +
         join_spelled(changing, ", ",
                      [](std::string const& name) { return identifier(name) + " = excluded." + identifier(name); }) +
         " where excluded.received_at > t.received_at or (excluded.received_at = t.received_at" + not_yielding + ")";
}

std::string staged_times(TableShape const& shape) {
  // A provider may give the same trade a slightly different time over another channel.
  auto const slack = shape.identity_is_content || has(shape.identity, "time") ? "interval '0'" : "interval '1 minute'";
  return std::string{"select min(time) - "} + slack + ", max(time) + " + slack + " from " + staging_name(shape);
}

std::vector<DeleteDuplicates> delete_duplicates(TableShape const& shape) {
  auto const row = std::string{row_column};
  auto const begin = "delete from " + staging_name(shape) + " s where ";
  auto const end = " returning s." + row;
  auto const earlier = "exists (select from " + staging_name(shape) + " o where o." + row + " < s." + row + " and ";
  // The bounds let the planner leave out all other chunks.
  auto const stored =
      "exists (select from " + identifier(shape.name) + " o where o.time between $1::timestamptz and $2::timestamptz and ";
  auto const by_content = same_content(shape, "o");
  if (shape.identity_is_content)
    return {{begin + earlier + by_content + ")" + end, false}, {begin + stored + by_content + ")" + end, true}};
  auto const by_identity = same_identity(shape, "o");
  auto const complete = "(" + identity_is_complete(shape) + ") and ",
             incomplete = "not (" + identity_is_complete(shape) + ") and ";
  return {{begin + complete + earlier + by_identity + ")" + end, false},
          {begin + complete + stored + by_identity + ")" + end, true},
          {begin + incomplete + earlier + by_content + ")" + end, false},
          {begin + incomplete + stored + by_content + ")" + end, true}};
}

std::string insert_staged(TableShape const& shape) {
  auto const columns = column_list(shape.columns);
  return "insert into " + identifier(shape.name) + " (" + columns + ") select " + columns + " from " + staging_name(shape) +
         " where " + in_range() + " order by " + std::string{row_column};
}

}  // namespace penstock::postgres
