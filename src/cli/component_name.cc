#include "cli/component_name.h"

#include "agent/suggest.h"
#include "cli/context.h"
#include "cli/graph_text.h"

namespace consort::cli {

Result<ComponentRef> find_component(const std::string& name) {
  size_t colon = name.rfind(':');
  if (colon == std::string::npos || colon + 1 == name.size()) {
    return fail(
        usage("no run, model, or component has this name")
            .got(name)
            .to_fix(
                "components are AGENT:COMPONENT, runs r_..., models as in 'consort ls models'"));
  }
  ComponentRef out;
  out.agent = name.substr(0, colon);
  out.path = name.substr(colon + 1);
  CONSORT_ASSIGN(out.graph, load_graph(out.agent));
  const agent::Graph* at = out.graph.get();
  for (size_t begin = 0; begin <= out.path.size();) {
    size_t end = std::min(out.path.find('/', begin), out.path.size());
    std::string part = out.path.substr(begin, end - begin);
    auto found = at->nodes().find(part);
    if (found == at->nodes().end()) {
      std::vector<std::string> names;
      for (const auto& [known, node] : at->nodes()) names.push_back(known);
      return fail(make_error(ErrorCode::not_found, 8003,
                             "agent '" + at->definition().name + "' has no such component")
                      .at(at->definition().path.string())
                      .got(part)
                      .to_fix(agent::did_you_mean(part, names)));
    }
    out.owner = at;
    out.node = &found->second;
    begin = end + 1;
    if (begin > out.path.size()) break;
    if (!out.node->nested) {
      return fail(make_error(ErrorCode::not_found, 8003,
                             "component '" + part + "' is no agent and has no components")
                      .at(at->definition().path.string())
                      .got(out.path));
    }
    at = out.node->nested.get();
  }
  return out;
}

}  // namespace consort::cli
