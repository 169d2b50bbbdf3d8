#include "streaming/kafka/pacing.hpp"

#include <algorithm>

namespace penstock::kafka {
namespace {

using namespace std::chrono_literals;

constexpr auto ask_every = 50ms;
constexpr auto answer_wait_ms = 2'000;
constexpr std::int64_t mark_bytes = 16 << 10;

}  // namespace

bool Backlog::admits(std::size_t bytes) const {
  auto const waiting = waiting_bytes_most() + on_the_way_;
  return waiting == 0 || waiting + static_cast<std::int64_t>(bytes) <= bytes_max_;
}

void Backlog::written(Partition partition, Offset offset, std::size_t bytes) {
  on_the_way_ -= static_cast<std::int64_t>(bytes);
  auto& [written_total, committed_total, marks] = partitions_[partition];
  written_total += static_cast<std::int64_t>(bytes);
  auto const before = marks.size() > 1 ? marks[marks.size() - 2].bytes_total : committed_total;
  if (marks.empty() || marks.back().bytes_total - before >= mark_bytes)
    marks.push_back({offset, written_total});
  else
    marks.back() = {offset, written_total};
}

void Backlog::committed(Partition partition, Offset next) {
  auto const found = partitions_.find(partition);
  if (found == partitions_.end()) return;
  auto& [written_total, committed_total, marks] = found->second;
  while (!marks.empty() && marks.front().offset < next) {
    committed_total = marks.front().bytes_total;
    marks.pop_front();
  }
}

std::int64_t Backlog::waiting_bytes(Partition partition) const {
  auto const found = partitions_.find(partition);
  return found == partitions_.end() ? 0 : found->second.written_total - found->second.committed_total;
}

std::int64_t Backlog::waiting_bytes_most() const {
  std::int64_t most = 0;
  for (auto const& [partition, written] : partitions_) most = std::max(most, written.written_total - written.committed_total);
  return most;
}

std::vector<Partition> Backlog::partitions() const {
  std::vector<Partition> all;
  for (auto const& [partition, written] : partitions_) all.push_back(partition);
  return all;
}

Pacer::Pacer(rd_kafka_t* client, Pacing const& pacing)
    : client_{client}, ask_above_bytes_{static_cast<std::int64_t>(pacing.bytes_max / 4)}, answers_{rd_kafka_queue_new(client)} {
  if (pacing.bytes_max == 0) return;
  for (auto const& [topic, group] : pacing.readers) topics_.emplace(topic, Paced{Backlog{pacing.bytes_max}, group});
}

Pacer::Paced* Pacer::find(std::string_view topic) {
  auto const found = topics_.find(topic);
  return found == topics_.end() ? nullptr : &found->second;
}

bool Pacer::admits(std::string_view topic, std::size_t bytes) const {
  auto const found = topics_.find(topic);
  return found == topics_.end() || found->second.backlog.admits(bytes);
}

void Pacer::queued(std::string_view topic, std::size_t bytes) {
  if (auto* const paced = find(topic)) paced->backlog.queued(bytes);
}
void Pacer::written(std::string_view topic, Partition partition, Offset offset, std::size_t bytes) {
  if (auto* const paced = find(topic)) paced->backlog.written(partition, offset, bytes);
}
void Pacer::failed(std::string_view topic, std::size_t bytes) {
  if (auto* const paced = find(topic)) paced->backlog.failed(bytes);
}

void Pacer::poll() {
  if (!paces()) return;
  read_answers();
  auto const now = std::chrono::steady_clock::now();
  if (asked_ > 0 || now < ask_at_) return;
  ask_at_ = now + ask_every;
  ask();
}

void Pacer::ask() {
  std::map<std::string, std::vector<TopicPartition>> questions;
  for (auto const& [topic, paced] : topics_)
    if (paced.backlog.waiting_bytes_most() > ask_above_bytes_)
      for (auto const partition : paced.backlog.partitions()) questions[paced.group].push_back({topic, partition});
  for (auto const& [group, partitions] : questions) {
    auto* question = rd_kafka_ListConsumerGroupOffsets_new(group.c_str(), list_of(partitions).get());
    KafkaAdminOptions const options{rd_kafka_AdminOptions_new(client_, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS)};
    rd_kafka_AdminOptions_set_request_timeout(options.get(), answer_wait_ms, nullptr, 0);
    rd_kafka_ListConsumerGroupOffsets(client_, &question, 1, options.get(), answers_.get());
    rd_kafka_ListConsumerGroupOffsets_destroy(question);
    ++asked_;
  }
}

void Pacer::read_answers() {
  while (asked_ > 0) {
    KafkaEvent const event{rd_kafka_queue_poll(answers_.get(), 0)};
    if (!event) return;
    --asked_;
    auto const* const result = rd_kafka_event_ListConsumerGroupOffsets_result(event.get());
    if (result == nullptr || rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) continue;  // Asked again soon.
    std::size_t count = 0;
    auto const* const* const groups = rd_kafka_ListConsumerGroupOffsets_result_groups(result, &count);
    for (std::size_t i = 0; i < count; ++i) {
      auto const* const list = rd_kafka_group_result_partitions(groups[i]);
      for (int p = 0; list != nullptr && p < list->cnt; ++p)
        if (auto const& element = list->elems[p]; element.err == RD_KAFKA_RESP_ERR_NO_ERROR && element.offset >= 0)
          if (auto* const paced = find(element.topic))
            paced->backlog.committed(Partition{element.partition}, Offset{element.offset});
    }
  }
}

}  // namespace penstock::kafka
