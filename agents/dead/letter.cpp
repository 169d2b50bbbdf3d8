#include "agents/dead/letter.hpp"

#include "streaming/log.hpp"
#include "streaming/whole_number.hpp"

#include <algorithm>
#include <array>

namespace penstock {
namespace {

constexpr std::array<std::string_view, 9> own_headers{"reason", "detail",  "stage",     "topic", "partition",
                                                      "offset", "attempt", "failed_at", "record"};

constexpr std::string_view suffix = ".dead";

int attempt_in(Delivery const& delivery) { return whole_number<int>(delivery.header("attempt")).value_or(0); }

Record without_own_headers(Delivery const& delivery) {
  Record record{.key = std::string{delivery.key}, .value = std::string{delivery.value}, .headers = {}};
  for (auto const& [name, value] : delivery.headers)
    if (!std::ranges::contains(own_headers, name)) record.headers.emplace_back(name, value);
  return record;
}

}  // namespace

Topic dead_letter_topic(std::string_view topic) { return Topic{topic}.append(suffix); }

Record dead_letter(Delivery const& delivery, Reject const& reject, std::string_view stage, Time failed_at,
                   std::optional<std::size_t> record) {
  auto letter = without_own_headers(delivery);
  auto const add = [&](char const* name, std::string value) { letter.headers.emplace_back(name, std::move(value)); };
  add("reason", std::string{reject.reason});
  add("detail", log::redacted(reject.detail));  // Pieces of what a provider sent, who may repeat a key.
  add("stage", std::string{stage});
  add("topic", std::string{delivery.position.topic});
  add("partition", std::to_string(to_integer(delivery.position.partition)));
  add("offset", std::to_string(to_integer(delivery.position.offset)));
  add("attempt", std::to_string(attempt_in(delivery) + 1));
  add("failed_at", to_text(failed_at));
  if (record) add("record", std::to_string(*record));
  return letter;
}

std::optional<Letter> read_letter(Delivery const& delivery) {
  auto const topic = delivery.header("topic");
  auto const partition = whole_number<std::int32_t>(delivery.header("partition"));
  auto const offset = whole_number<std::int64_t>(delivery.header("offset"));
  auto const failed_at = parse_time(delivery.header("failed_at"));
  if (!partition || !offset || !failed_at || delivery.position.topic != dead_letter_topic(topic)) return std::nullopt;
  return Letter{.source = {topic, Partition{*partition}, Offset{*offset}},
                .reason = delivery.header("reason"),
                .detail = delivery.header("detail"),
                .stage = delivery.header("stage"),
                .attempt = attempt_in(delivery),
                .failed_at = *failed_at};
}

Record original_record(Delivery const& letter) {
  auto record = without_own_headers(letter);
  record.headers.emplace_back("attempt", letter.header("attempt"));
  return record;
}

}  // namespace penstock
