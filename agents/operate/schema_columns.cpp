#include "agents/operate/schema_columns.hpp"

#include <array>
#include <ranges>
#include <string_view>
#include <utility>

namespace penstock {

namespace {

std::string_view word_of(std::string_view& text) {
  auto const from = std::min(text.find_first_not_of(' '), text.size());
  text.remove_prefix(from);
  auto const word = text.substr(0, text.find_first_of(" ,"));
  text.remove_prefix(word.size());
  return word;
}

std::string spelled_out(std::string_view type) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 3> names{
      {{"timestamptz", "timestamp with time zone"}, {"int", "integer"}, {"bool", "boolean"}}};
  for (auto const& [brief, full] : names)
    if (type == brief) return std::string{full};
  // PostgreSQL does not remember how many dimensions were asked for.
  return std::string{type.substr(0, type.find("[]"))} + (type.contains("[]") ? "[]" : "");
}

// Our own files: a column a line, with two spaces before it.
void read(std::string_view sql, Columns& into) {
  constexpr std::string_view begin = "create table ";
  std::map<std::string, std::string>* table = nullptr;
  for (auto const part : std::views::split(sql, '\n')) {
    std::string_view line{part};
    if (line.starts_with(begin)) {
      line.remove_prefix(begin.size());
      table = &into[std::string{word_of(line)}];
    } else if (line.starts_with(')')) {
      table = nullptr;
    } else if (table != nullptr && !line.contains("primary key (")) {
      auto const name = word_of(line), type = word_of(line);
      if (!name.empty()) (*table)[std::string{name}] = spelled_out(type);
    }
  }
}

}  // namespace

Columns planned_columns(std::vector<TextFile> const& texts) {
  Columns planned;
  for (auto const& [name, text] : texts)
    if (name.ends_with(".sql")) read(text, planned);
  return planned;
}

Columns columns_in(postgres::Connection& connection, Columns const& planned) {
  std::vector<postgres::Value> names;
  for (auto const& [table, columns] : planned) names.emplace_back(table);
  Columns found;
  for (auto const& row :
       connection.query("select t.name, a.attname, format_type(a.atttypid, a.atttypmod) from unnest($1::text[]) t(name) "
                        "join pg_attribute a on a.attrelid = to_regclass(t.name) where a.attnum > 0 and not a.attisdropped",
                        {postgres::array_of(names)}))
    found[row[0].value_or("")][row[1].value_or("")] = row[2].value_or("");
  return found;
}

ColumnDifferences compare(Columns const& planned, Columns const& found) {
  ColumnDifferences differences;
  for (auto const& [table, columns] : planned) {
    auto const there = found.find(table);
    if (there == found.end()) {
      differences.wrong.push_back("there is no table " + table);
      continue;
    }
    for (auto const& [name, type] : columns) {
      auto const column = there->second.find(name);
      if (column == there->second.end())
        differences.wrong.push_back(table + " lacks column " + name);
      else if (column->second != type)
        differences.wrong.push_back(table + '.' + name + " is " + column->second + ", planned " + type);
    }
    for (auto const& [name, type] : there->second)
      if (!columns.contains(name)) differences.extra.push_back(table + " has a column " + name + " of its own");
  }
  return differences;
}

}  // namespace penstock
