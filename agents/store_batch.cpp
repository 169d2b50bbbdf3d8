#include "agents/store_batch.hpp"

#include "schemas/kinds.hpp"

#include <algorithm>

namespace penstock {
namespace {

constexpr std::string_view topic_prefix = "md.";

void clear_rows(TableRows& table) {
  table.rows.clear();
  table.ends.clear();
  table.deliveries.clear();
  table.partitions.clear();
  table.backfill.clear();
}

}  // namespace

std::expected<void, Reject> StoreBatch::add(Delivery const& delivery) {
  auto& progress = progress_of(delivery.position);
  if (delivery.position.offset < progress.next) repeated_ = {Topic{progress.topic}, progress.partition};
  progress.skipped += to_integer(delivery.position.offset) - to_integer(progress.next);
  progress.next = next(delivery.position.offset);
  ++progress.read;
  ++count_;

  auto const record = parse_record(delivery.position.topic.substr(topic_prefix.size()), delivery.value);
  if (!record) {
    ++progress.dead;
    return std::unexpected{record.error()};
  }
  auto& table = write_.tables[progress.table];
  auto const before = table.rows.size();
  append_copy_row(table.rows, *record);
  rows_bytes_ += table.rows.size() - before;
  table.ends.push_back(table.rows.size());
  table.deliveries.push_back(deliveries_.size());
  table.partitions.push_back(progress.partition);
  // What was a dead letter may have been sent back twice: a store that dies writes its letters again.
  bool const replayed = !delivery.header("attempt").empty();
  table.backfill.push_back(replayed || delivery.header("origin") == to_text(Origin::backfill));
  received_at_.push_back(common_of(*record).received_at);
  transformed_at_ = delivery.timestamp;
  deliveries_.keep(delivery);
  return {};
}

std::vector<TopicPartition> StoreBatch::before(Offsets const& stored) const {
  std::vector<TopicPartition> found;
  for (auto const& progress : progress_) {
    TopicPartition partition{Topic{progress.topic}, progress.partition};
    if (auto const held = stored.find(partition); held != stored.end() && progress.first < held->second)
      found.push_back(std::move(partition));
  }
  return found;
}

WriteBatch const& StoreBatch::seal(Offsets const& stored) {
  for (auto const& progress : progress_) {
    TopicPartition const partition{Topic{progress.topic}, progress.partition};
    write_.first[partition] = progress.first;
    write_.to[partition] = progress.next;
    write_.read[partition] = progress.read;
    write_.dead[partition] = progress.dead;
    write_.skipped[partition] = progress.skipped;
    if (auto const found = stored.find(partition); found != stored.end()) write_.from.insert(*found);
  }
  return write_;
}

void StoreBatch::clear() {
  deliveries_.clear();
  received_at_.clear();
  progress_.clear();
  repeated_.reset();
  // Tables keep their memory: the next batch is much like this one.
  std::ranges::for_each(write_.tables, clear_rows);
  write_.from.clear();
  write_.to.clear();
  write_.first.clear();
  write_.read.clear();
  write_.dead.clear();
  write_.skipped.clear();
  rows_bytes_ = count_ = current_ = 0;
  transformed_at_ = {};
}

StoreBatch::Progress& StoreBatch::progress_of(Position const& position) {
  auto const same = [&](Progress const& progress) {
    return progress.partition == position.partition && progress.topic == position.topic;
  };
  if (current_ < progress_.size() && same(progress_[current_])) return progress_[current_];
  auto const found = std::ranges::find_if(progress_, same);
  current_ = static_cast<std::size_t>(found - progress_.begin());
  if (found != progress_.end()) return *found;

  auto table = std::ranges::find(write_.tables, position.topic, &TableRows::topic);
  if (table == write_.tables.end()) {
    table = write_.tables.emplace(table);
    table->table = position.topic.substr(topic_prefix.size());
    table->topic = position.topic;
  }
  progress_.push_back({.topic = position.topic,
                       .partition = position.partition,
                       .first = position.offset,
                       .next = position.offset,
                       .table = static_cast<std::size_t>(table - write_.tables.begin())});
  return progress_.back();
}

}  // namespace penstock
