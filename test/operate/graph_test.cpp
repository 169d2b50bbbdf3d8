/// The pipeline as a graph.
#include "agents/operate/pipeline_graph.hpp"

#include "agents/settings.hpp"
#include "test/folder.hpp"
#include "test/program.hpp"

#include <cstdlib>
#include <fstream>
#include <set>

using namespace penstock;

namespace {

constexpr auto two = "[publish.binance]\nchannels = [\"trade\"]\n[publish.coingecko]\n[store]\nkinds = [\"trades\", \"gaps\"]\n";

bool has(Graph const& graph, std::string const& from, std::string const& to, Graph::Way way = Graph::Way::data) {
  for (auto const& edge : graph.edges)
    if (edge.from == from && edge.to == to && edge.way == way) return true;
  return false;
}

}  // namespace

TEST_CASE("graph: every record's way, its dead letters and the way back of gaps") {
  test::File const file{two};
  auto const graph = graph_of(load_config(file.path));
  CHECK(has(graph, "binance", "publish binance"));
  CHECK(has(graph, "publish binance", "raw.binance"));
  CHECK(has(graph, "raw.coingecko", "transform"));
  CHECK(has(graph, "transform", "raw.binance.dead", Graph::Way::dead));
  CHECK(has(graph, "transform", "md.books"));
  CHECK(has(graph, "md.trades", "store"));
  CHECK(has(graph, "store", "table trades"));
  CHECK(has(graph, "store", "md.gaps.dead", Graph::Way::dead));
  CHECK(has(graph, "md.gaps", "publish coingecko", Graph::Way::gaps));
  CHECK_FALSE(has(graph, "md.books", "store"));  // store.kinds leaves it out.
  std::set<std::string> names;
  for (auto const& node : graph.nodes) CHECK(names.insert(node.name).second);
  for (auto const& edge : graph.edges) CHECK((names.contains(edge.from) && names.contains(edge.to)));
}

TEST_CASE("graph: as text each agent says what it reads and writes") {
  test::File const file{two};
  auto const text = graph_text(graph_of(load_config(file.path)));
  CHECK(text.contains("publish binance  (1 process; trade; "));
  CHECK(text.contains("  reads     raw.binance, raw.coingecko\n"));
  CHECK(text.contains(
      "store  (1 process, group penstock-store)\n  reads     md.trades, md.gaps\n  writes    table trades, table gaps\n"));
  CHECK(text.contains("  bad ones  md.trades.dead, md.gaps.dead\n"));
  CHECK(text.contains("  fetches   md.gaps\n"));
}

TEST_CASE("graph: Graphviz draws it") {
  test::File const file{two};
  auto const dot = graph_dot(graph_of(load_config(file.path)));
  CHECK(dot.starts_with("digraph penstock {\n"));
  CHECK(dot.contains("\"store\" -> \"table trades\";\n"));
  CHECK(dot.contains("\"store\" [shape=box, label=\"store\\n1 process, group penstock-store\"];\n"));
  if (std::system("command -v dot > /dev/null 2>&1") != 0) return;  // NOLINT(cert-env33-c)
  std::ofstream{file.folder.path / "graph.dot"} << dot;
  CHECK(test::shell("dot -Tsvg " + (file.folder.path / "graph.dot").string() + " 2>&1 | grep -c '<svg'").text == "1\n");
}
