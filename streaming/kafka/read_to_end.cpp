#include "streaming/kafka/read_to_end.hpp"

#include "streaming/kafka/consumer.hpp"

namespace penstock::kafka {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr std::size_t count_max = 1'000;
constexpr auto wait = 50ms;

Offsets ends_of(Connection const& connection, std::vector<Topic> const& topics) {
  KafkaConsumer probe{connection, {.read_committed = false}};
  probe.follow(topics, {.from_earliest = false});
  return probe.positions();
}

}  // namespace

ReadToEnd::ReadToEnd(Connection const& connection, std::vector<Topic> const& topics, ReadToEndOptions options)
    : options_{std::move(options)},
      ends_{ends_of(connection, topics)},
      consumer_{std::make_unique<KafkaConsumer>(connection, ConsumerOptions{})},
      moved_{Steady::now()} {
  consumer_->follow(topics, {});
  // A place behind the end is of an earlier topic of that name.
  std::erase_if(options_.from, [&](auto const& each) {
    auto const end = ends_.find(each.first);
    return end == ends_.end() || each.second > end->second;
  });
  consumer_->seek(options_.from);
  positions_ = consumer_->positions();
}

ReadToEnd::~ReadToEnd() = default;

bool ReadToEnd::next(std::vector<Delivery>& into) {
  into.clear();
  while (into.empty() && !at_end()) {
    if (options_.stop.stop_requested()) return false;
    consumer_->poll(into, count_max, wait);
    std::erase_if(into, [&](Delivery const& delivery) {
      auto const end = ends_.find({Topic{delivery.position.topic}, delivery.position.partition});
      return end == ends_.end() || delivery.position.offset >= end->second;
    });
    if (into.empty())
      raise_when_stuck();
    else
      moved_ = Steady::now();
  }
  return !into.empty();
}

Consumer& ReadToEnd::consumer() { return *consumer_; }

bool ReadToEnd::at_end() {
  auto positions = consumer_->positions();
  std::erase_if(positions, [&](auto const& each) {
    auto const end = ends_.find(each.first);
    return end == ends_.end() || each.second >= end->second;
  });
  if (positions != positions_) moved_ = Steady::now();
  positions_ = std::move(positions);
  return positions_.empty();
}

void ReadToEnd::raise_when_stuck() {
  if (Steady::now() - moved_ < options_.stuck_max) return;
  auto const& [partition, position] = *positions_.begin();
  throw Fault{Fault::Kind::transient, "cannot read topic " + partition.topic + " partition " +
                                          std::to_string(to_integer(partition.partition)) + " beyond offset " +
                                          std::to_string(to_integer(position)) + " of " +
                                          std::to_string(to_integer(ends_.at(partition))) +
                                          ": a transaction is open there, or its broker is away; try again when it has ended"};
}

}  // namespace penstock::kafka
