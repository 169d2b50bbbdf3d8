/// What `penstock top` shows, as text: a table for a terminal, lines for a log, one JSON object for a program. Pure.
#pragma once

#include "agents/operate/top_view.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace penstock {

/// How it is looked at.
struct TopLook {
  TopOrder order = TopOrder::name;
  std::string filter;
  bool by_provider = false;
};

/// A table with its heading: one line a row, then one for all. Unknown numbers are "-".
std::string top_table(TopView const& view, TopLook const& look);
/// "event -> received  binance  p50 2.5 ms  p99 60 s", one line each.
std::string top_hops(TopView const& view, TopLook const& look);
/// `time=… agent="publish binance" state=running in=1234.5 out=… …`: one line a row; a number that is not known is left out.
std::vector<std::string> top_lines(TopView const& view, TopLook const& look);
/// {"time":…,"agents":[{"name":…,"state":…,"received_per_second":…,…}],"providers":[…],"total":{…},"hops":[…]}; rows as
/// arranged; null: not known.
std::string top_json(TopView const& view, TopLook const& look);

/// 0.0025 -> "2.5 ms"; 90 -> "90 s"; infinity: "> 1 d".
std::string seconds_text(double seconds);

}  // namespace penstock
