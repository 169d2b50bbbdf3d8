/// penstock graph: the pipeline that the configuration describes.
#include "agents/operate/commands.hpp"
#include "agents/operate/pipeline_graph.hpp"

#include <iostream>

namespace penstock {

namespace {

int run(Invocation const& invocation) {
  auto const graph = graph_of(invocation.config);
  std::cout << (invocation.has("dot") ? graph_dot(graph) : graph_text(graph));
  return stopped_as_asked;
}

}  // namespace

Command const graph_command{
    .name = "graph",
    .summary = "Show the pipeline that the configuration describes: providers, agents, topics, tables, dead letters",
    .sections = {"", "transform", "store", "publish.*"},
    .flags = {{.name = "dot", .help = "For Graphviz instead of text"}},
    .example = "penstock graph --dot | dot -Tsvg > pipeline.svg    draws it",
    .run = run,
};

}  // namespace penstock
