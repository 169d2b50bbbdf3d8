/// Records on their way to another thread: their bytes one after the other, so that little memory changes hands. It is used
/// again. One thread at a time. Only for the .cpp files of this folder.
#pragma once

#include "streaming/record.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock::kafka {

class Batch {
 public:
  void add(std::string_view topic, Record const& record) {
    entries_.push_back({envelope_of(topic, record.headers), record.key.size(), record.value.size(), record.partition});
    bytes_.append(record.key).append(record.value);
  }

  /// Each in the order in which they were added: each(topic, record).
  template <class Each>
  void for_each(Each&& each) const {
    std::string_view rest = bytes_;
    auto const take = [&](std::size_t size) {
      auto const taken = rest.substr(0, size);
      rest.remove_prefix(size);
      return taken;
    };
    for (auto const& entry : entries_) {
      auto const& [topic, headers] = envelopes_[entry.envelope];
      auto const key = take(entry.key_size), value = take(entry.value_size);
      each(std::string_view{topic}, RecordView{key, value, headers, entry.partition});
    }
  }

  void clear() {
    if (bytes_.capacity() > kept_bytes_max) bytes_ = {};
    if (envelopes_.size() > kept_envelopes_max) envelopes_.clear();
    entries_.clear();
    bytes_.clear();
    envelope_bytes_ = 0;
  }

  /// Of memory, roughly; 0: it is empty.
  std::size_t bytes() const { return bytes_.size() + envelope_bytes_ + entries_.size() * sizeof(Entry); }

 private:
  /// Most records have those of the one before.
  using Envelope = std::pair<Topic, std::vector<Header>>;
  struct Entry {
    std::size_t envelope, key_size, value_size;
    std::optional<Partition> partition;
  };
  static constexpr std::size_t kept_bytes_max = 1 << 20;
  static constexpr std::size_t kept_envelopes_max = 16;  ///< and looked at: dead letters have headers of their own each

  std::size_t envelope_of(std::string_view topic, std::vector<Header> const& headers) {
    auto const is_same = [&](std::size_t at) { return envelopes_[at].first == topic && envelopes_[at].second == headers; };
    if (last_ < envelopes_.size() && is_same(last_)) return last_;
    for (last_ = 0; last_ < std::min(envelopes_.size(), kept_envelopes_max); ++last_)
      if (is_same(last_)) return last_;
    last_ = envelopes_.size();
    envelopes_.emplace_back(topic, headers);
    envelope_bytes_ += sizeof(Envelope);
    for (auto const& [name, value] : headers) envelope_bytes_ += sizeof(Header) + name.size() + value.size();
    return last_;
  }

  std::vector<Envelope> envelopes_;
  std::size_t envelope_bytes_ = 0;  ///< of those added since it was empty
  std::size_t last_ = 0;
  std::vector<Entry> entries_;
  std::string bytes_;
};

}  // namespace penstock::kafka
