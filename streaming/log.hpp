/// Structured logs to stderr, one line a fact: `time level agent message key=value …` (logfmt), or JSON lines. Names of fields
/// are listed in docs/operations/logs.md. Any thread. Secrets that were registered with redact() never appear.
/// A warning that repeats is written once, then now and then with `repeated`, how many it stands for (repeat_limit.hpp).
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace penstock::log {

enum class Level : int { debug, info, warning, error };
using Fields = std::initializer_list<std::pair<std::string_view, std::string>>;

/// Once, at start. `agent`: what this process is, e.g. "publish binance". Throws UsageError for an unknown word.
void start(std::string_view agent, std::string_view level, std::string_view format);
/// From now on `secret` is replaced by *** wherever it would be written.
void redact(std::string secret);
/// `text` with the registered secrets replaced; for what is written past the log.
std::string redacted(std::string text);

/// While raised, everything is written, whatever `level` start() was given. The numbers come with SIGUSR1 (sigqueue); a plain
/// signal changes it.
inline constexpr int raise_level = 1, set_level_back = 2;
void change_level(int how);
bool is_raised();
/// Before the process ends: writes what repeats were held back.
void finish();

void write(Level level, std::string_view message, Fields fields = {});
inline void debug(std::string_view message, Fields fields = {}) { write(Level::debug, message, fields); }
inline void info(std::string_view message, Fields fields = {}) { write(Level::info, message, fields); }
inline void warning(std::string_view message, Fields fields = {}) { write(Level::warning, message, fields); }
inline void error(std::string_view message, Fields fields = {}) { write(Level::error, message, fields); }

}  // namespace penstock::log
