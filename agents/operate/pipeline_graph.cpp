#include "agents/operate/pipeline_graph.hpp"
#include "agents/operate/counted.hpp"

#include "agents/dead/letter.hpp"
#include "agents/operate/check.hpp"
#include "agents/settings.hpp"
#include "agents/subscription.hpp"
#include "schemas/kinds.hpp"
#include "streaming/join.hpp"

#include <algorithm>
#include <format>

namespace penstock {

namespace {

using Kind = Graph::Kind;
using Way = Graph::Way;

std::vector<std::string> read_providers(Config const& config) {
  auto names = config.list("transform.providers");
  if (names.empty()) names = config.sections("publish");
  return names.empty() ? provider_names() : names;
}

std::string processes_of(Config const& config, std::string const& section) {
  if (!config.boolean(section + ".enabled")) return "not started here";
  auto const count = static_cast<std::size_t>(config.integer(section + ".count"));
  return std::to_string(count) + (count == 1 ? " process" : " processes");
}

std::string group_of(Config const& config, std::string const& agent) {
  return processes_of(config, agent) + ", group " + config.text(agent + ".group");
}

class Builder {
 public:
  Graph build(Config const& config) && {
    for (auto const& name : config.sections("publish")) add_publisher(config, name);
    add_transform(config);
    add_store(config);
    for (auto const& name : config.sections("publish")) edge("md.gaps", "publish " + name, Way::gaps);
    return std::move(graph_);
  }

 private:
  void add_publisher(Config const& config, std::string const& name) {
    auto const subscription = subscription_of(provider_named(name), config);
    node(name, Kind::provider, join(subscription.channels) + "; " + counted(subscription.symbols.size(), "symbol"));
    node("publish " + name, Kind::agent, processes_of(config, "publish." + name));
    node("raw." + name, Kind::topic);
    edge(name, "publish " + name);
    edge("publish " + name, "raw." + name);
  }
  void add_transform(Config const& config) {
    node("transform", Kind::agent, group_of(config, "transform"));
    for (auto const& name : read_providers(config)) add_input("raw." + name, "transform");
    for (auto const kind : kind_names) {
      node("md." + std::string{kind}, Kind::topic);
      edge("transform", "md." + std::string{kind});
    }
  }
  void add_store(Config const& config) {
    node("store", Kind::agent, group_of(config, "store"));
    for (auto const& kind : stored_kinds(config)) {
      add_input("md." + kind, "store");
      node("table " + kind, Kind::table);
      edge("store", "table " + kind);
    }
  }
  void add_input(std::string const& topic, std::string const& agent) {
    node(topic, Kind::topic);
    node(dead_letter_topic(topic), Kind::topic);
    edge(topic, agent);
    edge(agent, dead_letter_topic(topic), Way::dead);
  }
  void node(std::string name, Kind kind, std::string detail = {}) {
    if (std::ranges::contains(graph_.nodes, name, &Graph::Node::name)) return;
    graph_.nodes.push_back({.name = std::move(name), .kind = kind, .detail = std::move(detail)});
  }
  void edge(std::string from, std::string to, Way way = Way::data) {
    graph_.edges.push_back({std::move(from), std::move(to), way});
  }

  Graph graph_;
};

std::vector<std::string> inputs(Graph const& graph, std::string const& of, Way way) {
  std::vector<std::string> names;
  for (auto const& edge : graph.edges)
    if (edge.to == of && edge.way == way) names.push_back(edge.from);
  return names;
}

std::vector<std::string> outputs(Graph const& graph, std::string const& of, Way way) {
  std::vector<std::string> names;
  for (auto const& edge : graph.edges)
    if (edge.from == of && edge.way == way) names.push_back(edge.to);
  return names;
}

std::string dot_text(std::string_view text) {
  std::string out = "\"";
  for (char const c : text) out += c == '\n' ? "\\n" : c == '"' || c == '\\' ? std::string{'\\', c} : std::string{c};
  return out + '"';
}

std::string_view shape_of(Kind kind) {
  switch (kind) {
    case Kind::provider: return "ellipse";
    case Kind::agent: return "box";
    case Kind::topic: return "cds";
    case Kind::table: return "cylinder";
  }
  return "box";
}

std::string_view style_of(Way way) {
  switch (way) {
    case Way::data: return "";
    case Way::dead: return R"( [style=dashed, color=red, label="bad"])";
    case Way::gaps: return R"( [style=dotted, constraint=false, label="fetch again"])";
  }
  return "";
}

}  // namespace

Graph graph_of(Config const& config) { return Builder{}.build(config); }

std::string graph_text(Graph const& graph) {
  std::string out;
  auto const line = [&](std::string_view lead, std::vector<std::string> const& names) {
    if (!names.empty()) out += std::format("  {:<9} {}\n", lead, join(names));
  };
  for (auto const& [name, kind, detail] : graph.nodes) {
    if (kind != Kind::agent) continue;
    auto const from = inputs(graph, name, Way::data);
    out += name;
    auto const provider = std::ranges::find(graph.nodes, from.empty() ? "" : from.front(), &Graph::Node::name);
    out += "  (" + detail + (provider == graph.nodes.end() || provider->detail.empty() ? "" : "; " + provider->detail) + ")\n";
    line("reads", from);
    line("writes", outputs(graph, name, Way::data));
    line("bad ones", outputs(graph, name, Way::dead));
    line("fetches", inputs(graph, name, Way::gaps));
  }
  return out;
}

std::string graph_dot(Graph const& graph) {
  std::string out = "digraph penstock {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n";
  for (auto const& [name, kind, detail] : graph.nodes)
    out += std::format("  {} [shape={}, label={}];\n", dot_text(name), shape_of(kind),
                       detail.empty() ? dot_text(name) : dot_text(name + '\n' + detail));
  for (auto const& [from, to, way] : graph.edges)
    out += std::format("  {} -> {}{};\n", dot_text(from), dot_text(to), style_of(way));
  return out + "}\n";
}

}  // namespace penstock
