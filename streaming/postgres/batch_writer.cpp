#include "streaming/postgres/batch_writer.hpp"

#include "streaming/big_endian.hpp"

#include <algorithm>
#include <format>

namespace penstock::postgres {
namespace {

// Arrays of the same length, for `unnest`.
class Arrays {
 public:
  explicit Arrays(std::size_t columns) : columns_(columns) {}
  void add(Row row) {
    for (std::size_t i = 0; i < columns_.size(); ++i) columns_[i].push_back(std::move(row[i]));
  }
  Row parameters(Row first) const {
    for (auto const& column : columns_) first.push_back(array_of(column));
    return first;
  }

 private:
  std::vector<std::vector<Value>> columns_;
};

std::string text_of(std::int64_t value) { return std::to_string(value); }
std::int64_t integer_of(Value const& value) { return std::stoll(value.value()); }

std::int64_t count_of(std::map<TopicPartition, std::int64_t> const& counts, TopicPartition const& partition) {
  auto const found = counts.find(partition);
  return found == counts.end() ? 0 : found->second;
}

std::string_view row_bytes(TableRows const& table, std::size_t row) {
  auto const begin = row == 0 ? 0 : table.ends[row - 1];
  return std::string_view{table.rows}.substr(begin, table.ends[row] - begin);
}

// Empty where the row has fewer fields.
std::string_view field_of(std::string_view row, std::size_t field) {
  row.remove_prefix(sizeof(std::int16_t));
  while (row.size() >= sizeof(std::int32_t)) {
    auto const said = get_big_endian<std::int32_t>(row);
    row.remove_prefix(sizeof said);
    auto const length = static_cast<std::size_t>(std::max(said, 0));  // -1: null
    if (field-- == 0) return row.substr(0, length);
    row.remove_prefix(length);
  }
  return {};
}

// Rows of one symbol together, in their order: the index then grows leaf by leaf, and who reads a symbol reads fewer pages.
void group(TableRows const& table, TableShape const& shape, std::vector<std::size_t>& rows) {
  std::map<std::string_view, std::vector<std::size_t>> groups;
  std::vector<std::size_t>* last = nullptr;
  std::string_view last_value;
  for (auto const row : rows) {
    auto const value = field_of(row_bytes(table, row), shape.grouped_by);
    if (last == nullptr || value != last_value) last = &groups[last_value = value];
    last->push_back(row);
  }
  rows.clear();
  for (auto const& [value, members] : groups) rows.insert(rows.end(), members.begin(), members.end());
}

constexpr std::size_t block_bytes = 128 << 10;

// Rows that follow each other in the batch, too, go out in one piece.
void put_rows(TableRows const& table, RowList rows, Connection::Put const& put) {
  std::string block;
  for (std::size_t i = 0; i < rows.size();) {
    auto const first = i++;
    while (i < rows.size() && rows[i] == rows[i - 1] + 1) ++i;
    auto const begin = rows[first] == 0 ? 0 : table.ends[rows[first] - 1];
    auto const run = std::string_view{table.rows}.substr(begin, table.ends[rows[i - 1]] - begin);
    if (block.size() + run.size() < block_bytes) {
      block.append(run);
      continue;
    }
    put(block);
    block.clear();
    put(run);
  }
  put(block);
}

// The same with the row's own number as last column. A row begins with the number of its columns.
void put_numbered(TableRows const& table, TableShape const& shape, RowList rows, Connection::Put const& put) {
  std::string block;
  for (auto const row : rows) {
    append_big_endian(block, static_cast<std::int16_t>(shape.columns.size() + 1));
    block.append(row_bytes(table, row).substr(sizeof(std::int16_t)));
    append_big_endian(block, static_cast<std::int32_t>(sizeof(std::int64_t)));
    append_big_endian(block, static_cast<std::int64_t>(row));
    if (block.size() < block_bytes) continue;
    put(block);
    block.clear();
  }
  put(block);
}

std::vector<std::string> statements_of(std::span<Part const> parts, std::string const& copy) {
  std::vector<std::string> statements;
  for (auto const& part : parts) statements.push_back(part.prefix + copy);
  return statements;
}

Reject reject_of(DataFault const& fault) {
  auto const& details = fault.details();
  auto detail = "SQLSTATE " + details.sqlstate;
  if (!details.column.empty()) detail += ", column " + details.column;
  if (!details.constraint.empty()) detail += ", constraint " + details.constraint;
  return {rejected_by_database, detail + ": " + details.message};
}

bool has_backfill(TableRows const& table) { return std::ranges::contains(table.backfill, true); }

}  // namespace

Offsets committed_offsets(Connection& connection, std::string const& group, std::vector<TopicPartition> const& partitions) {
  Arrays keys{2};
  for (auto const& [topic, partition] : partitions) keys.add({topic, text_of(to_integer(partition))});
  Offsets found;
  for (auto const& row : connection.query(
           "select o.topic, o.partition, o.next_offset from penstock.offsets o"
           " join unnest($2::text[], $3::int[]) as w (topic, partition) using (topic, partition) where o.consumer_group = $1",
           keys.parameters({group})))
    found[{row[0].value(), Partition{static_cast<std::int32_t>(integer_of(row[1]))}}] = Offset{integer_of(row[2])};
  return found;
}

TableShape const& BatchWriter::shape(std::string const& table) {
  auto const found = shapes_.find(table);
  return found != shapes_.end() ? found->second : shapes_.emplace(table, shape_of_(table)).first->second;
}

// Binary rows are not converted: what a column of another type would make of them could be wrong without an error.
void BatchWriter::check_types(Connection& connection, std::string const& table) {
  auto const& form = shape(table);
  for (auto const& row : connection.query_prepared("select attname, format_type(atttypid, null) from pg_attribute"
                                                   " where attrelid = to_regclass($1) and attnum > 0 and not attisdropped",
                                                   {identifier(form.name)})) {
    auto const column = std::ranges::find(form.columns, row[0].value());
    if (column == form.columns.end()) continue;
    auto const& type = form.types[static_cast<std::size_t>(column - form.columns.begin())];
    if (row[1].value() == type) continue;
    throw Fault{
        Fault::Kind::fatal,
        std::format("column {0} of table {1} is {2}, and what is written is {3}: give it its type back (alter table {1} alter "
                    "column {0} type {3})",
                    *column, form.name, row[1].value(), type)};
  }
}

void BatchWriter::begin_connection() {
  staged_.clear();
  checked_.clear();
}

void BatchWriter::prepare(Connection& connection, WriteBatch const& batch) {
  for (auto const& table : batch.tables) {
    if (table.ends.empty()) continue;
    if (!std::ranges::contains(checked_, table.table)) {
      check_types(connection, table.table);
      checked_.push_back(table.table);
    }
    bool const stages = shape(table.table).later_wins || has_backfill(table);
    if (!stages || std::ranges::contains(staged_, table.table)) continue;
    connection.execute(create_staging(shape(table.table)));
    staged_.push_back(table.table);
  }
}

WriteResult BatchWriter::write(Connection& connection, WriteBatch const& batch) {
  claim(connection, batch);
  WriteResult result;
  std::map<TopicPartition, Counts> counts;
  for (auto const& table : batch.tables) {
    if (table.ends.empty()) continue;
    auto const outcomes = write_table(connection, table, result);
    check_types(connection, table.table);  // Now that the rows hold their lock on it.
    auto& written = result.written[table.table];
    auto& duplicate = result.duplicate[table.table];
    Counts* counted = nullptr;
    for (std::size_t row = 0; row < outcomes.size(); ++row) {
      if (row == 0 || table.partitions[row] != table.partitions[row - 1]) counted = &counts[{table.topic, table.partitions[row]}];
      switch (outcomes[row]) {
        case Outcome::written: ++written, ++counted->written; break;
        case Outcome::duplicate: ++duplicate, ++counted->duplicate; break;
        case Outcome::refused: ++counted->refused; break;
      }
    }
  }
  std::ranges::sort(result.rejected, {}, &WriteResult::Bad::delivery);
  write_ledger(connection, batch, counts);
  return result;
}

// Before the rows: a store that lost its partitions writes nothing, and one that still writes them holds the lock until
// its commit, so the next one waits here and then sees what became of it.
void BatchWriter::claim(Connection& connection, WriteBatch const& batch) const {
  Arrays wanted{5};
  for (auto const& [key, to] : batch.to) {
    auto const from = batch.from.find(key);
    wanted.add({key.topic, text_of(to_integer(key.partition)),
                from == batch.from.end() ? Value{} : text_of(to_integer(from->second)), text_of(to_integer(to)),
                text_of(to_integer(batch.first.at(key)))});
  }
  auto const parameters = wanted.parameters({group_});
  std::string const keys =
      " from unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[])"
      " as w (topic, partition, expected, next_offset, first_offset)";
  auto moved = connection.execute_prepared("update penstock.offsets o set next_offset = w.next_offset, at = now()" + keys +
                                               " where o.consumer_group = $1 and o.topic = w.topic and o.partition = w.partition"
                                               " and o.next_offset = w.expected",
                                           parameters);
  auto const all = static_cast<std::int64_t>(batch.to.size());
  if (moved < all)
    moved += connection.execute(
        "insert into penstock.offsets (consumer_group, topic, partition, first_offset, next_offset)"
        " select $1, w.topic, w.partition, w.first_offset, w.next_offset" +
            keys +
            " where not exists (select from penstock.offsets o where o.consumer_group = $1"
            " and o.topic = w.topic and o.partition = w.partition)"
            " order by w.topic, w.partition on conflict do nothing",
        parameters);
  if (moved == all) return;
  throw Fenced{"another store has moved the offsets of " + group_ + " in " + batch.to.begin()->first.topic +
               " or its neighbours: this batch is no longer ours"};
}

std::vector<BatchWriter::Outcome> BatchWriter::write_table(Connection& connection, TableRows const& table, WriteResult& result) {
  auto const& form = shape(table.table);
  std::vector<Outcome> outcomes(table.ends.size(), Outcome::written);
  auto const refuse = [&](std::size_t row, DataFault const& fault) {
    outcomes[row] = Outcome::refused;
    result.rejected.push_back({table.deliveries[row], reject_of(fault)});
  };
  std::vector<std::size_t> direct, staged;
  for (std::size_t row = 0; row < outcomes.size(); ++row)
    (form.later_wins || table.backfill[row] ? staged : direct).push_back(row);

  group(table, form, direct);
  write_good_rows(
      connection, direct, distance_,
      [&](std::span<Part const> parts) {
        connection.copy(statements_of(parts, copy_rows(form)),
                        [&](std::size_t which, auto const& put) { put_rows(table, parts[which].rows, put); });
      },
      refuse);
  if (staged.empty()) return outcomes;

  write_good_rows(
      connection, staged, distance_,
      [&](std::span<Part const> parts) {
        connection.copy(statements_of(parts, copy_staging(form)),
                        [&](std::size_t which, auto const& put) { put_numbered(table, form, parts[which].rows, put); });
      },
      refuse);
  if (!form.later_wins) {
    auto const times = connection.query("analyze " + staging_name(form) + ";" + staged_times(form)).front();
    for (auto const& [statement, takes_times] : delete_duplicates(form))
      for (auto const& row : connection.query(statement, takes_times ? times : Row{}))
        outcomes[static_cast<std::size_t>(integer_of(row[0]))] = Outcome::duplicate;
  }
  std::erase_if(staged, [&](auto row) { return outcomes[row] != Outcome::written; });
  auto const move = form.later_wins ? merge_later_wins(form) : insert_staged(form);
  write_good_rows(
      connection, staged, distance_,
      [&](std::span<Part const> parts) {
        for (std::size_t which = 0; which < parts.size(); ++which) try {
            auto const& [rows, prefix] = parts[which];
            connection.execute(prefix);
            connection.execute(move, {std::to_string(rows.front()), std::to_string(rows.back() + 1)});
          } catch (DataFault const& fault) {
            auto details = fault.details();
            details.copy = which;
            throw DataFault{std::move(details)};
          }
      },
      refuse);
  // The stage is emptied at commit; the same table may stand twice in a batch.
  connection.execute("delete from " + staging_name(form));
  return outcomes;
}

// Adds to the row of the partition's hour.
void BatchWriter::write_ledger(Connection& connection, WriteBatch const& batch,
                               std::map<TopicPartition, Counts> const& counts) const {
  Arrays rows{10};
  for (auto const& [key, to] : batch.to) {
    auto const first = to_integer(batch.first.at(key));
    auto const expected = batch.from.find(key);
    auto const from = expected == batch.from.end() ? first : to_integer(expected->second);
    auto const found = counts.find(key);
    auto const counted = found == counts.end() ? Counts{} : found->second;
    auto const skipped = count_of(batch.skipped, key) + std::max<std::int64_t>(first - from, 0);
    auto const rewound = std::max<std::int64_t>(from - first, 0);
    rows.add({key.topic, text_of(to_integer(key.partition)), text_of(from), text_of(to_integer(to)),
              text_of(count_of(batch.read, key)), text_of(skipped), text_of(rewound), text_of(counted.written),
              text_of(counted.duplicate), text_of(count_of(batch.dead, key) + counted.refused)});
  }
  connection.execute_prepared(
      "insert into penstock.ledger as l (consumer_group, instance, hour, topic, partition, from_offset, to_offset, read, skipped,"
      " rewound, written, duplicate, dead)"
      " select $1, $2, date_trunc('hour', now(), 'UTC'), w.*"
      " from unnest($3::text[], $4::int[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[],"
      " $11::bigint[], $12::bigint[]) w"
      " on conflict (consumer_group, topic, partition, hour) do update set instance = excluded.instance, at = excluded.at,"
      " to_offset = excluded.to_offset, read = l.read + excluded.read, skipped = l.skipped + excluded.skipped,"
      " rewound = l.rewound + excluded.rewound, written = l.written + excluded.written,"
      " duplicate = l.duplicate + excluded.duplicate, dead = l.dead + excluded.dead",
      rows.parameters({group_, instance_}));
}

}  // namespace penstock::postgres
