/// Records on their way to another thread: their bytes one after the other, so that little memory changes hands. It is used
/// again. One thread at a time. Only for the .cpp files of this folder.
#pragma once

#include "streaming/record.hpp"

#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::kafka {

class Batch {
 public:
  Batch() {
    entries_.reserve(full_bytes / 128);
    bytes_.reserve(full_bytes + full_bytes / 16);
  }

  /// `envelope` must live until clear().
  void add(Envelope const& envelope, std::string_view key, std::string_view value, std::optional<Partition> partition = {}) {
    entries_.push_back({&envelope, key.size(), value.size(), partition});
    bytes_.append(key).append(value);
  }
  void add(std::string_view topic, Record const& record) {
    add(own_.emplace_back(Topic{topic}, record.headers), record.key, record.value, record.partition);
    own_bytes_ += sizeof(Envelope) + topic.size();
    for (auto const& [name, value] : record.headers) own_bytes_ += sizeof(Header) + name.size() + value.size();
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
      auto const key = take(entry.key_size), value = take(entry.value_size);
      each(std::string_view{entry.envelope->topic}, RecordView{key, value, entry.envelope->headers, entry.partition});
    }
  }

  void clear() {
    if (bytes_.capacity() > kept_bytes_max) bytes_ = {};
    entries_.clear();
    bytes_.clear();
    own_.clear();
    own_bytes_ = 0;
  }

  /// Of memory, roughly; 0: it is empty.
  std::size_t bytes() const { return bytes_.size() + own_bytes_ + entries_.size() * sizeof(Entry); }
  /// Worth being handed over.
  bool is_full() const { return bytes() >= full_bytes; }

 private:
  struct Entry {
    Envelope const* envelope;
    std::size_t key_size, value_size;
    std::optional<Partition> partition;
  };
  static constexpr std::size_t full_bytes = 64 << 10;
  static constexpr std::size_t kept_bytes_max = 1 << 20;

  std::list<Envelope> own_;  ///< of records that came with headers of their own; they stay where they are
  std::size_t own_bytes_ = 0;
  std::vector<Entry> entries_;
  std::string bytes_;
};

}  // namespace penstock::kafka
