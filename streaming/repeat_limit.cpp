#include "streaming/repeat_limit.hpp"

#include <algorithm>

namespace penstock {

std::string RepeatLimit::key_of(Line const& line) {
  std::string key;
  auto const add = [&](std::string_view text) {
    for (char const c : text)
      if (c < '0' || c > '9')
        key += c;
      else if (!key.ends_with('#'))
        key += '#';
    key += '\n';
  };
  add(line.message);
  for (auto const& [name, value] : line.fields) {
    add(name);
    add(value);
  }
  return key;
}

bool RepeatLimit::passes(Line line, Instant now) {
  auto key = key_of(line);
  if (auto const found = entries_.find(key); found != entries_.end()) {
    found->second.held.last = std::move(line);
    ++found->second.held.times;
    return false;
  }
  if (entries_.size() < lines_max)
    entries_.emplace(std::move(key), Entry{.held = {}, .until = now + wait_first, .wait = wait_first});
  return true;
}

std::vector<RepeatLimit::Held> RepeatLimit::due(Instant now) {
  std::vector<Held> due;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    auto& [held, until, wait] = entry->second;
    if (now < until) {
      ++entry;
    } else if (held.times == 0) {
      entry = entries_.erase(entry);  // It came no more.
    } else {
      due.push_back(std::exchange(held, {}));
      wait = std::min(2 * wait, wait_most);
      until = now + wait;
      ++entry;
    }
  }
  return due;
}

std::vector<RepeatLimit::Held> RepeatLimit::all() {
  std::vector<Held> all;
  for (auto& [key, entry] : entries_)
    if (entry.held.times > 0) all.push_back(std::move(entry.held));
  entries_.clear();
  return all;
}

}  // namespace penstock
