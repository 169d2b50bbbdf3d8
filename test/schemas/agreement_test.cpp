// The three faces of a kind say the same: the C++ field list, the JSON Schema and the SQL table.
#include "samples.hpp"
#include "schemas/texts.hpp"
#include "test/copy_text.hpp"
#include "test/folder.hpp"

#include <simdjson.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <fstream>
#include <map>
#include <sstream>

using namespace penstock;
using namespace penstock::samples;
namespace dom = simdjson::dom;

namespace {

std::string text_of(std::string const& name) {
  for (auto const& [file, text] : schema_texts())
    if (file == name) return std::string{text};
  FAIL("schemas/" << name << " is missing");
  return {};
}

struct Face {
  std::string json;  ///< of $defs, or the words of an enum
  std::string sql;
  std::string column;  ///< as a select gives it in the form of copy_line
};

Face face(std::type_identity<std::string>) { return {"text", "text", "{}"}; }
Face face(std::type_identity<Decimal>) { return {"decimal", "numeric", "{}"}; }
Face face(std::type_identity<Time>) {
  return {"time", "timestamp with time zone", "to_char({} at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"};
}
Face face(std::type_identity<std::int64_t>) { return {"integer", "bigint", "{}"}; }
Face face(std::type_identity<bool>) { return {"boolean", "boolean", "{}"}; }
Face face(std::type_identity<Levels>) { return {"levels", "numeric[]", "{}"}; }
template <Word Value>
Face face(std::type_identity<Value> type) {
  std::string list;
  for (auto const each : words(type)) list.append(list.empty() ? "" : ",").append(each);
  return {list, "text", "{}"};
}
template <class Value>
Face face(std::type_identity<std::optional<Value>>) {
  return face(std::type_identity<Value>{});
}
template <class Kind, std::size_t i>
Face face_of() {
  return face(std::type_identity<std::remove_cvref_t<decltype(std::declval<Kind>().*std::get<i>(fields<Kind>).member)>>{});
}

/// A property's type: its $ref without "#/$defs/", or its words.
std::string type_of(dom::object property) {
  if (std::string_view reference; property["$ref"].get(reference) == simdjson::SUCCESS) {
    CHECK(reference.starts_with("#/$defs/"));
    return std::string{reference.substr(8)};
  }
  std::string list;
  for (auto const each : property["enum"].get_array()) list.append(list.empty() ? "" : ",").append(std::string_view{each});
  return list;
}

}  // namespace

TEST_CASE("agreement: the JSON Schema of a kind has the names, types and required fields of its record, in order") {
  dom::parser parser;
  for_each_kind([&]<class Kind>() {
    dom::object const schema = parser.parse(text_of(std::string{Kind::kind} + ".json"));
    CHECK(std::string_view{schema["$schema"]} == "https://json-schema.org/draft/2020-12/schema");
    CHECK(std::string_view{schema["title"]} == Kind::kind);
    CHECK(std::string_view{schema["$id"]} == std::format("urn:penstock:{}:{}", Kind::kind, Kind::version));

    std::vector<std::pair<std::string, std::string>> said, expected;
    std::vector<std::string_view> said_required, expected_required;
    for (auto const [name, property] : dom::object{schema["properties"]}) {
      said.emplace_back(name, type_of(property));
      CHECK_FALSE(std::string_view{property["description"]}.empty());
      if (property["$ref"].error() == simdjson::SUCCESS)
        CHECK(dom::object{schema["$defs"]}[said.back().second].error() == simdjson::SUCCESS);
    }
    for (auto const name : dom::array{schema["required"]}) said_required.push_back(name);
    for_each_field<Kind>([&]<std::size_t i>() {
      constexpr auto field = std::get<i>(fields<Kind>);
      expected.emplace_back(field.name, face_of<Kind, i>().json);
      if (field.presence == Presence::required) expected_required.push_back(field.name);
    });
    CHECK(said == expected);
    CHECK(said_required == expected_required);
  });
}

TEST_CASE("agreement: limits in the JSON Schema are those of parse_record") {
  dom::parser parser;
  dom::object const schema = parser.parse(text_of("books.json"));
  CHECK(std::size_t{schema.at_pointer("/$defs/levels/maxItems").get_uint64().value()} == levels_count_max);
  CHECK(std::size_t{schema.at_pointer("/$defs/text/maxLength").get_uint64().value()} == text_bytes_max);
}

namespace {

/// Runs SQL with psql in the test database and gives what it prints; nothing it does remains.
std::string run_sql(std::string const& sql) {
  auto const folder = std::filesystem::temp_directory_path() / std::format("penstock-schemas-{}", ::getpid());
  std::filesystem::create_directories(folder);
  std::ofstream{folder / "test.sql"} << "\\set ON_ERROR_STOP 1\nset client_min_messages = warning;\n"
                                     << "create extension if not exists timescaledb;\nbegin;\n"
                                     << sql << "\nrollback;\n";
  auto const command = std::format(
      "psql -X -q -A -t -F ' ' -d \"$PENSTOCK_TEST_DATABASE\" -f {0}/test.sql > {0}/out 2> {0}/error", folder.string());
  auto const status = std::system(command.c_str());  // NOLINT(concurrency-mt-unsafe)
  auto const read = [&](char const* name) { return (std::stringstream{} << std::ifstream{folder / name}.rdbuf()).str(); };
  auto const out = read("out");
  auto const error = read("error");
  std::filesystem::remove_all(folder);
  INFO(error);
  REQUIRE(status == 0);
  return out;
}

bool database_is_there() {
  if (std::getenv("PENSTOCK_TEST_DATABASE") != nullptr) return true;  // NOLINT(concurrency-mt-unsafe)
  MESSAGE("skipped: PENSTOCK_TEST_DATABASE is not set");
  return false;
}

/// The first line that is not the same, "" where there is none.
std::string first_difference(std::string const& said, std::string const& expected) {
  std::istringstream left{said}, right{expected};
  std::string one, other;
  while (true) {
    bool const more_left = static_cast<bool>(std::getline(left, one)), more_right = static_cast<bool>(std::getline(right, other));
    if (!more_left && !more_right) return {};
    if (more_left != more_right || one != other) return one + "\nis not\n" + other;
  }
}

/// A schema of its own with this kind's table.
std::string table_of(std::string_view kind) {
  return std::format(
      "create schema penstock_agreement;\nset local search_path = penstock_agreement, public;\n\\o /dev/null\n{}\n\\o\n",
      text_of(std::string{kind} + ".sql"));
}

}  // namespace

TEST_CASE("agreement: the table of a kind has the columns of its record, with their types, in order, and says what they mean") {
  if (!database_is_there()) return;
  for_each_kind([]<class Kind>() {
    auto const said =
        run_sql(table_of(Kind::kind) +
                "select a.attname, case when a.attnotnull then 'required' else 'optional' end, "
                "case when d.description is null then 'silent' else 'described' end, format_type(a.atttypid, a.atttypmod) "
                "from pg_attribute a left join pg_description d on d.objoid = a.attrelid and d.objsubid = a.attnum "
                "where a.attrelid = '" +
                std::string{Kind::kind} +
                "'::regclass and a.attnum > 0 order by a.attnum;\n"
                "select obj_description('" +
                std::string{Kind::kind} + "'::regclass) <> '';");
    std::string expected;
    for_each_field<Kind>([&]<std::size_t i>() {
      constexpr auto field = std::get<i>(fields<Kind>);
      expected += std::format("{} {} described {}\n", field.name, field.presence == Presence::required ? "required" : "optional",
                              face_of<Kind, i>().sql);
    });
    CHECK(said == expected + "t\n");
  });
}

TEST_CASE("agreement: the database gives back every COPY row as it was, whatever is in it") {
  if (!database_is_there()) return;
  auto const seed = std::random_device{}();
  CAPTURE(seed);
  Random random{seed};
  for_each_kind([&]<class Kind>() {
    std::string rows{"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19}, lines, columns, values;
    auto const give = [&](MarketRecord const& record) {
      append_copy_row(rows, record);
      lines += test::copy_line(record);
    };
    give(full<Kind>());
    give(bare<Kind>());
    for (int i = 0; i < 50; ++i) give(random.record<Kind>());
    rows += "\377\377";
    for_each_field<Kind>([&]<std::size_t i>() {
      auto const column = std::format("\"{}\"", std::get<i>(fields<Kind>).name);
      columns += (i == 0 ? "" : ", ") + column;
      values += (i == 0 ? "" : ", ") + std::vformat(face_of<Kind, i>().column, std::make_format_args(column));
    });
    test::File const file{rows};
    auto const given_back =
        run_sql(table_of(Kind::kind) + std::format("create temporary table given (position serial, like {0});\n"
                                                   "\\copy given ({1}) from '{2}' (format binary)\n"
                                                   "copy (select {3} from given order by position) to stdout;",
                                                   Kind::kind, columns, file.path, values));
    CHECK(first_difference(given_back, lines) == "");
  });
}

TEST_CASE("agreement: append-only hypertables have one index that is not unique, upserts one on their identity") {
  if (!database_is_there()) return;
  for_each_kind([]<class Kind>() {
    auto const said =
        run_sql(table_of(Kind::kind) +
                "select i.indisunique, string_agg(a.attname, ',' order by a.attname) from pg_index i "
                "join pg_attribute a on a.attrelid = i.indexrelid where i.indrelid = '" +
                std::string{Kind::kind} +
                "'::regclass group by i.indexrelid, i.indisunique;\n"
                "select column_name from timescaledb_information.dimensions where hypertable_schema = 'penstock_agreement';");
    bool const plain = Kind::kind == "instruments" || Kind::kind == "venues";
    std::string const dimension = plain ? "" : Kind::kind == "gaps" ? "from_time\n" : "time\n";
    if constexpr (Kind::conflict == Conflict::later_wins) {
      std::vector<std::string_view> identity{std::begin(Kind::identity), std::end(Kind::identity)};
      std::ranges::sort(identity);
      std::string list;
      for (auto const name : identity) list.append(list.empty() ? "" : ",").append(name);
      CHECK(said == "t " + list + '\n' + dimension);
    } else {
      CHECK(said == (Kind::kind == "stats" ? "f name,symbol,time\n" : "f symbol,time\n") + dimension);
    }
  });
}

TEST_CASE("agreement: a later record of an upsert kind takes the place of the earlier one") {
  if (!database_is_there()) return;
  for_each_kind([]<class Kind>() {
    if constexpr (Kind::conflict == Conflict::later_wins) {
      auto later = full<Kind>();
      later.received_at += std::chrono::hours{1};
      std::string identity, columns;
      for (auto const name : identity_columns_of(Kind::kind)) identity.append(identity.empty() ? "" : ", ").append(name);
      for (auto const name : columns_of(Kind::kind))
        columns.append(columns.empty() ? "" : ", ").append(std::format("\"{0}\" = excluded.\"{0}\"", name));
      std::string sql = table_of(Kind::kind) + std::format("create temporary table given (like {});\n", Kind::kind);
      for (auto const& row : {test::copy_line(full<Kind>()), test::copy_line(later)})
        sql += std::format(
            "truncate given;\ncopy given from stdin;\n{1}\\.\ninsert into {0} select * from given on conflict ({2}) do update "
            "set {3};\n",
            Kind::kind, row, identity, columns);
      sql += std::format("select count(*), max(received_at) = '{}' from {};", to_text(later.received_at), Kind::kind);
      CHECK(run_sql(sql) == "1 t\n");
    }
  });
}
