// Kind generate: one value of the output contract, decoded under its mask.
#include <mutex>

#include "agent/component_kinds.h"
#include "agent/narrow.h"
#include "agent/prompt.h"

namespace consort::agent {
namespace {

using contract::Value;

class GenerateComponent final : public Component {
 public:
  GenerateComponent(const Node& node, const Graph& graph, const ComponentHost& host, BoundModel model,
                    std::unique_ptr<const Prompt> prompt)
      : node_(node), contracts_(graph.contracts()), host_(host), model_(std::move(model)),
        prompt_(std::move(prompt)) {}

  tl::expected<Outcome, Failure> call(const Value& input, const CallScope& scope) override {
    Outcome out;
    auto failed = [&](Error error) {
      return tl::unexpected<Failure>(Failure{std::move(error), out.usage, std::move(out.calls)});
    };
    auto schema = narrow(node_, contracts_, input);
    if (!schema) return failed(std::move(schema).error());
    auto request = make_request(input, scope, *schema);
    if (!request) return failed(std::move(request).error());
    auto generation = host_.engine->generate(*request);
    if (!generation) return failed(std::move(generation).error().with_context("component '" + node_.spec.name + "'"));
    record(*generation, out);
    auto value = contract::parse_json(generation->text);
    if (!value) {
      return failed(make_error(ErrorCode::contract_violation, 3002,
                               "the output of '" + node_.spec.name + "' is not JSON")
                        .got(generation->text));
    }
    auto violations = contract::validate(**schema, *value);
    // A narrowing whose containment could not be decided is checked here, on the value.
    if (violations.empty()) violations = contract::validate(*node_.output, *value);
    if (!violations.empty()) {
      out.calls.back().violations = violations;
      out.usage.violations += static_cast<int64_t>(violations.size());
      return failed(make_error(ErrorCode::contract_violation, 3001,
                               "the output of '" + node_.spec.name + "' breaks its contract: " +
                                   violations[0].message)
                        .at(violations[0].instance)
                        .got(generation->text));
    }
    out.value = std::move(*value);
    return out;
  }

  Value pins() const override {
    contract::Object pins;
    pins.set("node", node_.digest.hex());
    pins.set("model", model_.model);
    for (const engine::ModelInfo& m : host_.engine->models()) {
      if (m.name == model_.model) pins.set("model_sha256", m.digest.hex());
    }
    for (const engine::AdapterInfo& a : host_.engine->adapters()) {
      if (a.name == model_.adapter && a.model == model_.model) pins.set("adapter_sha256", a.digest.hex());
    }
    return pins;
  }

 private:
  Result<engine::GenerateRequest> make_request(const Value& input, const CallScope& scope,
                                               std::shared_ptr<const contract::Schema> schema) {
    Value variables = prompt_variables(node_, input);
    contract::Array broken;
    for (const contract::Violation& v : scope.previous_violations) {
      broken.push_back(Value::object({{"at", v.instance}, {"message", v.message}}));
    }
    variables.get_object()->set("violations", std::move(broken));
    engine::GenerateRequest request;
    CONSORT_ASSIGN(request.messages, prompt_->render(variables));
    request.model = model_.model;
    request.adapter = model_.adapter;
    request.max_tokens = static_cast<int>(std::min<int64_t>(node_.spec.max_tokens, scope.tokens_left));
    // A retry of a greedy answer would be the same answer: later attempts sample.
    bool again = scope.attempt > 1 && node_.spec.temperature == 0;
    request.sampling = {.temperature = again ? 0.7f : static_cast<float>(node_.spec.temperature),
                        .top_k = node_.spec.top_k,
                        .top_p = 1.0f,
                        .seed = scope.seed};
    request.schema = std::move(schema);
    request.on_text = scope.on_text;
    request.stop_token = scope.stop;
    request.deadline = scope.deadline;
    return request;
  }

  void record(const engine::Generation& g, Outcome& out) const {
    Call call;
    call.kind = "generate";
    call.name = model_.label();
    call.prompt = g.rendered_prompt;
    call.text = g.text;
    call.ms = g.prefill_ms + g.decode_ms;
    call.first_token_ms = g.first_token_ms;
    call.usage = {.prompt_tokens = g.prompt_tokens,
                  .cached_tokens = g.cached_tokens,
                  .output_tokens = static_cast<int64_t>(g.tokens.size()),
                  .model_ms = call.ms};
    out.usage += call.usage;
    out.calls.push_back(std::move(call));
  }

  const Node& node_;
  const Value& contracts_;
  ComponentHost host_;
  BoundModel model_;
  std::unique_ptr<const Prompt> prompt_;
};

}  // namespace

Result<BoundModel> bind_model(const ComponentSpec& spec, const Graph& graph, const ComponentHost& host) {
  const ModelSpec& model = graph.definition().models.at(spec.model);
  for (const char* scheme : {"openai:", "anthropic:", "ollama:"}) {
    if (model.ref.substr(0, std::string_view(scheme).size()) != scheme) continue;
    return fail(make_error(ErrorCode::unsupported, 6310, "remote models are not supported yet")
                    .at(model.where.to_string())
                    .got(model.ref)
                    .to_fix("use a local model reference"));
  }
  if (host.engine == nullptr) {
    return fail(make_error(ErrorCode::unavailable, 6311, "no engine to host '" + model.ref + "'"));
  }
  BoundModel bound{model.ref, ""};
  if (!spec.adapter.empty()) {
    if (!host.resolve_adapter) {
      return fail(make_error(ErrorCode::not_found, 6312, "no adapter is registered as '" + spec.adapter + "'")
                      .at(spec.where.to_string()));
    }
    auto resolved = host.resolve_adapter(spec.adapter, model.ref);
    if (!resolved) {
      Error error = std::move(resolved).error().with_context("adapter '" + spec.adapter + "'");
      if (error.number == 6312 || error.place.empty()) error.place = spec.where.to_string();
      return fail(std::move(error));
    }
    bound.adapter = std::move(*resolved);
  }
  return bound;
}

Result<std::unique_ptr<Component>> make_generate(const Node& node, const Graph& graph,
                                                 const ComponentHost& host) {
  CONSORT_ASSIGN(BoundModel model, bind_model(node.spec, graph, host));
  CONSORT_ASSIGN(auto prompt, Prompt::create(node.prompt_text, node.spec.prompt));
  return std::unique_ptr<Component>(
      new GenerateComponent(node, graph, host, std::move(model), std::move(prompt)));
}

}  // namespace consort::agent
