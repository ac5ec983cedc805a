// Kind decide: typed questions answered with probabilities and no text (choice, score, noul; the answer
// shapes of `POST /v1/systemone`).
//
// Every option is scored whole, over all its tokens, as the reply to its question's prompt;
// probabilities are the softmax of the log-probabilities. The prompt template sees `question`: {name,
// type, instructions, options: [{name, description}]}; what the questions' prompts have in common at
// their start is read once, so a template puts the question last.
#include <algorithm>
#include <cmath>

#include "agent/component_kinds.h"
#include "agent/prompt.h"

namespace consort::agent {
namespace {

using contract::Array;
using contract::Object;
using contract::Value;

struct Option {
  std::string key;          // In the answer's probabilities.
  std::string text;         // What is scored.
  std::string description;
};

struct Question {
  std::string name;
  std::string type;
  std::string instructions;
  std::vector<Option> options;
};

Error bad_question(const ComponentSpec& spec, const std::string& name, const std::string& message) {
  return make_error(ErrorCode::invalid_argument, 6320, "question '" + name + "' " + message)
      .at(spec.where.to_string())
      .to_fix("types: choice (2 to 255 named options), score (2 to 10 levels), noul");
}

std::string text_of(const Value* v) {
  if (v == nullptr || v->is_null()) return "";
  return v->is_string() ? v->as_string() : contract::to_json(*v);
}

Result<Question> read_question(const ComponentSpec& spec, const std::string& name, const Value& q) {
  Question out;
  out.name = name;
  out.type = q.string_or("type", "");
  out.instructions = text_of(q.find("instructions"));
  const Value* criteria = q.find("criteria");
  if (out.type == "noul") {
    out.options = {{"true", "yes", ""}, {"false", "no", ""}};
    if (criteria != nullptr && criteria->is_object()) {
      out.options[0].description = text_of(criteria->find("true"));
      out.options[1].description = text_of(criteria->find("false"));
    }
  } else if (out.type == "choice") {
    if (criteria == nullptr || !criteria->is_object() || criteria->as_object().size() < 2 ||
        criteria->as_object().size() > 255) {
      return fail(bad_question(spec, name, "needs 2 to 255 options under criteria"));
    }
    for (const auto& [key, description] : criteria->as_object()) {
      out.options.push_back({key, key, text_of(&description)});
    }
  } else if (out.type == "score") {
    if (criteria == nullptr || !criteria->is_array() || criteria->as_array().size() < 2 ||
        criteria->as_array().size() > 10) {
      return fail(bad_question(spec, name, "needs 2 to 10 levels under criteria"));
    }
    for (size_t i = 0; i < criteria->as_array().size(); ++i) {
      out.options.push_back({std::to_string(i), std::to_string(i), text_of(&criteria->as_array()[i])});
    }
  } else {
    return fail(bad_question(spec, name, "has an unknown type '" + out.type + "'"));
  }
  return out;
}

// 1 where one option holds the mass, 0 where it is flat: 1 - entropy / log(n).
double confidence(const std::vector<double>& p) {
  double entropy = 0;
  for (double x : p) {
    if (x > 0) entropy -= x * std::log(x);
  }
  return std::clamp(1.0 - entropy / std::log(static_cast<double>(p.size())), 0.0, 1.0);
}

Value answer(const Question& q, const std::vector<double>& p) {
  if (q.type == "noul") return Value::object({{"type", "noul"}, {"noul", p[0]}});
  Object probabilities;
  for (size_t i = 0; i < p.size(); ++i) probabilities.set(q.options[i].key, p[i]);
  if (q.type == "choice") {
    size_t best = static_cast<size_t>(std::max_element(p.begin(), p.end()) - p.begin());
    return Value::object({{"type", "choice"},
                          {"choice", q.options[best].key},
                          {"probabilities", std::move(probabilities)},
                          {"confidence", confidence(p)}});
  }
  double mean = 0;
  Object legend;
  for (size_t i = 0; i < p.size(); ++i) {
    mean += p[i] * static_cast<double>(i);
    legend.set(q.options[i].key, q.options[i].description);
  }
  return Value::object({{"type", "score"},
                        {"score", mean},
                        {"probabilities", std::move(probabilities)},
                        {"legend", std::move(legend)},
                        {"confidence", confidence(p)}});
}

class DecideComponent final : public Component {
 public:
  DecideComponent(const Node& node, const ComponentHost& host, BoundModel model,
                  std::unique_ptr<const Prompt> prompt, std::vector<Question> questions)
      : node_(node), host_(host), model_(std::move(model)), prompt_(std::move(prompt)),
        questions_(std::move(questions)) {}

  tl::expected<Outcome, Failure> call(const Value& input, const CallScope& scope) override {
    Outcome out;
    auto failed = [&](Error error) {
      return tl::unexpected<Failure>(Failure{std::move(error), out.usage, std::move(out.calls)});
    };
    auto request = make_request(input, scope);
    if (!request) return failed(std::move(request).error());
    Call call;
    call.kind = "score";
    call.name = model_.label();
    for (const engine::Question& question : request->questions) {
      auto prompt = host_.engine->render(model_.model, question.messages);
      if (!prompt) return failed(std::move(prompt).error());
      call.prompt += (call.prompt.empty() ? "" : "\n\n") + *prompt;
    }
    auto decided = host_.engine->decide(*request);
    if (!decided) {
      return failed(std::move(decided).error().with_context("component '" + node_.spec.name + "'"));
    }
    Object answers;
    for (size_t i = 0; i < questions_.size(); ++i) {
      answers.set(questions_[i].name, answer(questions_[i], decided->decisions[i].probabilities));
    }
    call.text = contract::to_json(answers);
    call.ms = call.first_token_ms = decided->total_ms;
    call.usage = {.prompt_tokens = decided->prompt_tokens,
                  .cached_tokens = decided->cached_tokens,
                  .model_ms = decided->total_ms};
    out.usage += call.usage;
    out.calls.push_back(std::move(call));
    out.value = Value(std::move(answers));
    auto fits = contract::check(*node_.output, out.value);
    if (!fits) return failed(std::move(fits).error().with_context("output of '" + node_.spec.name + "'"));
    return out;
  }

  Value pins() const override {
    Object pins;
    pins.set("node", node_.digest.hex());
    pins.set("model", model_.model);
    for (const engine::ModelInfo& m : host_.engine->models()) {
      if (m.name == model_.model) pins.set("model_sha256", m.digest.hex());
    }
    return pins;
  }

 private:
  Result<engine::DecideRequest> make_request(const Value& input, const CallScope& scope) {
    engine::DecideRequest request;
    request.model = model_.model;
    request.adapter = model_.adapter;
    request.stop_token = scope.stop;
    request.deadline = scope.deadline;
    const Value shared = prompt_variables(node_, input);
    for (const Question& q : questions_) {
      Array options;
      engine::Question question;
      for (const Option& o : q.options) {
        options.push_back(Value::object({{"name", o.text}, {"description", o.description}}));
        question.options.push_back(o.text);
      }
      Value variables = shared;
      variables.get_object()->set("question", Value::object({{"name", q.name},
                                                             {"type", q.type},
                                                             {"instructions", q.instructions},
                                                             {"options", std::move(options)}}));
      CONSORT_ASSIGN(question.messages, prompt_->render(variables));
      request.questions.push_back(std::move(question));
    }
    return request;
  }

  const Node& node_;
  ComponentHost host_;
  BoundModel model_;
  std::unique_ptr<const Prompt> prompt_;
  std::vector<Question> questions_;
};

}  // namespace

Result<std::unique_ptr<Component>> make_decide(const Node& node, const Graph& graph,
                                               const ComponentHost& host) {
  CONSORT_ASSIGN(BoundModel model, bind_model(node.spec, graph, host));
  CONSORT_ASSIGN(auto prompt, Prompt::create(node.prompt_text, node.spec.prompt));
  std::vector<Question> questions;
  for (const auto& [name, question] : node.spec.questions.as_object()) {
    CONSORT_ASSIGN(Question q, read_question(node.spec, name, question));
    questions.push_back(std::move(q));
  }
  return std::unique_ptr<Component>(
      new DecideComponent(node, host, std::move(model), std::move(prompt), std::move(questions)));
}

}  // namespace consort::agent
