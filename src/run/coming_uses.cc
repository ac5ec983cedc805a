#include "run/coming_uses.h"

namespace consort::run {

void ComingUses::set(const agent::Graph& graph, const std::string& node, engine::Use use) {
  uses_.insert_or_assign({&graph, node}, std::move(use));
}

std::vector<engine::Use> ComingUses::from(const agent::Graph& root, const agent::Graph& graph,
                                          const std::string& node) const {
  std::vector<engine::Use> out;
  for (size_t i = 0; i < graph.steps().size(); ++i) {
    if (graph.steps()[i].node->spec.name != node) continue;
    add_steps(graph, i, &out);
    break;
  }
  if (&graph == &root) return out;
  add_steps(graph, 0, &out);
  add_callers(root, graph, &out);
  return out;
}

void ComingUses::add_steps(const agent::Graph& graph, size_t first,
                           std::vector<engine::Use>* out) const {
  for (size_t i = first; i < graph.steps().size(); ++i) {
    const agent::Node& node = *graph.steps()[i].node;
    if (node.nested) add_steps(*node.nested, 0, out);
    const auto use = uses_.find({&graph, node.spec.name});
    if (use != uses_.end()) out->push_back(use->second);
  }
}

bool ComingUses::add_callers(const agent::Graph& at, const agent::Graph& graph,
                             std::vector<engine::Use>* out) const {
  for (size_t i = 0; i < at.steps().size(); ++i) {
    const agent::Graph* nested = at.steps()[i].node->nested.get();
    if (nested == nullptr) continue;
    if (nested != &graph && !add_callers(*nested, graph, out)) continue;
    add_steps(at, i + 1, out);
    return true;
  }
  return false;
}

}  // namespace consort::run
