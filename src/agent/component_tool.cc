// Kinds tool and retrieve: components whose work is a tool's.
#include <algorithm>

#include "agent/component_kinds.h"
#include "agent/prompt.h"

namespace consort::agent {
namespace {

using contract::Array;
using contract::Object;
using contract::Value;

tool::CallContext context_of(const CallScope& scope, int call) {
  return {.idempotency_key = sha256(scope.run + "/" + scope.step + "/" + std::to_string(call)).hex(),
          .deadline = scope.deadline.value_or(Nanoseconds(0)),
          .clock = scope.clock,
          .stop = scope.stop};
}

// One call through the registry, recorded for the trace.
Result<Value> call_tool(const ComponentHost& host, const tool::Grant& grant, const std::string& name,
                        const Value& input, const CallScope& scope, Outcome& out) {
  Nanoseconds begin = host.clock->monotonic();
  auto result = host.tools->call(grant, name, input, context_of(scope, static_cast<int>(out.calls.size())));
  Call call;
  call.kind = "tool";
  call.name = name;
  call.prompt = contract::to_json(input);
  call.text = result ? contract::to_json(*result) : result.error().to_string();
  call.ms = static_cast<double>((host.clock->monotonic() - begin).count()) / 1e6;
  call.usage.tool_calls = 1;
  out.usage += call.usage;
  out.calls.push_back(std::move(call));
  return result;
}

Value tool_pins(const Node& node, const ComponentHost& host) {
  Object pins;
  pins.set("node", node.digest.hex());
  for (const std::string& name : node.spec.tools) {
    const tool::Tool* t = host.tools->find(name);
    if (t != nullptr) pins.set("tool:" + name, t->version().hex());
  }
  return pins;
}

tool::Grant grant_of(const Node& node) {
  return {node.spec.name, std::set<std::string>(node.spec.tools.begin(), node.spec.tools.end())};
}

class ToolComponent final : public Component {
 public:
  ToolComponent(const Node& node, const ComponentHost& host, std::unique_ptr<const model::Template> arguments)
      : node_(node), host_(host), grant_(grant_of(node)), arguments_(std::move(arguments)) {}

  tl::expected<Outcome, Failure> call(const Value& input, const CallScope& scope) override {
    Outcome out;
    Result<Value> merged = arguments_of(input);
    Result<Value> result = merged ? call_tool(host_, grant_, node_.spec.tools[0], *merged, scope, out)
                                  : fail(std::move(merged).error());
    if (result) {
      auto fits = contract::check(*node_.output, *result);
      if (!fits) result = fail(std::move(fits).error());
    }
    if (!result) {
      Error error = std::move(result).error().with_context("component '" + node_.spec.name + "'");
      return tl::unexpected<Failure>(Failure{std::move(error), out.usage, std::move(out.calls)});
    }
    out.value = std::move(*result);
    return out;
  }

  Value pins() const override { return tool_pins(node_, host_); }

 private:
  Result<Value> arguments_of(const Value& input) const {
    Value base = input;
    if (arguments_ != nullptr) {
      CONSORT_ASSIGN(std::string text, arguments_->render(prompt_variables(node_, input)));
      CONSORT_ASSIGN(base, contract::parse_json(text));
    }
    const Object* with = node_.spec.with.get_object();
    if (with == nullptr) return base;
    Object members = base.is_object() ? base.as_object() : Object();
    for (const auto& [key, value] : *with) members.set(key, value);
    return Value(std::move(members));
  }

  const Node& node_;
  ComponentHost host_;
  tool::Grant grant_;
  std::unique_ptr<const model::Template> arguments_;
};

// Each line of the rendered query is one search: plain text, or a JSON object of the tool's input. The
// lists are merged by reciprocal rank (Cormack et al. 2009, k = 60), so that each query has its say.
class RetrieveComponent final : public Component {
 public:
  RetrieveComponent(const Node& node, const ComponentHost& host, std::unique_ptr<const model::Template> query)
      : node_(node), host_(host), grant_(grant_of(node)), query_(std::move(query)) {}

  tl::expected<Outcome, Failure> call(const Value& input, const CallScope& scope) override {
    Outcome out;
    auto failed = [&](Error error) {
      return tl::unexpected<Failure>(Failure{std::move(error).with_context("component '" + node_.spec.name + "'"),
                                             out.usage, std::move(out.calls)});
    };
    auto text = query_->render(prompt_variables(node_, input));
    if (!text) return failed(std::move(text).error());
    std::vector<Found> found;
    int n_queries = 0;
    for (size_t at = 0; at < text->size();) {
      size_t end = std::min(text->find('\n', at), text->size());
      std::string line = text->substr(at, end - at);
      at = end + 1;
      size_t first = line.find_first_not_of(" \t\r");
      if (first == std::string::npos) continue;
      if (++n_queries > kQueriesMax) {
        return failed(make_error(ErrorCode::resource_exhausted, 6330, "more than 32 queries"));
      }
      auto query = read_query(line.substr(first));
      if (!query) return failed(std::move(query).error());
      auto result = call_tool(host_, grant_, node_.spec.tools[0], *query, scope, out);
      if (!result) return failed(std::move(result).error());
      merge(*result, found);
    }
    std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.score > b.score; });
    Array passages;
    for (Found& f : found) passages.push_back(std::move(f.passage));
    out.value = Value::object({{"passages", std::move(passages)}});
    auto fits = contract::check(*node_.output, out.value);
    if (!fits) return failed(std::move(fits).error());
    return out;
  }

  Value pins() const override { return tool_pins(node_, host_); }

 private:
  static constexpr int kQueriesMax = 32;
  struct Found {
    Value id;
    double score;
    Value passage;
  };

  Result<Value> read_query(const std::string& line) const {
    Object query;
    if (line[0] == '{') {
      CONSORT_ASSIGN(Value parsed, contract::parse_json(line));
      query = parsed.as_object();
    } else {
      query.set("query", line);
    }
    if (query.find("k") == nullptr) query.set("k", node_.spec.k);
    return Value(std::move(query));
  }

  static void merge(const Value& result, std::vector<Found>& found) {
    const Value* passages = result.find("passages");
    if (passages == nullptr || !passages->is_array()) return;
    int rank = 0;
    for (const Value& p : passages->as_array()) {
      double score = 1.0 / (60 + ++rank);
      const Value* id = p.find("id");
      auto same = std::find_if(found.begin(), found.end(),
                               [&](const Found& f) { return id != nullptr && f.id == *id; });
      if (same != found.end()) {
        same->score += score;
      } else {
        found.push_back({id == nullptr ? Value() : *id, score, p});
      }
    }
  }

  const Node& node_;
  ComponentHost host_;
  tool::Grant grant_;
  std::unique_ptr<const model::Template> query_;
};

Result<void> check_host(const Node& node, const ComponentHost& host) {
  CONSORT_CHECK(host.clock != nullptr);
  for (const std::string& name : node.spec.tools) {
    if (host.tools != nullptr && host.tools->find(name) != nullptr) continue;
    return fail(make_error(ErrorCode::unavailable, 6331, "tool '" + name + "' is not available")
                    .at(node.spec.where.to_string()));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Component>> make_tool_component(const Node& node, const Graph& graph,
                                                       const ComponentHost& host) {
  CONSORT_TRY(check_host(node, host));
  std::unique_ptr<const model::Template> arguments;
  if (!node.spec.arguments.empty()) {
    CONSORT_ASSIGN(arguments, model::Template::parse(node.spec.arguments, graph.definition().path.string()));
  }
  return std::unique_ptr<Component>(new ToolComponent(node, host, std::move(arguments)));
}

Result<std::unique_ptr<Component>> make_retrieve(const Node& node, const Graph& graph,
                                                 const ComponentHost& host) {
  CONSORT_TRY(check_host(node, host));
  CONSORT_ASSIGN(auto query, model::Template::parse(node.spec.query, graph.definition().path.string()));
  return std::unique_ptr<Component>(new RetrieveComponent(node, host, std::move(query)));
}

}  // namespace consort::agent
