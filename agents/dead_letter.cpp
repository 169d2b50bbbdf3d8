#include "agents/dead_letter.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace penstock {
namespace {

constexpr std::array<std::string_view, 9> own_headers{"reason", "detail",  "stage",     "topic", "partition",
                                                      "offset", "attempt", "failed_at", "record"};

int attempt_of(Delivery const& delivery) {
  auto const text = delivery.header("attempt");
  int attempt = 0;
  std::from_chars(text.data(), text.data() + text.size(), attempt);
  return attempt + 1;
}

}  // namespace

Topic dead_letter_topic(std::string_view topic) { return std::string{topic} + ".dead"; }

Record dead_letter(Delivery const& delivery, Reject const& reject, std::string_view stage, Time failed_at,
                   std::optional<std::size_t> record) {
  Record letter{.key = std::string{delivery.key}, .value = std::string{delivery.value}, .headers = {}};
  for (auto const& [name, value] : delivery.headers)
    if (!std::ranges::contains(own_headers, name)) letter.headers.emplace_back(name, value);
  auto const add = [&](char const* name, std::string value) { letter.headers.emplace_back(name, std::move(value)); };
  add("reason", std::string{reject.reason});
  add("detail", reject.detail);
  add("stage", std::string{stage});
  add("topic", std::string{delivery.position.topic});
  add("partition", std::to_string(to_integer(delivery.position.partition)));
  add("offset", std::to_string(to_integer(delivery.position.offset)));
  add("attempt", std::to_string(attempt_of(delivery)));
  add("failed_at", to_text(failed_at));
  if (record) add("record", std::to_string(*record));
  return letter;
}

}  // namespace penstock
