/// penstock dead ls|show|replay|drop|retry: what failed, and what is done with it.
#include "agents/connections.hpp"
#include "agents/dead/letters.hpp"
#include "agents/health/reporting.hpp"
#include "agents/operate/commands.hpp"
#include "agents/operate/dead_show.hpp"
#include "agents/operate/reach.hpp"
#include "agents/operate/record_text.hpp"
#include "agents/operate/text_table.hpp"
#include "agents/operate/time_word.hpp"
#include "schemas/reasons.hpp"
#include "streaming/fault.hpp"
#include "streaming/json.hpp"
#include "streaming/whole_number.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <format>
#include <iostream>
#include <ranges>

namespace penstock {
namespace {

using namespace std::chrono_literals;
using Words = std::vector<std::string>;

// ---- What was asked for.

struct Verb {
  std::string_view name, arguments;
  std::size_t arguments_least, arguments_most;  ///< after the verb
  Words flags;
};

std::vector<Verb> const& verbs() {
  static std::vector<Verb> const all{
      {"ls", "[TOPIC]", 0, 1, {"reason", "since", "until", "json"}},
      {"show", "TOPIC PARTITION@OFFSET", 2, 2, {"json"}},
      {"replay", "[TOPIC]", 0, 1, {"reason", "since", "until", "limit", "dry-run", "json"}},
      {"drop", "[TOPIC]", 0, 1, {"reason", "since", "until", "limit", "dry-run", "json", "yes"}},
      {"retry", "no more words", 0, 0, {}},
  };
  return all;
}

Verb const& verb_of(Invocation const& invocation) {
  auto const& name = invocation.arguments.front();
  auto const verb = std::ranges::find(verbs(), name, &Verb::name);
  if (verb == verbs().end()) throw UsageError{"unknown word \"" + name + "\" (see `penstock dead --help`)"};
  auto const count = invocation.arguments.size() - 1;
  if (count < verb->arguments_least || count > verb->arguments_most)
    throw UsageError{std::format("{} takes {}", name, verb->arguments) + " (see `penstock dead --help`)"};
  for (auto const& [flag, value] : invocation.flags)
    if (!std::ranges::contains(verb->flags, flag))
      throw UsageError{"--" + flag + " does not go with " + name + " (see `penstock dead --help`)"};
  return *verb;
}

/// A time, or how long ago: 90s, 30m, 12h, 7d.
Time time_of(std::string const& flag, std::string const& text) {
  if (auto const time = parse_time_or_ago(text, system_clock().now())) return *time;
  throw UsageError{"--" + flag + " is \"" + text +
                   "\": it takes a time such as 2026-01-31T12:00:00Z, or how long ago: 90s, 30m, 12h, 7d"};
}

DeadAsk ask_of(Invocation const& invocation) {
  DeadAsk ask;
  Words const known{reason::all.begin(), reason::all.end()};
  for (auto const part : std::views::split(invocation.flag("reason"), '\n')) {
    std::string const word{std::string_view{part}};
    if (word.empty()) continue;
    if (!std::ranges::contains(known, word))
      throw UsageError{"--reason: unknown reason \"" + word + "\"" + suggestion(word, known)};
    ask.rule.reasons.insert(word);
  }
  if (invocation.has("since")) ask.rule.since = time_of("since", invocation.flag("since"));
  if (invocation.has("until")) ask.rule.until = time_of("until", invocation.flag("until"));
  if (invocation.has("limit")) {
    auto const limit = whole_number<std::int64_t>(invocation.flag("limit"));
    if (!limit || *limit == 0)
      throw UsageError{"--limit is \"" + invocation.flag("limit") + "\": it takes a number of letters from 1"};
    ask.limit = *limit;
  }
  return ask;
}

/// For the mark: times as they were understood, so that "2h" still says something later.
std::string rule_json(Invocation const& invocation, DeadAsk const& ask, bool replays) {
  std::string out = "{";
  auto const add = [&](std::string_view name, std::string const& json) {
    out += (out.size() > 1 ? "," : "") + json_string(name) + ':' + json;
  };
  if (!ask.rule.reasons.empty()) add("reason", json_list(ask.rule.reasons));
  if (invocation.has("since")) add("since", json_string(to_text(ask.rule.since)));
  if (invocation.has("until")) add("until", json_string(to_text(ask.rule.until)));
  if (invocation.has("limit")) add("limit", std::to_string(ask.limit));
  if (replays) add("max_attempts", std::to_string(ask.rule.attempts_max));
  return out + '}';
}

/// All of the broker, or the one that is named, with or without .dead.
std::vector<Topic> topics_of(kafka::Connection const& connection, Invocation const& invocation) {
  auto all = dead_letter_topics(connection);
  if (invocation.arguments.size() < 2) return all;
  auto const& name = invocation.arguments.at(1);
  auto const suffix = dead_letter_topic("");
  auto const topic = name.ends_with(suffix) ? name : dead_letter_topic(name);
  if (std::ranges::contains(all, topic)) return {topic};
  throw UsageError{"there are no dead letters of \"" + name + "\": no topic " + topic + suggestion(topic, all)};
}

// ---- ls

std::string age(Time time, Time now) {
  auto const seconds = std::chrono::floor<std::chrono::seconds>(now - time).count();
  auto const ago = seconds < 120       ? std::format("{} s", seconds)
                   : seconds < 7'200   ? std::format("{} min", seconds / 60)
                   : seconds < 172'800 ? std::format("{} h", seconds / 3'600)
                                       : std::format("{} d", seconds / 86'400);
  return to_text(time).substr(0, 19) + "Z (" + ago + ')';
}

void print_tallies(DeadOutcome const& found, Time now) {
  std::vector<Words> rows{{"TOPIC", "REASON", "OPEN", "REPLAYED", "DROPPED", "ATTEMPTS", "OLDEST", "NEWEST"}};
  for (auto const& [of, tally] : found.tallies) {
    auto const count = [](std::int64_t value) { return std::to_string(value); };
    Words row{of.first, visible(of.second), count(tally.open), count(tally.replayed), count(tally.dropped)};
    if (tally.open > 0) {
      row.push_back(tally.attempts_least == tally.attempts_most ? count(tally.attempts_most)
                                                                : count(tally.attempts_least) + '-' + count(tally.attempts_most));
      row.push_back(age(tally.oldest, now));
      row.push_back(age(tally.newest, now));
    }
    rows.push_back(std::move(row));
  }
  if (rows.size() == 1)
    std::cout << "no dead letters" << std::endl;
  else
    std::cout << text_table(rows);
  if (found.strange > 0) std::cout << found.strange << " records there are no letters of penstock" << std::endl;
}

void print_tallies_json(DeadOutcome const& found) {
  std::string out = R"({"letters":[)";
  for (auto const& [of, tally] : found.tallies) {
    out += std::format(R"({}{{"topic":{},"reason":{},"open":{},"replayed":{},"dropped":{})", out.back() == '[' ? "" : ",",
                       json_string(of.first), json_string(of.second), tally.open, tally.replayed, tally.dropped);
    if (tally.open > 0)
      out += std::format(R"(,"attempts_least":{},"attempts_most":{},"oldest":"{}","newest":"{}")", tally.attempts_least,
                         tally.attempts_most, to_text(tally.oldest), to_text(tally.newest));
    out += '}';
  }
  std::cout << out << R"(],"strange":)" << found.strange << '}' << std::endl;
}

int list(Invocation const& invocation, kafka::Connection const& connection) {
  auto const topics = topics_of(connection, invocation);
  auto const now = system_clock().now();
  KnownMarks known;
  auto const found =
      look_at_letters(connection, topics, ask_of(invocation), now, DeadAction::Kind::replay, known, invocation.stop);
  invocation.has("json") ? print_tallies_json(found) : print_tallies(found, now);
  return stopped_as_asked;
}

// ---- replay, drop

kafka::Pacing pacing_of(Config const& config, std::vector<Topic> const& letters) {
  kafka::Pacing pacing{.bytes_max = static_cast<std::size_t>(config.integer("kafka.pace_bytes_max")), .readers = {}};
  for (auto const& topic : letters)
    pacing.readers[topic.substr(0, topic.rfind('.'))] =
        config.text(topic.starts_with("raw.") ? "transform.group" : "store.group");
  return pacing;
}

struct Report {
  bool json, dry_run;
  DeadAction::Kind kind;
  std::string lines;  ///< of JSON
  std::int64_t letters = 0;

  void add(Topic const& topic, DeadOutcome const& outcome) {
    letters += outcome.letters;
    if (outcome.letters == 0 && outcome.worn_out == 0) return;
    bool const replays = kind == DeadAction::Kind::replay;
    if (json) {
      lines += std::format(R"({}{{"topic":{},"letters":{},"records":{},"worn_out":{}}})", lines.empty() ? "" : ",",
                           json_string(topic), outcome.letters, replays ? outcome.records : 0, outcome.worn_out);
      return;
    }
    auto line = std::format("{}: {} {}{}", topic, outcome.letters, outcome.letters == 1 ? "letter" : "letters",
                            dry_run ? " would be" : "");
    line += !replays ? " dropped"
                     : std::format(" replayed: {} {} to {}", outcome.records, outcome.records == 1 ? "record" : "records",
                                   topic.substr(0, topic.rfind('.')));
    if (outcome.worn_out > 0) line += std::format("; {} failed --max-attempts times and stay", outcome.worn_out);
    std::cout << line << std::endl;
  }
  void end() const {
    if (json)
      std::cout << std::format(R"({{"action":"{}","dry_run":{},"letters":{},"topics":[{}]}})", to_text(kind), dry_run, letters,
                               lines)
                << std::endl;
    else if (letters == 0)
      std::cout << "nothing to " << to_text(kind) << std::endl;
  }
};

void act(Invocation const& invocation, kafka::Connection const& connection, std::vector<Topic> const& topics, DeadAsk ask,
         DeadAction::Kind kind) {
  bool const dry_run = invocation.has("dry-run");
  DeadDeed const deed{.kind = kind,
                      .rule = rule_json(invocation, ask, kind == DeadAction::Kind::replay),
                      .instance = agent_instance("dead"),
                      .pacing = pacing_of(invocation.config, topics)};
  KnownMarks known;
  Report report{.json = invocation.has("json"), .dry_run = dry_run, .kind = kind};
  for (auto const& topic : topics) {
    if (ask.limit <= 0 || invocation.stop.stop_requested()) break;
    auto const outcome = dry_run ? look_at_letters(connection, {topic}, ask, system_clock().now(), kind, known, invocation.stop)
                                 : act_on_letters(connection, topic, ask, deed, system_clock(), known, invocation.stop);
    ask.limit -= outcome.letters;
    report.add(topic, outcome);
  }
  report.end();
}

int replay(Invocation const& invocation, kafka::Connection const& connection) {
  auto ask = ask_of(invocation);
  ask.rule.attempts_max = static_cast<int>(invocation.config.integer("dead.max_attempts"));
  act(invocation, connection, topics_of(connection, invocation), std::move(ask), DeadAction::Kind::replay);
  return stopped_as_asked;
}

/// False also where it was asked to stop.
bool confirmed(std::int64_t letters, std::stop_token const& stop) {
  std::cerr << "Drop " << letters << (letters == 1 ? " letter" : " letters")
            << "? They stay in the log, but are open no more and never replayed. [y/N] " << std::flush;
  pollfd in{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  while (::poll(&in, 1, 100) <= 0)
    if (stop.stop_requested()) return false;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "yes";
}

int drop(Invocation const& invocation, kafka::Connection const& connection) {
  auto ask = ask_of(invocation);
  bool const asks = !invocation.has("yes") && !invocation.has("dry-run");
  if (asks && ::isatty(STDIN_FILENO) != 1)
    throw UsageError{
        "drop asks before it does it, and there is no terminal to ask on: say --yes (--dry-run shows what it would drop)"};
  auto const topics = topics_of(connection, invocation);
  if (asks) {
    auto const now = system_clock().now();
    KnownMarks known;
    auto const found = look_at_letters(connection, topics, ask, now, DeadAction::Kind::drop, known, invocation.stop);
    if (!invocation.has("json")) print_tallies(found, now);
    if (found.letters > 0 && !confirmed(found.letters, invocation.stop)) {
      std::cout << "nothing was dropped" << std::endl;
      return stopped_as_asked;
    }
    ask.until = found.ends;  // What came while it asked was not shown.
  }
  act(invocation, connection, topics, std::move(ask), DeadAction::Kind::drop);
  return stopped_as_asked;
}

// ---- retry

int retry(Invocation const& invocation, kafka::Connection const& connection) {
  auto const& config = invocation.config;
  auto const reasons = config.list("dead.retry_reasons");
  if (reasons.empty())
    throw UsageError{
        "dead.retry_reasons is empty, so nothing is to be replayed by itself: set it, for example to unknown-symbol"};
  auto const delay = config.milliseconds("dead.retry_after_ms");
  DeadRetryOptions options{.rule = {.reasons = {reasons.begin(), reasons.end()},
                                    .attempts_max = static_cast<int>(config.integer("dead.max_attempts")),
                                    .delay = delay,
                                    .delay_max = std::max(delay, config.milliseconds("dead.retry_after_ms_max"))},
                           .deed = {},
                           .look_every = std::clamp(delay / 4, 200ms, 10'000ms)};
  options.deed = {.kind = DeadAction::Kind::replay,
                  .rule = std::format(R"({{"retry_reasons":{},"retry_after_ms":{},"retry_after_ms_max":{},"max_attempts":{}}})",
                                      json_list(reasons), options.rule.delay.count(), options.rule.delay_max.count(),
                                      options.rule.attempts_max),
                  .instance = agent_instance("dead-retry"),
                  .pacing = pacing_of(config, dead_letter_topics(connection))};
  Metrics metrics{"dead"};
  Health health;
  Reporting const reporting{config, connection, metrics, health};
  run_dead_retry(connection, options, system_clock(), metrics, health, invocation.stop);
  return stopped_as_asked;
}

int run(Invocation const& invocation) {
  auto const& verb = verb_of(invocation);
  ask_of(invocation);  // What is wrong is said before anything is waited for.
  auto const connection = connection_of(invocation.config);
  auto const limit = verb.name == "retry" ? invocation.config.milliseconds("kafka.wait_ms_max") : 5s;
  if (!wait_for_broker(connection, invocation.stop, limit)) return stopped_as_asked;
  if (verb.name == "ls") return list(invocation, connection);
  if (verb.name == "show")
    return show_dead_letter(invocation, topics_of(connection, invocation).front(), invocation.arguments.at(2));
  if (verb.name == "replay") return replay(invocation, connection);
  if (verb.name == "drop") return drop(invocation, connection);
  return retry(invocation, connection);
}

}  // namespace

Command const dead_command{
    .name = "dead",
    .summary =
        "Dead letters: list them (ls), show one and what it would be now (show), send them back to the topic they came from "
        "(replay), set them aside for good (drop), do the former by itself (retry). Without TOPIC: all of the broker",
    .arguments = "ls|show|replay|drop|retry [TOPIC [PARTITION@OFFSET]]",
    .arguments_least = 1,
    .arguments_most = 3,
    .sections = {"dead", "kafka", "http", "health", "status"},
    .flags =
        {{.name = "reason",
          .argument = "WORD",
          .help = "Of ls, replay, drop: only letters with this reason, such as unknown-symbol",
          .repeats = true},
         {.name = "since",
          .argument = "TIME",
          .help =
              "Of ls, replay, drop: only those that failed then or later: 2026-01-31T12:00:00Z, or how long ago, such as 12h"},
         {.name = "until", .argument = "TIME", .help = "Of ls, replay, drop: only those that failed then or earlier"},
         {.name = "limit",
          .argument = "N",
          .help = "Of replay, drop: at most so many letters; those about one frame go together"},
         {.name = "dry-run", .argument = "", .help = "Of replay, drop: say what would be done, and do nothing"},
         {.name = "yes", .argument = "", .help = "Of drop: do not ask"},
         {.name = "json", .argument = "", .help = "Of ls, show, replay, drop: one JSON object instead of lines"}},
    .example =
        "penstock dead ls --since 12h   how many failed in the last 12 hours, by topic and reason\n"
        "penstock dead show raw.binance 0@17   the letter at that place of raw.binance.dead, and what it would be now\n"
        "penstock dead replay raw.binance --reason unknown-symbol --dry-run   what would go back to raw.binance\n"
        "penstock dead replay raw.binance --reason unknown-symbol   sends it back, as it was; interrupted and repeated, nothing "
        "goes back twice (without kafka.transactions, a crash in the middle may repeat some)\n"
        "penstock dead drop raw.binance --reason malformed --until 7d --yes   those of more than a week ago are done with",
    .run = run};

}  // namespace penstock
