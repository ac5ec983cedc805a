#include "run/test_agent.h"

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace consort::run {

using contract::Value;

class TestProvider::Function final : public agent::Component {
 public:
  Function(TestProvider& provider, TestFunction function)
      : provider_(provider), function_(std::move(function)) {}
  TestCall call(const Value& input, const agent::CallScope& scope) override {
    {
      std::lock_guard guard(provider_.mutex_);
      provider_.calls_.push_back(scope.step);
    }
    return function_(input, scope);
  }
  Value pins() const override { return Value(); }

 private:
  TestProvider& provider_;
  TestFunction function_;
};

TestProvider::TestProvider() = default;
TestProvider::~TestProvider() = default;

TestCall answer(Value value, agent::Usage usage) {
  agent::Outcome out;
  out.value = std::move(value);
  out.usage = usage;
  return out;
}

TestCall refuse(ErrorCode code, int number, std::string message) {
  agent::Failure failure;
  failure.error = make_error(code, number, std::move(message));
  return tl::unexpected<agent::Failure>(std::move(failure));
}

void TestProvider::define(std::string name, TestFunction function, tool::Effect effect) {
  functions_[name] = std::make_unique<Function>(*this, std::move(function));
  effects_[name] = effect;
}

agent::Component* TestProvider::find(const agent::Graph&, const std::string& node) {
  auto found = functions_.find(node);
  return found == functions_.end() ? nullptr : found->second.get();
}

tool::Effect TestProvider::effect(const agent::Graph&, const std::string& node) const {
  auto found = effects_.find(node);
  return found == effects_.end() ? tool::Effect::none : found->second;
}

std::vector<std::string> TestProvider::calls() const {
  std::lock_guard guard(mutex_);
  return calls_;
}

int TestProvider::n_calls(std::string_view step) const {
  std::lock_guard guard(mutex_);
  return static_cast<int>(std::count(calls_.begin(), calls_.end(), step));
}

void TestProvider::forget_calls() {
  std::lock_guard guard(mutex_);
  calls_.clear();
}

std::shared_ptr<const agent::Graph> build_graph(const std::map<std::string, std::string>& files) {
  std::string folder = (std::filesystem::temp_directory_path() / "consort_graph_XXXXXX").string();
  CONSORT_CHECK(::mkdtemp(folder.data()) != nullptr);
  for (const auto& [name, content] : files) {
    std::filesystem::path path = std::filesystem::path(folder) / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << content;
  }
  auto definition = agent::load_definition(std::filesystem::path(folder) / "agent.yaml");
  if (!definition) std::fprintf(stderr, "%s\n", definition.error().to_string().c_str());
  CONSORT_CHECK(definition.has_value());
  auto graph = agent::Graph::build(std::move(*definition));
  if (!graph) std::fprintf(stderr, "%s\n", graph.error().to_string().c_str());
  CONSORT_CHECK(graph.has_value());
  std::filesystem::remove_all(folder);
  return std::move(*graph);
}

std::shared_ptr<const agent::Graph> briefing_graph() {
  return build_graph({{"contracts.yaml", R"yaml(
Brief: {type: object, properties: {topics: {type: array, items: {type: string}, maxItems: 8}},
        required: [topics], additionalProperties: false}
Plan: {type: object, properties: {items: {type: array, items: {$ref: "#/$defs/Item"}, maxItems: 8}},
       required: [items], additionalProperties: false}
Item: {type: object, properties: {topic: {type: string}, n: {type: integer}}, required: [topic, n],
       additionalProperties: false}
Finding: {type: object, properties: {text: {type: string}, score: {type: integer}}, required: [text, score],
          additionalProperties: false}
Report: {type: object, properties: {lines: {type: array, items: {type: string}}, note: {type: string}},
         required: [lines, note], additionalProperties: false}
Checked: {type: object, properties: {report: {$ref: "#/$defs/Report"}}, required: [report],
          additionalProperties: false}
Verdict: {type: object, properties: {ok: {type: boolean}, issues: {type: array, items: {type: string}}},
          required: [ok, issues], additionalProperties: false}
)yaml"},
                      {"agent.yaml", R"yaml(
consort: 1
agent: {name: briefing, version: 1.0.0, in: Brief, out: Report}
contracts: [contracts.yaml]
tools: {calc: {builtin: calculate}}
components:
  planner: {kind: tool, tools: [calc], in: {brief: Brief}, out: Plan}
  finder:  {kind: tool, tools: [calc], in: Item, out: Finding, on_violation: [repair, {retry: 1}]}
  extra:   {kind: tool, tools: [calc], in: {plan: Plan}, out: Finding}
  writer:  {kind: tool, tools: [calc], in: {findings: "Finding[]", critique: "string[]?"}, out: Report}
  checker: {kind: agent, use: checker, in: {report: Report}, out: Verdict}
flow:
  plan:     planner(brief=input)
  findings: finder(plan.items[*])
  never:    {call: "extra(plan)", when: "plan.items == 7"}
  report:   writer(findings)
  verdict:  checker(report)
  revise:   {when: not verdict.ok, redo: report, with: {critique: verdict.issues}, max: 3}
  return:   report
)yaml"},
                      {"checker.yaml", R"yaml(
consort: 1
agent: {name: checker, version: 1.0.0, in: Checked, out: Verdict}
contracts: [contracts.yaml]
tools: {calc: {builtin: calculate}}
components:
  rule:  {kind: tool, tools: [calc], in: {line: string}, out: {type: object, properties: {bad: {type: string}}, required: [bad], additionalProperties: false}}
  judge: {kind: tool, tools: [calc], in: {report: Report, rules: {type: array, items: {type: object, properties: {bad: {type: string}}, required: [bad], additionalProperties: false}}}, out: Verdict}
flow:
  rules: rule(line=input.report.lines[*])
  out:   judge(report=input.report, rules)
  return: out
)yaml"}});
}

void define_briefing(TestProvider& provider) {
  provider.define("planner", [](const Value& input, const agent::CallScope&) {
    contract::Array items;
    int n = 0;
    for (const Value& topic : input.find("brief")->find("topics")->as_array()) {
      items.push_back(Value::object({{"topic", topic}, {"n", ++n}}));
    }
    return answer(Value::object({{"items", std::move(items)}}),
                  {.prompt_tokens = 10, .output_tokens = 5});
  });
  // The second item's first attempt breaks the contract; its repair is told how.
  provider.define("finder", [](const Value& input, const agent::CallScope& scope) {
    int64_t n = *input.find("n")->as_number().as_int64();
    if (n == 2 && scope.attempt == 1) return answer(Value::object({{"text", 5}, {"score", 1}}));
    std::string text = input.find("topic")->as_string() + " " + std::to_string(scope.seed % 1000);
    if (!scope.previous_violations.empty())
      text += " after " + scope.previous_violations[0].instance;
    return answer(Value::object({{"text", text}, {"score", n}}),
                  {.prompt_tokens = 20, .output_tokens = 7});
  });
  provider.define("writer", [](const Value& input, const agent::CallScope& scope) {
    contract::Array lines;
    for (const Value& finding : input.find("findings")->as_array())
      lines.push_back(*finding.find("text"));
    const Value* critique = input.find("critique");
    std::string note = critique == nullptr ? "draft" : "fixed " + contract::to_json(*critique);
    note += " " + scope.step;
    return answer(Value::object({{"lines", std::move(lines)}, {"note", note}}),
                  {.output_tokens = 30});
  });
  provider.define("rule", [](const Value& input, const agent::CallScope& scope) {
    return answer(Value::object(
        {{"bad", input.find("line")->as_string().substr(0, 3) + scope.step.substr(0, 9)}}));
  });
  // Content with the second revision.
  provider.define("judge", [](const Value& input, const agent::CallScope&) {
    std::string note = input.find("report")->find("note")->as_string();
    bool ok = note.ends_with("report#2");
    contract::Array issues;
    if (!ok) {
      for (const Value& rule : input.find("rules")->as_array()) issues.push_back(*rule.find("bad"));
    }
    return answer(Value::object({{"ok", ok}, {"issues", std::move(issues)}}));
  });
}

Value briefing_input() {
  return contract::parse_json(R"({"topics":["prices","rivals","tone"]})").value();
}

}  // namespace consort::run
