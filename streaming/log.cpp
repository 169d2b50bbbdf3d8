#include "streaming/log.hpp"

#include "streaming/fault.hpp"
#include "streaming/json.hpp"
#include "streaming/repeat_limit.hpp"
#include "streaming/time.hpp"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <vector>

namespace penstock::log {

namespace {

constexpr std::array<std::string_view, 4> level_names{"debug", "info", "warning", "error"};
enum class Format { logfmt, json };

struct Output {
  std::shared_ptr<spdlog::logger> logger;
  std::string agent = "penstock";
  Format format = Format::logfmt;
  Level least = Level::info;
};

std::shared_ptr<spdlog::logger> stderr_logger() {
  auto logger = std::make_shared<spdlog::logger>("penstock", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(std::make_unique<spdlog::pattern_formatter>("%v"));
  logger->set_level(spdlog::level::trace);
  logger->flush_on(spdlog::level::trace);
  return logger;
}

std::atomic<bool> raised = false;

std::mutex repeats_mutex;
RepeatLimit& repeats() {
  static RepeatLimit one;
  return one;
}

std::shared_mutex output_mutex;
Output& output() {
  static Output one{.logger = stderr_logger()};
  return one;
}

std::shared_mutex secrets_mutex;
std::vector<std::string>& secrets() {
  static std::vector<std::string> all;  // the longest first: one may contain another
  return all;
}

std::string_view name_of(Level level) { return level_names[static_cast<std::size_t>(level)]; }

bool needs_quotes(std::string_view text) {
  return text.empty() ||
         std::ranges::any_of(text, [](unsigned char c) { return c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f; });
}

class Line {
 public:
  explicit Line(Format format) : format_{format} {}

  void add(std::string_view key, std::string_view value) {
    auto const shown = redacted(std::string{value});
    if (format_ == Format::json) {
      text_ += text_.empty() ? '{' : ',';
      append_json_string(text_, key);
      text_ += ':';
      append_json_string(text_, shown);
      return;
    }
    if (!text_.empty()) text_ += ' ';
    std::ranges::transform(key, std::back_inserter(text_), [](char c) { return needs_quotes({&c, 1}) ? '_' : c; });
    text_ += '=';
    if (needs_quotes(shown))  // The escapes of JSON: logfmt readers know the same ones.
      append_json_string(text_, shown);
    else
      text_ += shown;
  }
  std::string finish() && {
    if (format_ == Format::json) text_ += '}';
    return std::move(text_);
  }

 private:
  Format format_;
  std::string text_;
};

Level level_of(std::string_view word) {
  auto const found = std::ranges::find(level_names, word);
  if (found == level_names.end())
    throw UsageError{"log.level is \"" + std::string{word} + "\"; it takes one of debug, info, warning, error"};
  return static_cast<Level>(found - level_names.begin());
}

Format format_of(std::string_view word) {
  if (word == "logfmt") return Format::logfmt;
  if (word == "json") return Format::json;
  throw UsageError{"log.format is \"" + std::string{word} + "\"; it takes one of logfmt, json"};
}

bool is_wanted(Level level) {
  std::shared_lock const lock{output_mutex};
  return raised || level >= output().least;
}

void put(Level level, RepeatLimit::Line const& what) {
  std::shared_lock const lock{output_mutex};
  auto const& to = output();
  Line line{to.format};
  line.add("time", to_text(std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now())));
  line.add("level", name_of(level));
  line.add("agent", to.agent);
  line.add("message", what.message);
  for (auto const& [key, value] : what.fields) line.add(key, value);
  to.logger->log(spdlog::level::info, "{}", std::move(line).finish());
}

void put(RepeatLimit::Held const& held) {
  auto line = held.last;
  line.fields.emplace_back("repeated", std::to_string(held.times));
  put(Level::warning, line);
}

}  // namespace

void start(std::string_view agent, std::string_view level, std::string_view format) {
  auto const least = level_of(level);
  auto const shape = format_of(format);
  std::unique_lock const lock{output_mutex};
  output().agent = agent;
  output().least = least;
  output().format = shape;
}

void redact(std::string secret) {
  if (secret.empty()) return;
  std::unique_lock const lock{secrets_mutex};
  auto& all = secrets();
  if (std::ranges::find(all, secret) != all.end()) return;
  all.push_back(std::move(secret));
  std::ranges::stable_sort(all, std::ranges::greater{}, &std::string::size);
}

std::string redacted(std::string text) {
  std::shared_lock const lock{secrets_mutex};
  for (auto const& secret : secrets())
    for (auto at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 3))
      text.replace(at, secret.size(), "***");
  return text;
}

void change_level(int how) {
  bool const up = how == raise_level || (how != set_level_back && !raised);
  if (raised.exchange(up) == up) return;
  write(Level::info, up ? "everything is logged now; SIGUSR1 sets it back" : "the level of the log is what log.level says again");
}

bool is_raised() { return raised; }

void finish() {
  std::vector<RepeatLimit::Held> held;
  {
    std::lock_guard const lock{repeats_mutex};
    held = repeats().all();
  }
  for (auto const& one : held) put(one);
}

void write(Level level, std::string_view message, Fields fields) {
  if (!is_wanted(level)) return;
  RepeatLimit::Line line{.message = std::string{message}, .fields = {fields.begin(), fields.end()}};
  std::vector<RepeatLimit::Held> due;
  bool passes = true;
  {
    std::lock_guard const lock{repeats_mutex};
    auto const now = std::chrono::steady_clock::now();
    due = repeats().due(now);
    if (level == Level::warning) passes = repeats().passes(line, now);
  }
  for (auto const& one : due) put(one);
  if (passes) put(level, line);
}

}  // namespace penstock::log
