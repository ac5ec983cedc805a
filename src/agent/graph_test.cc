#include "agent/graph.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace consort::agent {
namespace {

namespace fs = std::filesystem;
using contract::parse_json;
using contract::Value;

// An agent folder on disk; files are given as name -> text.
class GraphTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("consort_graph_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    write("contracts.yaml", R"(
Item: {type: object, properties: {n: {type: integer, minimum: 0, maximum: 9}}, required: [n], additionalProperties: false}
List: {type: object, properties: {items: {type: array, items: {$ref: "#/$defs/Item"}}}, required: [items], additionalProperties: false}
Wide: {type: object, properties: {n: {type: integer}}, required: [n], additionalProperties: false}
)");
    write("p.md.j2", "Say {{ input.n }}");
  }
  void TearDown() override { fs::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) { std::ofstream(folder_ / name) << text; }

  static std::string agent(const std::string& components, const std::string& flow,
                           const std::string& in = "Item", const std::string& out = "Item") {
    return "consort: 1\nagent: {name: a, version: 0.1.0, in: " + in + ", out: " + out +
           "}\ncontracts: [contracts.yaml]\nmodels: {m: {ref: \"x:y\"}}\ntools: {t: {builtin: calculate}}\n"
           "components:\n" + components + "flow:\n" + flow;
  }
  Result<std::shared_ptr<const Graph>> build(const std::string& yaml) {
    write("agent.yaml", yaml);
    auto definition = load_definition(folder_);
    if (!definition) return fail(definition.error());
    return Graph::build(std::move(*definition));
  }
  fs::path folder_;
};

constexpr const char* kTool = "  one: {kind: tool, tools: [t], in: Item, out: Item}\n";
constexpr const char* kMany = "  many: {kind: tool, tools: [t], in: Item, out: List}\n";

TEST_F(GraphTest, ProvesEveryEdgeOfAFittingGraph) {
  auto g = build(agent(std::string(kTool) + kMany,
                       "  list: many(input)\n  each: one(list.items[*])\n  last: one(each[0])\n  return: last\n"));
  ASSERT_TRUE(g) << g.error().to_string();
  EXPECT_EQ((*g)->steps().size(), 3u);
  EXPECT_TRUE((*g)->steps()[1].fan_out);
  EXPECT_EQ((*g)->steps()[2].depends, std::vector<size_t>{1});
  for (const EdgeReport& e : (*g)->edges()) EXPECT_EQ(e.result.verdict, contract::Verdict::proved) << e.from;
}

TEST_F(GraphTest, RefutesAMismatchedEdgeWithAWitness) {
  auto g = build(agent("  wide: {kind: tool, tools: [t], in: Item, out: Wide}\n" + std::string(kTool),
                       "  w: wide(input)\n  x: one(w)\n  return: x\n"));
  ASSERT_FALSE(g);
  EXPECT_EQ(g.error().number, 6203);
  EXPECT_EQ(traits(g.error().code).exit_code, 3);
  // The witness is a Wide that is no Item: an integer outside 0..9.
  Value witness = parse_json(g.error().value).value();
  auto n = witness.find("n")->as_number().as_int64();
  ASSERT_TRUE(n);
  EXPECT_TRUE(*n < 0 || *n > 9);
  EXPECT_NE(g.error().place.find("agent.yaml:"), std::string::npos);
}

TEST_F(GraphTest, NamesATypoWithItsPlaceAndASuggestion) {
  auto g = build(agent("  one: {kind: tool, tools: [t], in: Item, out: Item, max_token: 3}\n", "  x: one(input)\n  return: x\n"));
  ASSERT_FALSE(g);
  EXPECT_EQ(g.error().number, 6003);
  EXPECT_NE(g.error().place.find("agent.yaml:7:"), std::string::npos) << g.error().place;
  auto h = build(agent(kTool, "  x: onne(input)\n  return: x\n"));
  ASSERT_FALSE(h);
  EXPECT_EQ(h.error().number, 6201);
  EXPECT_EQ(h.error().fix, "did you mean 'one'?");
}

TEST_F(GraphTest, RefusesACycleAndAMissingReference) {
  auto g = build(agent(kTool, "  x: one(y)\n  y: one(x)\n  return: y\n"));
  ASSERT_FALSE(g);
  EXPECT_EQ(g.error().number, 6202);
  auto h = build(agent(kTool, "  x: one(inputt)\n  return: x\n"));
  ASSERT_FALSE(h);
  EXPECT_EQ(h.error().fix, "did you mean 'input'?");
  auto i = build(agent("  one: {kind: tool, tools: [tt], in: Item, out: Item}\n", "  x: one(input)\n  return: x\n"));
  ASSERT_FALSE(i);
  EXPECT_EQ(i.error().number, 6201);
}

TEST_F(GraphTest, ASkippableStepMayOnlyFeedWhatTakesNull) {
  std::string optional = "  opt: {kind: tool, tools: [t], in: {a: \"Item?\"}, out: Item}\n";
  auto good = build(agent(kTool + optional,
                          "  x: {when: input.n > 3, call: one(input)}\n  y: opt(a=x)\n  return: y\n"));
  EXPECT_TRUE(good) << good.error().to_string();
  auto bad = build(agent(kTool, "  x: {when: input.n > 3, call: one(input)}\n  y: one(x)\n  return: y\n"));
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().number, 6203);
}

TEST_F(GraphTest, AnAgentMayUseAnotherButNotItself) {
  fs::create_directories(folder_ / "inner");
  write("inner/agent.yaml",
        "consort: 1\nagent: {name: inner, version: 0.2.1, in: Item, out: Item}\ncontracts: [../contracts.yaml]\n"
        "tools: {t: {builtin: calculate}}\ncomponents:\n  one: {kind: tool, tools: [t], in: Item, out: Item}\n"
        "flow:\n  x: one(input)\n  return: x\n");
  auto g = build(agent("  in: {use: inner@0.2, in: Item, out: Item}\n", "  x: in(input)\n  return: x\n"));
  ASSERT_TRUE(g) << g.error().to_string();
  EXPECT_NE((*g)->nodes().at("in").nested, nullptr);
  auto wrong = build(agent("  in: {use: inner@0.3, in: Item, out: Item}\n", "  x: in(input)\n  return: x\n"));
  EXPECT_FALSE(wrong);
  auto self = build(agent("  me: {use: agent, in: Item, out: Item}\n", "  x: me(input)\n  return: x\n"));
  ASSERT_FALSE(self);
  EXPECT_EQ(self.error().number, 6207);
}

TEST_F(GraphTest, BindsFanOutElementsAndRedoArguments) {
  auto g = build(agent(std::string(kMany) + "  opt: {kind: tool, tools: [t], in: {a: Item, b: \"Item?\"}, out: Item}\n",
                       "  list: many(input)\n  each: opt(a=list.items[*], b=input)\n  first: opt(a=each[0])\n"
                       "  again: {when: first.n > 5, redo: first, with: {b: input}, max: 2}\n  return: first\n"));
  ASSERT_TRUE(g) << g.error().to_string();
  Value list = parse_json(R"({"items":[{"n":1},{"n":2}]})").value(), input = parse_json(R"({"n":7})").value();
  Lookup look = [&](const std::string& name) { return name == "list" ? &list : name == "input" ? &input : nullptr; };
  auto inputs = bind_inputs((*g)->steps()[1], look);
  ASSERT_EQ(inputs.size(), 2u);
  EXPECT_EQ(inputs[1], parse_json(R"({"a":{"n":2},"b":{"n":7}})").value());
  ASSERT_EQ((*g)->loops().size(), 1u);
  EXPECT_EQ((*g)->loop_after()[0], 2u);
}

TEST_F(GraphTest, TheDigestFollowsPromptsAndContracts) {
  std::string yaml = agent("  gen: {kind: generate, model: m, prompt: p.md.j2, in: Item, out: Item}\n",
                           "  x: gen(input)\n  return: x\n");
  auto before = build(yaml);
  ASSERT_TRUE(before) << before.error().to_string();
  auto same = build(yaml);
  EXPECT_EQ((*before)->digest(), (*same)->digest());
  write("p.md.j2", "Say it: {{ input.n }}");
  EXPECT_NE((*before)->digest(), (*build(yaml))->digest());
  write("p.md.j2", "Say {{ input.n");
  EXPECT_FALSE(build(yaml));
}

}  // namespace
}  // namespace consort::agent
