#include "agents/simulate/truth.hpp"

#include "streaming/fault.hpp"
#include "streaming/json.hpp"
#include "streaming/log.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace penstock::simulate {
namespace {
constexpr std::size_t recent_most = 65'536;
constexpr std::size_t waiting_bytes_most = 1 << 20;
}  // namespace

bool Seen::add(std::int64_t number) {
  auto after = ranges_.upper_bound(number);
  if (after != ranges_.begin()) {
    auto const before = std::prev(after);
    if (number <= before->second) return false;
    if (number == before->second + 1) {
      before->second = number;
      if (after != ranges_.end() && after->first == number + 1) {
        before->second = after->second;
        ranges_.erase(after);
      }
      return true;
    }
  }
  if (after == ranges_.begin() && after != ranges_.end() && number < ranges_.rbegin()->second - reach) return false;
  if (after != ranges_.end() && after->first == number + 1) {
    auto range = ranges_.extract(after);
    range.key() = number;
    ranges_.insert(std::move(range));
    return true;
  }
  ranges_.emplace(number, number);
  // Everything far behind becomes one range.
  auto const old = ranges_.rbegin()->second - reach;
  while (ranges_.size() > 2 && std::next(ranges_.begin())->second < old) {
    auto const second = std::next(ranges_.begin());
    ranges_.begin()->second = second->second;
    ranges_.erase(second);
  }
  return true;
}

Truth::Truth(std::string const& path) : file_{std::fopen(path.c_str(), "a")}, path_{path} {
  if (!file_) throw UsageError{"--truth " + path + ": " + std::strerror(errno) + ". Name a file that can be written"};
}

void Truth::clear() {
  if (::ftruncate(::fileno(file_.get()), 0) != 0) throw Fault{Fault::Kind::fatal, path_ + ": " + std::strerror(errno)};
}

Truth::~Truth() {
  try {
    flush();
  } catch (Fault const& fault) {
    log::error("the truth file is not complete", {{"why", fault.what()}, {"do", "make room, or name another file with --truth"}});
  }
}

std::string& Truth::line(std::string_view kind) {
  line_at_ = waiting_.size();
  waiting_ += R"({"kind":")";
  waiting_ += kind;
  waiting_ += R"(","record":)";
  return waiting_;
}

void Truth::end() {
  waiting_ += "}\n";
  if (waiting_.size() > waiting_bytes_most) flush();
}

void Truth::end_once() { end_unless_recent(std::hash<std::string_view>{}(std::string_view{waiting_}.substr(line_at_))); }

void Truth::end_once(std::string_view identity) { end_unless_recent(std::hash<std::string_view>{}(identity)); }

void Truth::end_unless_recent(std::size_t hash) {
  if (!recent_.insert(hash).second) {
    waiting_.resize(line_at_);
    return;
  }
  if (recent_ring_.size() < recent_most) {
    recent_ring_.push_back(hash);
  } else {
    recent_.erase(recent_ring_[recent_next_]);
    recent_ring_[recent_next_] = hash;
    recent_next_ = (recent_next_ + 1) % recent_most;
  }
  end();
}

void Truth::malformed(std::string_view source, std::string_view stream, std::string_view bytes) {
  waiting_ += R"({"malformed":{"source":")";
  waiting_ += source;
  waiting_ += R"(","stream":")";
  waiting_ += stream;
  waiting_ += R"(","bytes":)";
  append_json_string(waiting_, bytes);
  waiting_ += "}}\n";
  if (waiting_.size() > waiting_bytes_most) flush();
}

void Truth::flush() {
  if (waiting_.empty()) return;
  auto const written = std::fwrite(waiting_.data(), 1, waiting_.size(), file_.get());
  if (written != waiting_.size() || std::fflush(file_.get()) != 0)
    throw Fault{Fault::Kind::fatal, path_ + ": " + std::strerror(errno)};
  waiting_.clear();
}

Seen& Truth::seen(std::string_view source, std::string_view what, std::size_t symbol) {
  std::string key{source};
  key += ' ';
  key += what;
  key += ' ';
  append(key, static_cast<std::int64_t>(symbol));
  return seen_[std::move(key)];
}

void append_common(std::string& out, std::string_view source, std::string_view symbol, std::int64_t time_us) {
  out += R"({"source":")";
  out += source;
  out += R"(","symbol":")";
  out += symbol;
  out += '"';
  if (time_us == no_time) return;
  out += R"(,"time":")";
  append_text(out, Time{Duration{time_us}});
  out += '"';
}

}  // namespace penstock::simulate
