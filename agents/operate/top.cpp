/// penstock top: how all agents do, live.
#include "agents/operate/commands.hpp"
#include "agents/operate/full_screen.hpp"
#include "agents/operate/output.hpp"
#include "agents/operate/top_source.hpp"
#include "agents/operate/top_text.hpp"
#include "streaming/fault.hpp"
#include "streaming/json.hpp"
#include "streaming/log.hpp"
#include "streaming/whole_number.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace penstock {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr milliseconds stop_look{100};  ///< A stop is noticed within this time.
constexpr char escape = 27, backspace = 8, erase = 127, interrupt = 3, end_of_file = 4;

struct Ask {
  TopLook look;
  milliseconds interval{};
  std::int64_t count = 0;  ///< 0: without end
  bool json = false;
};

/// The last two snapshots, and what the newest attempt said.
class History {
 public:
  explicit History(SnapshotSource& source) : source_{source} {}

  void look(std::stop_token const& stop) {
    try {
      auto fresh = source_.fetch(stop);
      trouble_.clear();
      if (now_ && fresh.at <= now_->at) return;
      before_ = std::exchange(now_, std::move(fresh));
    } catch (Fault const& fault) {
      trouble_ = log::redacted(fault.what());
    }
  }
  bool is_empty() const { return !now_; }
  bool has_rates() const { return before_.has_value(); }
  std::string const& trouble() const { return trouble_; }
  TopView view() const { return now_ ? top_view(before_ ? &*before_ : nullptr, *now_) : TopView{}; }

 private:
  SnapshotSource& source_;
  std::optional<Snapshot> before_, now_;
  std::string trouble_;
};

std::int64_t number_of(Invocation const& invocation, std::string const& flag, std::int64_t fallback, std::int64_t least,
                       std::int64_t most) {
  if (!invocation.has(flag)) return fallback;
  auto const number = whole_number<std::int64_t>(invocation.flag(flag));
  if (!number || *number < least || *number > most)
    throw UsageError{"--" + flag + " is \"" + invocation.flag(flag) + "\": it takes a whole number from " +
                     std::to_string(least) + " to " + std::to_string(most)};
  return *number;
}

Ask ask_of(Invocation const& invocation) {
  auto const sort = invocation.flag("sort", "name");
  auto const order = parse_order(sort);
  if (!order) throw UsageError{"--sort: there is no column \"" + sort + "\"" + suggestion(sort, order_names())};
  auto const by = invocation.flag("by", "agent");
  if (by != "agent" && by != "provider") throw UsageError{"--by is \"" + by + "\": it takes agent or provider"};
  return {.look = {.order = *order, .filter = invocation.flag("filter"), .by_provider = by == "provider"},
          .interval = std::chrono::seconds{number_of(invocation, "interval", 2, 1, 3'600)},
          .count = number_of(invocation, "count", 0, 0, 1'000'000'000),
          .json = invocation.has("json")};
}

std::unique_ptr<SnapshotSource> source_of(Invocation const& invocation) {
  if (invocation.has("status-file") && invocation.has("url")) throw UsageError{"--status-file and --url: keep one of them"};
  if (invocation.has("status-file")) return file_source(invocation.flag("status-file"));
  if (invocation.has("url")) return http_source(invocation.flag("url"));
  if (auto const listens = invocation.config.text("http.listen"); listens != "off" && !listens.ends_with(":0"))
    return http_source("http://" + listens);
  throw UsageError{
      "needs to know where `penstock up` tells how it goes: --status-file FILE, as given to `penstock up`, or --url "
      "http://HOST:PORT, or http.listen in the configuration"};
}

// ---- On a terminal.

/// What the keys change.
struct Screen {
  TopLook look;
  bool paused = false, help = false, typing = false, done = false;
};

void type(Screen& screen, char key) {
  auto& filter = screen.look.filter;
  if (key == '\r' || key == '\n') {
    screen.typing = false;
  } else if (key == escape) {
    screen.typing = false;
    filter.clear();
  } else if (key == backspace || key == erase) {
    if (!filter.empty()) filter.pop_back();
  } else if (key >= ' ') {
    filter += key;
  }
}

void sort_by_next(TopLook& look) {
  auto const next = (static_cast<std::size_t>(look.order) + 1) % order_names().size();
  look.order = static_cast<TopOrder>(next);
}

void press(Screen& screen, char key) {
  if (key == interrupt || key == end_of_file) {
    screen.done = true;
    return;
  }
  if (screen.typing) return type(screen, key);
  constexpr std::array<std::pair<char, TopOrder>, 11> orders{{{'n', TopOrder::name},
                                                              {'i', TopOrder::received},
                                                              {'o', TopOrder::written},
                                                              {'t', TopOrder::latency},
                                                              {'l', TopOrder::lag},
                                                              {'g', TopOrder::gaps},
                                                              {'x', TopOrder::stale},
                                                              {'d', TopOrder::dead},
                                                              {'b', TopOrder::spool},
                                                              {'m', TopOrder::memory},
                                                              {'r', TopOrder::restarts}}};
  if (auto const found = std::ranges::find(orders, key, &std::pair<char, TopOrder>::first); found != orders.end())
    screen.look.order = found->second;
  switch (key) {
    case 'q': screen.done = true; return;
    case 's': return sort_by_next(screen.look);
    case 'p': screen.look.by_provider = !screen.look.by_provider; return;
    case ' ': screen.paused = !screen.paused; return;
    case 'h':
    case '?': screen.help = !screen.help; return;
    case '/':
    case 'f': screen.typing = true; return;
    case escape: screen.look.filter.clear(); return;
    default: return;
  }
}

constexpr std::string_view help =
    "\nq quit   p by agent or by provider   / or f filter by name (Enter keeps, Esc clears)   space stand still   h this text\n"
    "sort: s next column, n name, i in, o out, t time (p99), l lag, g gaps, x stale, d dead, b spool, m memory, r restarts\n"
    "IN/S and OUT/S: records per second since the last look. P50, P99: at most so long from received to this station, "
    "during it.\nGAPS, DEAD: since the agents started. LAG, STALE, SPOOL, MB: now.\n";

std::string drawn(History const& history, Screen const& screen, Ask const& ask) {
  auto const view = history.view();
  auto text = "penstock top   " + (history.is_empty() ? std::string{"nothing seen yet"} : to_text(view.at)) + "   every " +
              std::to_string(ask.interval.count() / 1'000) + " s   sorted by " + std::string{to_text(screen.look.order)} +
              (screen.paused ? "   STANDS STILL (space)" : "") + "   h help   q quit\n";
  if (screen.typing || !screen.look.filter.empty())
    text += "filter: " + screen.look.filter + (screen.typing ? "_   (Enter keeps, Esc clears)" : "   (Esc clears)") + '\n';
  if (!history.trouble().empty()) text += "! " + history.trouble() + '\n';
  if (!history.is_empty()) text += '\n' + top_table(view, screen.look) + '\n' + top_hops(view, screen.look);
  return screen.help ? text + std::string{help} : text;
}

int run_on_screen(SnapshotSource& source, Ask const& ask, std::stop_token const& stop) {
  History history{source};
  Screen screen{.look = ask.look};
  std::int64_t shown = 0;
  FullScreen terminal;
  while (!stop.stop_requested() && !screen.done) {
    if (!screen.paused) history.look(stop);
    if (!terminal.draw(drawn(history, screen, ask))) break;
    if (++shown == ask.count) break;
    auto const until = std::chrono::steady_clock::now() + ask.interval;
    while (!stop.stop_requested() && !screen.done && std::chrono::steady_clock::now() < until) {
      auto const key = terminal.key(stop_look);
      if (key) press(screen, *key);
      if ((key || terminal.was_resized()) && !terminal.draw(drawn(history, screen, ask))) screen.done = true;
    }
  }
  return stopped_as_asked;
}

// ---- Into a file or a pipe.

bool print(History const& history, Ask const& ask) {
  if (ask.json)
    return put_line(history.trouble().empty() ? top_json(history.view(), ask.look)
                                              : "{\"error\":" + json_string(history.trouble()) + '}');
  if (!history.trouble().empty()) return put_line("error=" + json_string(history.trouble()));
  return std::ranges::all_of(top_lines(history.view(), ask.look), put_line);
}

/// Rates need two looks, so nothing is printed after the first one.
int run_in_lines(SnapshotSource& source, Ask const& ask, std::stop_token const& stop) {
  History history{source};
  history.look(stop);
  if (!history.trouble().empty() && !stop.stop_requested()) throw Fault{Fault::Kind::fatal, history.trouble()};
  for (std::int64_t shown = 0; (ask.count == 0 || shown < ask.count) && output_is_wanted(); ++shown) {
    system_clock().sleep(ask.interval, stop);
    if (stop.stop_requested()) break;
    history.look(stop);
    if (stop.stop_requested() || !print(history, ask)) break;
  }
  return stopped_as_asked;
}

int run(Invocation const& invocation) {
  auto const ask = ask_of(invocation);
  auto const source = source_of(invocation);
  return FullScreen::is_possible() && !ask.json ? run_on_screen(*source, ask, invocation.stop)
                                                : run_in_lines(*source, ask, invocation.stop);
}

}  // namespace

Command const top_command{
    .name = "top",
    .summary = "Show live how the agents of `penstock up` do: rates, lag, latencies, gaps, dead letters, memory, restarts",
    .flags = {{.name = "status-file", .argument = "FILE", .help = "The file that `penstock up --status-file FILE` writes"},
              {.name = "url",
               .argument = "URL",
               .help = "Where `penstock up` serves /agents; without both: http.listen of the configuration. Example: "
                       "http://127.0.0.1:9464"},
              {.name = "interval", .argument = "SECONDS", .help = "Between two looks", .fallback = "2"},
              {.name = "count", .argument = "N", .help = "Stop after N looks; 0: go on until q or Ctrl-C", .fallback = "0"},
              {.name = "sort",
               .argument = "COLUMN",
               .help = "What comes first: name, in, out, latency, lag, gaps, stale, dead, spool, memory, restarts",
               .fallback = "name"},
              {.name = "filter", .argument = "TEXT", .help = "Only agents (or providers) whose name has this in it"},
              {.name = "by", .argument = "WORD", .help = "Rows are agents or providers: agent, provider", .fallback = "agent"},
              {.name = "json",
               .help = "One JSON object a look instead of a screen; without a terminal and this: one line an agent"}},
    .example =
        "penstock top --status-file /run/penstock/status.json --sort lag    the agents that are behind first; h shows the keys",
    .run = run,
};

}  // namespace penstock
