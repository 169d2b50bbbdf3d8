/// What was sent, as canonical records, one JSON line each: {"kind":"trades","record":{…}}, the record as
/// append_json of schemas/kinds.hpp writes it, without `received_at`, and without what the provider does not say
/// (`time` of a Binance bookTicker, `closed` of a REST candle): a key that is left out is not compared.
/// - Kinds that only grow: one line per identity, however often it was sent.
/// - Kinds where the later one wins: the last line of an identity counts.
/// - Books: updates and snapshots as sent. A transformer need not send on updates that are older than its snapshot:
///   compare by (type, sequence), as "what landed is among what was sent, and equal to it".
/// - A frame cut short by the fault `malformed` is {"malformed":{"source":…,"stream":…,"bytes":…}}, once for each time
///   that it was sent; its record is a line only when it was sent whole as well, for example fetched later.
/// Written by what the market knows, never by reading back what was sent. One thread.
#pragma once

#include "agents/simulate/market.hpp"

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>

namespace penstock::simulate {

/// Which numbers of a growing sequence were there already. Compact where they come in order; what lies more than
/// `reach` behind the newest counts as seen.
class Seen {
 public:
  static constexpr std::int64_t reach = 2'000'000;
  /// True the first time.
  bool add(std::int64_t number);
  std::size_t ranges() const { return ranges_.size(); }

 private:
  std::map<std::int64_t, std::int64_t> ranges_;  // first -> last, inclusive
};

class Truth {
 public:
  /// Throws UsageError where the file cannot be written. What it holds stays until clear(): a start that fails for
  /// another reason must not cost an older file.
  explicit Truth(std::string const& path);
  void clear();
  ~Truth();

  /// A line is begun with line(kind) and ended with end(); what is between is the record's JSON.
  std::string& line(std::string_view kind);
  void end();
  /// The same, dropped where the very same line is among the last 65,536 of these. Not for kinds where the later one wins
  /// and the old content may come back.
  void end_once();
  /// The same by identity: the first one stays.
  void end_once(std::string_view identity);
  void malformed(std::string_view source, std::string_view stream, std::string_view bytes);

  /// To the file. Called when the server has nothing else to do, and at its end.
  void flush();

  Seen& seen(std::string_view source, std::string_view what, std::size_t symbol);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  void end_unless_recent(std::size_t hash);

  std::unique_ptr<std::FILE, Close> file_;
  std::string path_, waiting_;
  std::size_t line_at_ = 0;
  std::unordered_set<std::size_t> recent_;
  std::vector<std::size_t> recent_ring_;
  std::size_t recent_next_ = 0;
  std::map<std::string, Seen, std::less<>> seen_;
};

/// `{"source":"…","symbol":"…"` and, where `time_us` is one, `,"time":"…"`.
inline constexpr std::int64_t no_time = -1;
void append_common(std::string& out, std::string_view source, std::string_view symbol, std::int64_t time_us);

}  // namespace penstock::simulate
