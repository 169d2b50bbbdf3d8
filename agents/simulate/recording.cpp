#include "agents/simulate/recording.hpp"

#include "streaming/fault.hpp"
#include "streaming/log.hpp"

#include <simdjson.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace penstock::simulate {
namespace {

namespace fs = std::filesystem;
namespace json = simdjson::ondemand;

constexpr std::string_view kind_of_file(std::string_view name) {
  return name.ends_with(".jsonl") ? "lines" : name.ends_with(".json") ? "body" : "";
}

std::string read_whole(std::string const& path) {
  std::error_code error;
  auto const size = fs::file_size(path, error);
  std::ifstream file{path, std::ios::binary};
  if (error || !file) throw UsageError{"--recording " + path + ": cannot be read"};
  std::string text;
  text.reserve(size + simdjson::SIMDJSON_PADDING);
  text.resize(size);
  if (!file.read(text.data(), static_cast<std::streamsize>(size)))
    throw UsageError{"--recording " + path + ": cannot be read to its end"};
  return text;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n' || text.back() == '\r' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

/// One line of a recording, taken apart.
struct Line {
  std::string_view direction;
  std::chrono::nanoseconds time{};
  std::string_view url, raw;
};

Line parse_line(json::parser& parser, std::string_view text, std::size_t capacity) {
  Line line;
  auto document = parser.iterate(simdjson::padded_string_view{text.data(), text.size(), capacity});
  for (auto field : document.get_object()) {
    std::string_view const key = field.escaped_key();
    if (key == "dir")
      line.direction = field.value().get_string();
    else if (key == "url")
      line.url = field.value().get_string();
    else if (key == "ts_ns")
      line.time = std::chrono::nanoseconds{std::int64_t{field.value().get_int64()}};
    else if (key == "ts")
      line.time = std::chrono::nanoseconds{static_cast<std::int64_t>(double{field.value().get_double()} * 1e6) * 1000};
    else if (key == "raw")
      line.raw = trimmed(std::string_view{field.value().raw_json()});
  }
  return line;
}

}  // namespace

Recording::Recording(Dialect const& dialect, std::vector<std::string> const& words) : dialect_{dialect} {
  for (auto const& word : words) read_word(word);
  if (frames_.empty() && answers_.empty())
    throw UsageError{
        "--recording holds nothing of " + std::string{dialect.provider} +
        ": name .jsonl files of its websocket, .json files of its REST answers (or ENDPOINT=FILE), or a folder of them"};
  put_in_order();
}

void Recording::read_word(std::string const& word) {
  std::error_code ignored;
  if (fs::is_directory(word, ignored)) {
    auto const own = fs::path{word} / dialect_.provider;
    read_folder(fs::is_directory(own, ignored) ? own.string() : word);
    return;
  }
  if (fs::exists(word, ignored)) {
    read_file(word, "");
    return;
  }
  auto const equals = word.find('=');
  if (equals == std::string::npos) throw UsageError{"--recording " + word + ": there is no such file or folder"};
  auto const path = word.substr(equals + 1);
  if (!fs::is_regular_file(path, ignored)) throw UsageError{"--recording " + word + ": there is no file " + path};
  auto endpoint = word.substr(0, equals);
  if (endpoint.starts_with('/')) endpoint.erase(0, 1);
  read_file(path, endpoint);
}

void Recording::read_folder(std::string const& folder) {
  std::vector<std::string> paths;
  for (auto const& entry : fs::directory_iterator{folder})
    if (entry.is_regular_file()) paths.push_back(entry.path().string());
  std::ranges::sort(paths);
  for (auto const& path : paths) read_file(path, "");
}

/// False: nothing for this provider.
bool Recording::read_file(std::string const& path, std::string const& given_endpoint) {
  auto const name = fs::path{path}.filename().string();
  auto const kind = kind_of_file(name);
  auto const endpoint = given_endpoint.empty() && kind == "body" ? dialect_.endpoint_of_file(name) : given_endpoint;
  if (kind.empty() || (kind == "body" && endpoint.empty())) return false;
  auto& text = texts_.emplace_back(read_whole(path));
  if (!given_endpoint.empty() || kind == "body") {
    auto& answers = answers_[endpoint];
    // What was recorded live goes before a documentation's example of the same endpoint.
    if (answers.empty() || !given_endpoint.empty() || !name.starts_with("oas-example-"))
      answers.insert(answers.begin(), {.body = text, .frame = 0});
    return true;
  }
  return read_lines(path, text, text.capacity());
}

bool Recording::read_lines(std::string const& path, std::string_view text, std::size_t capacity) {
  json::parser parser;
  std::vector<RecordedFrame> frames;
  struct Loose {
    std::string url;
    std::string_view raw;
    std::size_t frame;
    std::string stream;
  };
  std::vector<Loose> others;
  std::optional<std::chrono::nanoseconds> first;
  std::chrono::nanoseconds latest{};
  std::string stream;
  std::size_t number = 0, recognised = 0;
  for (std::size_t at = 0; at < text.size();) {
    auto const end = std::min(text.find('\n', at), text.size());
    auto const whole = text.substr(at, end - at);
    ++number;
    if (whole.empty()) {
      at = end + 1;
      continue;
    }
    Line line;
    try {
      line = parse_line(parser, whole, capacity - at);
    } catch (simdjson::simdjson_error const& error) {
      throw UsageError{path + " line " + std::to_string(number) + ": " + error.what() +
                       R"(. Each line is {"dir":…,"ts":…,"raw":…})"};
    }
    at = end + 1;
    if (line.direction != "recv" && line.direction != "http") continue;
    if (dialect_.foreign(line.raw)) {
      log::info("the recording is another provider's", {{"file", path}, {"provider", std::string{dialect_.provider}}});
      return false;
    }
    if (!first) first = line.time;
    latest = std::max(latest, line.time - *first);  // A file's order is kept, whatever its clock did.
    auto name = line.direction == "recv" ? dialect_.stream_of(line.raw) : "";
    if (name.empty()) {
      others.push_back({.url = std::string{line.url}, .raw = line.raw, .frame = frames.size(), .stream = stream});
      continue;
    }
    ++recognised;
    stream = name;
    RecordedFrame frame{.at = latest, .stream = stream_number(name), .payload = line.raw};
    if (auto const data = frame.payload.find(R"("data":)"); data != std::string_view::npos && frame.payload.ends_with('}'))
      frame.data = frame.payload.substr(data + 7, frame.payload.size() - data - 8);
    frames.push_back(frame);
  }
  for (auto& other : others) {
    auto const near = other.stream.empty() && !frames.empty() ? streams_[frames.front().stream] : other.stream;
    auto const endpoint = dialect_.endpoint_of_line(other.url, near, other.raw);
    if (endpoint.empty()) continue;
    ++recognised;
    answers_[endpoint].push_back({.body = other.raw, .frame = frames_.size() + other.frame});
  }
  frames_.insert(frames_.end(), frames.begin(), frames.end());
  return recognised > 0;
}

/// Several files play side by side, each from its own first line.
void Recording::put_in_order() {
  std::vector<std::size_t> order(frames_.size());
  for (std::size_t index = 0; index < order.size(); ++index) order[index] = index;
  std::ranges::stable_sort(order, {}, [&](std::size_t index) { return frames_[index].at; });
  std::vector<std::size_t> place(frames_.size());
  std::vector<RecordedFrame> sorted;
  sorted.reserve(frames_.size());
  for (auto const index : order) {
    place[index] = sorted.size();
    sorted.push_back(frames_[index]);
  }
  for (auto& [endpoint, answers] : answers_)
    for (auto& answer : answers) answer.frame = answer.frame < place.size() ? place[answer.frame] : sorted.size();
  frames_ = std::move(sorted);
}

std::uint32_t Recording::stream_number(std::string const& name) {
  auto const [at, is_new] = stream_numbers_.try_emplace(name, static_cast<std::uint32_t>(streams_.size()));
  if (is_new) streams_.push_back(name);
  return at->second;
}

std::optional<std::string_view> Recording::answer(std::string_view endpoint, std::size_t frame) const {
  auto const found = answers_.find(endpoint);
  if (found == answers_.end()) return {};
  auto const* best = &found->second.front();
  for (auto const& answer : found->second)
    if (answer.frame <= frame && answer.frame > best->frame) best = &answer;
  return best->body;
}

std::string Recording::summary() const {
  auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(length()).count();
  return std::to_string(frames_.size()) + " frames of " + std::to_string(streams_.size()) + " streams over " +
         std::to_string(seconds) + " s, answers for " + std::to_string(answers_.size()) + " endpoints";
}

void Recording::say_unanswered(std::string_view endpoint) const {
  if (std::ranges::contains(unanswered_, endpoint)) return;
  unanswered_.emplace_back(endpoint);
  log::warning("no recording answers this", {{"provider", std::string{dialect_.provider}}, {"endpoint", std::string{endpoint}}});
}

void Player::want(std::vector<std::string> const& streams) {
  for (std::size_t number = 0; number < wanted_.size(); ++number)
    wanted_[number] = std::ranges::contains(streams, recording_.streams()[number]);
}

Session::Feed Player::produce(Now const& now, bool settled, bool bare, std::size_t bytes, Frames& out) {
  if (!began_ && !settled) return Session::Feed::waiting;
  if (!began_) began_ = now.steady;
  auto const& frames = recording_.frames();
  for (auto steps_left = 100'000; out.size() < bytes && steps_left > 0; --steps_left) {
    if (next_ == frames.size()) {
      if (!recording_.loop || frames.empty()) return Session::Feed::ended;
      next_ = 0;
      began_ = now.steady;
    }
    auto const& frame = frames[next_];
    if (recording_.speed > 0) {
      auto const elapsed = std::chrono::duration<double, std::nano>{now.steady - *began_}.count() * recording_.speed;
      if (static_cast<double>(frame.at.count()) > elapsed) return Session::Feed::waiting;
    }
    if (wanted_[frame.stream]) out.data(frame.stream, bare && !frame.data.empty() ? frame.data : frame.payload);
    ++next_;
    recording_.furthest = std::max(recording_.furthest, next_);
  }
  return Session::Feed::flowing;
}

}  // namespace penstock::simulate
