/// The pipeline that a configuration describes: who writes which topic, who reads it, where rows end up. Pure.
#pragma once

#include "streaming/config.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace penstock {

struct Graph {
  enum class Kind : std::uint8_t { provider, agent, topic, table };
  struct Node {
    std::string name;  ///< unique: "binance", "publish binance", "raw.binance", "table trades"
    Kind kind{};
    std::string detail;  ///< "trade, depth; 2 symbols", "2 processes, group penstock-store"; may be ""
  };
  enum class Way : std::uint8_t { data, dead, gaps };  ///< gaps: what is missing is fetched again
  struct Edge {
    std::string from, to;
    Way way{};
  };
  std::vector<Node> nodes;  ///< along the way
  std::vector<Edge> edges;
};

/// Throws UsageError where a [publish.<provider>] section asks for what that provider does not have.
Graph graph_of(Config const& config);

/// A line for each agent: what it reads, and what it writes; then where rows end up.
std::string graph_text(Graph const& graph);
/// For Graphviz: `penstock graph --dot | dot -Tsvg`.
std::string graph_dot(Graph const& graph);

}  // namespace penstock
